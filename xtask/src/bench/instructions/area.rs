//! [`Area`]: the part of the request path that a function belongs to, by its name.
//!
//! What the compiler has inlined counts for the function that it was inlined into, so that areas bleed into each other
//! where one calls the other; the sum is exact.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::{Deserialize, Serialize};

use super::{
    Counts,
    profile::{Function, Profile},
};

/// See the module; in the order of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Area {
    Tls,
    Reading,
    Http2,
    LookUp,
    Law,
    Forward,
    Writing,
    Gateway,
    HttpTypes,
    RunTime,
    Memory,
    Libc,
    Other,
}

/// What is in a name of an area; the first that fits. More than one area can be in a name (`drop_in_place<Option<…>>`): what
/// is more particular comes first.
const SIGNS: [(Area, &[&str]); 11] = [
    (Area::Tls, &["rustls", "aws_lc", "webpki"]),
    (Area::Http2, &["vestibule_h2", "gateway::http2"]),
    (
        Area::Writing,
        &["h1::response::written", "h1::request::write", "http1::answer", "http1::outbound", "link::outbound"],
    ),
    (Area::Reading, &["vestibule_wire", "vestibule_h1", "memchr", "http1::inbound", "vestibule_preface"]),
    (Area::LookUp, &["vestibule_vhost", "siphash", "vestibule_names"]),
    (Area::Law, &["vestibule_proxy::law"]),
    (Area::Forward, &["vestibule_proxy"]),
    (Area::Gateway, &["vestibule_gateway", "vestibule_certs", "vestibule_owner", "vestibule_listener"]),
    (Area::HttpTypes, &["http::", "bytes::", "http_body"]),
    (Area::RunTime, &["tokio", "mio::", "futures"]),
    (Area::Memory, &["mi_", "mimalloc", "memcpy", "memmove", "memset", "memcmp", "malloc", "free"]),
];

impl Area {
    fn of(function: &Function) -> Self {
        let has = |signs: &[&str]| signs.iter().any(|sign| function.name.contains(sign));
        let by_name = SIGNS.iter().find(|(_, signs)| has(signs)).map(|(area, _)| *area);
        by_name.unwrap_or(if function.object.contains("libc") { Self::Libc } else { Self::Other })
    }

    fn title(self) -> &'static str {
        match self {
            Self::Tls => "TLS",
            Self::Reading => "reading HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::LookUp => "look-up",
            Self::Law => "header law",
            Self::Forward => "forward",
            Self::Writing => "writing HTTP/1.1",
            Self::Gateway => "walks and limits",
            Self::HttpTypes => "header maps, buffers",
            Self::RunTime => "run time",
            Self::Memory => "memory",
            Self::Libc => "system calls, libc",
            Self::Other => "other",
        }
    }
}

/// Instructions of one request.
pub(super) fn by_area(profile: &Profile, requests: u32) -> Counts {
    let mut counts = BTreeMap::new();
    for (function, count) in profile.iter() {
        *counts.entry(Area::of(function)).or_default() += count;
    }
    counts.values_mut().for_each(|count: &mut u64| *count /= u64::from(requests));
    counts
}

/// A row for each area that occurs, a column for each workload.
pub(super) fn table(columns: &[(&str, &Counts)]) -> String {
    let mut text = String::new();
    let mut row = |title: &str, cells: Vec<String>| {
        let cells = cells.iter().fold(String::new(), |line, cell| format!("{line}{cell:>18}"));
        // Writing to a string does not fail.
        let _ = writeln!(text, "{title:<24}{cells}");
    };
    row("instructions/request", columns.iter().map(|(title, _)| (*title).to_owned()).collect());
    let mut areas: Vec<Area> = columns.iter().flat_map(|(_, counts)| counts.keys().copied()).collect();
    areas.sort_unstable();
    areas.dedup();
    for area in areas {
        let cell = |counts: &Counts| counts.get(&area).copied().unwrap_or_default().to_string();
        row(area.title(), columns.iter().map(|(_, counts)| cell(counts)).collect());
    }
    row("all", columns.iter().map(|(_, counts)| counts.values().sum::<u64>().to_string()).collect());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_belong_to_areas() {
        let check = |object: &str, name: &str, expected| {
            let function = Function { object: object.to_owned(), name: name.to_owned() };
            assert_eq!(Area::of(&function), expected, "{name}");
        };
        check("vestibule", "vestibule_wire::head::read_request", Area::Reading);
        check("vestibule", "vestibule_h1::request::read::read_request", Area::Reading);
        check("vestibule", "vestibule_h1::response::written::write", Area::Writing);
        check("vestibule", "vestibule_vhost::table::trie::Trie<T>::find", Area::LookUp);
        check("vestibule", "vestibule_proxy::law::rewrite_request", Area::Law);
        check("vestibule", "<vestibule_proxy::link::Link as Drop>::drop", Area::Forward);
        check("vestibule", "http::header::map::HeaderMap<T>::insert", Area::HttpTypes);
        check("vestibule", "mi_free", Area::Memory);
        check("vestibule", "vestibule_h2::hpack::decode::Decoder::decode", Area::Http2);
        check("vestibule", "<vestibule_gateway::http2::Http2<S> as Conversation>::poll", Area::Http2);
        check("/usr/lib/libc.so.6", "__memmove_avx_unaligned_erms", Area::Memory);
        check("/usr/lib/libc.so.6", "epoll_wait", Area::Libc);
        check("vestibule", "core::fmt::write", Area::Other);
    }
}
