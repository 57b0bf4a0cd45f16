//! [`Answer`]: what came back, with the header fields that the library above drops (Retry-After, Date, Link) already read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header, response::Parts};

/// No CA makes us wait longer than this, whatever it says: Let's Encrypt's longest limit is a week.
const RETRY_AFTER_LIMIT: Duration = Duration::from_hours(7 * 24);
/// More links of one answer are not looked at.
const LINK_LIMIT: usize = 32;

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// What the CA asked to wait from now on (RFC 9110 section 10.2.3).
    pub(crate) retry_after: Option<Duration>,
    /// Seconds that our clock is ahead of the CA's.
    pub(crate) skew: Option<i64>,
}

impl Answer {
    pub(super) fn new(parts: Parts, body: Bytes, now: SystemTime) -> Self {
        let date = text(&parts.headers, header::DATE).and_then(|date| httpdate::parse_http_date(date).ok());
        // A date to wait for is a date of the CA's clock, so it is measured from the CA's now.
        let retry_after =
            text(&parts.headers, header::RETRY_AFTER).and_then(|text| retry_after(text, date.unwrap_or(now)));
        let skew = date.map(|date| seconds(now) - seconds(date));
        Self { status: parts.status, headers: parts.headers, body, retry_after, skew }
    }

    /// Targets of `Link` fields with this relation (RFC 8288), such as `alternate` (RFC 8555 section 7.4.2).
    pub(crate) fn links(&self, relation: &str) -> Vec<String> {
        let fields = self.headers.get_all(header::LINK).iter().filter_map(|field| field.to_str().ok());
        fields
            .flat_map(links_of)
            .filter(|(_, rel)| rel == relation)
            .map(|(target, _)| target)
            .take(LINK_LIMIT)
            .collect()
    }

    pub(crate) fn is_chain(&self) -> bool {
        is_chain(&self.headers)
    }
}

/// RFC 8555 section 9.1.
pub(super) fn is_chain(headers: &HeaderMap) -> bool {
    text(headers, header::CONTENT_TYPE).is_some_and(|media| media.starts_with("application/pem-certificate-chain"))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

/// Seconds, or a date.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let wait = match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true if text.is_empty() => return None,
        // More digits than a number holds are a long time.
        true => text.parse().map_or(RETRY_AFTER_LIMIT, Duration::from_secs),
        false => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(RETRY_AFTER_LIMIT))
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// `<target>; rel="relation"; …, <target>; …`: target and relation of each. What is malformed is left out.
fn links_of(field: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = field;
    while let Some((target, after)) = rest.split_once('<').and_then(|(_, after)| after.split_once('>')) {
        let (parameters, next) = after.split_at(after.find('<').unwrap_or(after.len()));
        let relation = parameters.split([';', ',']).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches('"').to_ascii_lowercase())
        });
        found.extend(relation.map(|relation| (target.to_owned(), relation)));
        rest = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(fields: &[(&'static str, &str)], now: SystemTime) -> Answer {
        let mut response = http::Response::builder();
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        Answer::new(response.body(()).unwrap().into_parts().0, Bytes::new(), now)
    }

    #[test]
    fn a_wait_comes_in_seconds_or_as_a_date_of_the_cas_clock() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        let check = |fields: &[(&'static str, &str)], expected: Option<u64>| {
            assert_eq!(answer(fields, now).retry_after, expected.map(Duration::from_secs), "{fields:?}");
        };
        check(&[], None);
        check(&[("retry-after", "120")], Some(120));
        check(&[("retry-after", " 0 ")], Some(0));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], Some(60));
        check(&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(0));
        let fast = ("date", "Sun, 06 Nov 1994 10:49:37 GMT");
        check(&[("retry-after", "Sun, 06 Nov 1994 10:50:37 GMT"), fast], Some(60));
        check(&[("retry-after", "99999999999999999999999")], Some(7 * 86_400));
        check(&[("retry-after", "Sat, 06 Nov 2094 08:50:37 GMT")], Some(7 * 86_400));
        for garbage in ["", "soon", "-5", "1.5", "Sun, 06 Nov 1994"] {
            check(&[("retry-after", garbage)], None);
        }
    }

    #[test]
    fn the_difference_of_clocks_is_seen() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(answer(&[("date", "Sun, 06 Nov 1994 07:49:37 GMT")], now).skew, Some(3600));
        assert_eq!(answer(&[("date", "Sun, 06 Nov 1994 08:50:37 GMT")], now).skew, Some(-60));
        assert_eq!(answer(&[("date", "yesterday")], now).skew, None);
        assert_eq!(answer(&[], now).skew, None);
    }

    #[test]
    fn links_are_found_by_relation() {
        let check = |fields: &[&str], expected: &[&str]| {
            let fields: Vec<_> = fields.iter().map(|field| ("link", *field)).collect();
            assert_eq!(answer(&fields, SystemTime::now()).links("alternate"), expected, "{fields:?}");
        };
        check(&[], &[]);
        check(&["<https://ca.test/a>;rel=\"alternate\""], &["https://ca.test/a"]);
        check(&["<https://ca.test/dir>;rel=\"index\"", "<https://ca.test/b>; rel=alternate"], &["https://ca.test/b"]);
        check(
            &[
                "<https://ca.test/a>; title=\"x\"; REL=\"Alternate\", <https://ca.test/up>; rel=\"up\", <https://ca.test/c>;rel=alternate",
            ],
            &["https://ca.test/a", "https://ca.test/c"],
        );
        check(&["<https://ca.test/a>", "no link", "<", "<>", "rel=alternate"], &[]);
        let many = "<https://ca.test/a>;rel=alternate,".repeat(1000);
        assert_eq!(answer(&[("link", &many)], SystemTime::now()).links("alternate").len(), LINK_LIMIT);
    }
}
