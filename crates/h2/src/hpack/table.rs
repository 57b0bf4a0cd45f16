//! The two tables of RFC 7541 section 2.3: the static one, and what a client has indexed.

use std::collections::VecDeque;

use http::{HeaderName, HeaderValue, header};

/// What a field is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    Pseudo(Pseudo),
    Field(HeaderName),
    /// No name at all: upper case, or bytes that belong into none.
    Malformed,
}

/// Pseudo-header fields (RFC 9113 section 8.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pseudo {
    Method,
    Scheme,
    Authority,
    Path,
    /// Of no request: `:status`, or one that nobody knows.
    Other,
}

impl Name {
    pub(super) fn read(bytes: &[u8]) -> Self {
        match bytes {
            b":method" => Self::Pseudo(Pseudo::Method),
            b":scheme" => Self::Pseudo(Pseudo::Scheme),
            b":authority" => Self::Pseudo(Pseudo::Authority),
            b":path" => Self::Pseudo(Pseudo::Path),
            [b':', ..] => Self::Pseudo(Pseudo::Other),
            name => HeaderName::from_lowercase(name).map_or(Self::Malformed, Self::Field),
        }
    }
}

/// An entry of a table.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: Name,
    /// `None`: bytes that belong into no value.
    pub(super) value: Option<HeaderValue>,
    /// Bytes of name and value.
    pub(super) lengths: (usize, usize),
}

/// What an entry costs beside its bytes (section 4.1).
pub(super) const OVERHEAD: usize = 32;

impl Entry {
    fn size(&self) -> usize {
        self.lengths.0 + self.lengths.1 + OVERHEAD
    }
}

/// The limit of the table of what a client has indexed, bytes: the initial value, which we leave as it is (RFC 9113
/// section 6.5.2).
pub(super) const TABLE_LIMIT: usize = 4096;

/// What a client has indexed, the newest first. It is within its limit at any time.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: VecDeque<Entry>,
    size: usize,
    limit: Limit,
}

#[derive(Debug)]
struct Limit(usize);

impl Default for Limit {
    fn default() -> Self {
        Self(TABLE_LIMIT)
    }
}

impl Table {
    /// The entry of that index, counted through both tables from 1.
    pub(super) fn entry(&self, index: usize) -> Option<&Entry> {
        let index = index.checked_sub(1)?;
        STATIC.get(index).or_else(|| self.entries.get(index - STATIC.len()))
    }

    /// Adds an entry, for which others go (section 4.4); one that is larger than the table empties it.
    pub(super) fn insert(&mut self, entry: Entry) {
        let size = entry.size();
        self.evict(self.limit.0.saturating_sub(size));
        if size <= self.limit.0 {
            self.size += size;
            self.entries.push_front(entry);
        }
    }

    /// The client changes the limit (section 4.3); not beyond [`TABLE_LIMIT`].
    pub(super) fn resize(&mut self, limit: usize) {
        self.limit = Limit(limit);
        self.evict(limit);
    }

    /// Gives back room for which there is no entry.
    pub(super) fn rest(&mut self) {
        self.entries.shrink_to_fit();
    }

    fn evict(&mut self, down_to: usize) {
        while self.size > down_to
            && let Some(entry) = self.entries.pop_back()
        {
            self.size -= entry.size();
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> usize {
        assert_eq!(self.size, self.entries.iter().map(Entry::size).sum::<usize>());
        self.size
    }
}

const fn pseudo(pseudo: Pseudo, name: usize, value: &'static str) -> Entry {
    Entry { name: Name::Pseudo(pseudo), value: Some(HeaderValue::from_static(value)), lengths: (name, value.len()) }
}

const fn field(name: HeaderName, length: usize) -> Entry {
    valued(name, length, "")
}

const fn valued(name: HeaderName, length: usize, value: &'static str) -> Entry {
    Entry { name: Name::Field(name), value: Some(HeaderValue::from_static(value)), lengths: (length, value.len()) }
}

/// RFC 7541 appendix A.
static STATIC: [Entry; 61] = [
    pseudo(Pseudo::Authority, 10, ""),
    pseudo(Pseudo::Method, 7, "GET"),
    pseudo(Pseudo::Method, 7, "POST"),
    pseudo(Pseudo::Path, 5, "/"),
    pseudo(Pseudo::Path, 5, "/index.html"),
    pseudo(Pseudo::Scheme, 7, "http"),
    pseudo(Pseudo::Scheme, 7, "https"),
    pseudo(Pseudo::Other, 7, "200"),
    pseudo(Pseudo::Other, 7, "204"),
    pseudo(Pseudo::Other, 7, "206"),
    pseudo(Pseudo::Other, 7, "304"),
    pseudo(Pseudo::Other, 7, "400"),
    pseudo(Pseudo::Other, 7, "404"),
    pseudo(Pseudo::Other, 7, "500"),
    field(header::ACCEPT_CHARSET, 14),
    valued(header::ACCEPT_ENCODING, 15, "gzip, deflate"),
    field(header::ACCEPT_LANGUAGE, 15),
    field(header::ACCEPT_RANGES, 13),
    field(header::ACCEPT, 6),
    field(header::ACCESS_CONTROL_ALLOW_ORIGIN, 27),
    field(header::AGE, 3),
    field(header::ALLOW, 5),
    field(header::AUTHORIZATION, 13),
    field(header::CACHE_CONTROL, 13),
    field(header::CONTENT_DISPOSITION, 19),
    field(header::CONTENT_ENCODING, 16),
    field(header::CONTENT_LANGUAGE, 16),
    field(header::CONTENT_LENGTH, 14),
    field(header::CONTENT_LOCATION, 16),
    field(header::CONTENT_RANGE, 13),
    field(header::CONTENT_TYPE, 12),
    field(header::COOKIE, 6),
    field(header::DATE, 4),
    field(header::ETAG, 4),
    field(header::EXPECT, 6),
    field(header::EXPIRES, 7),
    field(header::FROM, 4),
    field(header::HOST, 4),
    field(header::IF_MATCH, 8),
    field(header::IF_MODIFIED_SINCE, 17),
    field(header::IF_NONE_MATCH, 13),
    field(header::IF_RANGE, 8),
    field(header::IF_UNMODIFIED_SINCE, 19),
    field(header::LAST_MODIFIED, 13),
    field(header::LINK, 4),
    field(header::LOCATION, 8),
    field(header::MAX_FORWARDS, 12),
    field(header::PROXY_AUTHENTICATE, 18),
    field(header::PROXY_AUTHORIZATION, 19),
    field(header::RANGE, 5),
    field(header::REFERER, 7),
    field(header::REFRESH, 7),
    field(header::RETRY_AFTER, 11),
    field(header::SERVER, 6),
    field(header::SET_COOKIE, 10),
    field(header::STRICT_TRANSPORT_SECURITY, 25),
    field(header::TRANSFER_ENCODING, 17),
    field(header::USER_AGENT, 10),
    field(header::VARY, 4),
    field(header::VIA, 3),
    field(header::WWW_AUTHENTICATE, 16),
];

/// The first field of the static table, and its index.
pub(super) const FIRST_FIELD: usize = 15;

/// The index of a name in the static table.
pub(super) fn static_index(name: &HeaderName) -> Option<usize> {
    let name = name.as_str().as_bytes();
    let mut slot = slot(name);
    loop {
        let index = usize::from(INDEXES[slot]);
        match index {
            0 => return None,
            _ if NAMES[index - FIRST_FIELD].as_bytes() == name => return Some(index),
            _ => slot = (slot + 1) % INDEXES.len(),
        }
    }
}

/// Where to look for a name first.
const fn slot(name: &[u8]) -> usize {
    match name {
        [first, .., last] => (name.len() * 7 + *first as usize * 5 + *last as usize * 11) % INDEXES.len(),
        _ => 0,
    }
}

/// The indexes of [`NAMES`], each in the first free place from its [`slot`] on.
static INDEXES: [u8; 256] = {
    let mut indexes = [0; 256];
    let mut at = 0;
    while at < NAMES.len() {
        let mut place = slot(NAMES[at].as_bytes());
        while indexes[place] != 0 {
            place = (place + 1) % indexes.len();
        }
        indexes[place] = (at + FIRST_FIELD) as u8;
        at += 1;
    }
    indexes
};

/// The names of the fields of the static table, in its order.
const NAMES: [&str; 47] = [
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "accept",
    "access-control-allow-origin",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expect",
    "expires",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "proxy-authenticate",
    "proxy-authorization",
    "range",
    "referer",
    "refresh",
    "retry-after",
    "server",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, value: &str) -> Entry {
        Entry {
            name: Name::read(name.as_bytes()),
            value: HeaderValue::from_str(value).ok(),
            lengths: (name.len(), value.len()),
        }
    }

    #[test]
    fn the_static_table_says_the_same_in_all_its_forms() {
        for (at, entry) in STATIC.iter().enumerate() {
            let value = entry.value.as_ref().expect("all are well-formed");
            assert_eq!(entry.lengths.1, value.len());
            match &entry.name {
                Name::Field(name) => {
                    assert_eq!((name.as_str(), at + 1), (NAMES[at + 1 - FIRST_FIELD], static_index(name).unwrap()));
                    assert_eq!(entry.lengths.0, name.as_str().len());
                }
                Name::Pseudo(_) => assert!(at + 1 < FIRST_FIELD),
                Name::Malformed => panic!("none is"),
            }
        }
        for (index, name) in [(15, "accept-charset"), (32, "cookie"), (58, "user-agent"), (61, "www-authenticate")] {
            assert_eq!(NAMES[index - FIRST_FIELD], name, "RFC 7541 appendix A");
        }
        for other in ["x", "x-own", "accept-charsey", "proxy-connection", "origin"] {
            assert_eq!(static_index(&HeaderName::from_static(other)), None);
        }
    }

    #[test]
    fn the_oldest_go_for_the_new_and_the_table_is_never_larger_than_it_may_be() {
        let mut table = Table::default();
        assert!(table.entry(0).is_none() && table.entry(61).is_some() && table.entry(62).is_none());
        table.resize(100);
        for number in 0..10_u8 {
            table.insert(entry("x-own", &number.to_string()));
        }
        // 38 bytes each: two fit.
        let values: Vec<_> = (62..66).map_while(|index| table.entry(index)?.value.clone()).collect();
        assert_eq!((values, table.size()), (vec![HeaderValue::from(9), HeaderValue::from(8)], 76));
        table.resize(75);
        assert_eq!((table.size(), table.entry(63).is_none()), (38, true));
        table.insert(entry("x-own", &"x".repeat(100)));
        assert_eq!(table.size(), 0, "larger than the table");
        table.resize(38);
        table.insert(entry("x-own", "1"));
        assert_eq!(table.size(), 38);
        table.resize(0);
        assert_eq!(table.size(), 0);
    }

    #[test]
    fn an_idle_table_keeps_room_for_its_entries_alone() {
        let mut table = Table::default();
        for number in 0..5_u8 {
            table.insert(entry("x-own", &number.to_string()));
            table.rest();
            assert_eq!(table.entries.capacity(), usize::from(number) + 1);
        }
        assert_eq!(table.entry(62).and_then(|entry| entry.value.clone()), Some(HeaderValue::from(4)));
        table.resize(0);
        table.rest();
        assert_eq!(table.entries.capacity(), 0);
    }

    #[test]
    fn names_are_lower_case_tokens_or_known_pseudo_header_fields() {
        for (name, expected) in [
            (":method", Name::Pseudo(Pseudo::Method)),
            (":path", Name::Pseudo(Pseudo::Path)),
            (":status", Name::Pseudo(Pseudo::Other)),
            (":protocol", Name::Pseudo(Pseudo::Other)),
            (":Path", Name::Pseudo(Pseudo::Other)),
            (":", Name::Pseudo(Pseudo::Other)),
            ("", Name::Malformed),
            ("Host", Name::Malformed),
            ("a b", Name::Malformed),
            ("x\0", Name::Malformed),
            ("host", Name::Field(header::HOST)),
        ] {
            assert_eq!(Name::read(name.as_bytes()), expected, "{name:?}");
        }
    }
}
