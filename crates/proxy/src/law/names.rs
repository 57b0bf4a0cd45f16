//! Which field names mean what. Tables only; who removes and who refuses is decided by the callers.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        self, CONNECTION, EXPECT, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

/// The longest name that is compared in its folded spelling; no name in the tables is longer.
const FOLD_LIMIT: usize = 40;

/// Fields that end at this hop (RFC 9110 section 7.6.1), whether or not `Connection` nominates them, those of the hop's
/// own authentication, and `Expect`, which is answered here.
pub(super) static HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    PROXY_AUTHORIZATION,
    PROXY_AUTHENTICATE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
    EXPECT,
];

/// A set over [`HOP_BY_HOP`] and a few other names that the law looks for in every head, and finds in hardly any: which of
/// them a header map holds. One walk over the names costs less than a look-up for each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Present(u16);

impl Present {
    const CONTENT_LENGTH: u16 = 1 << 10;
    const TRAILER: u16 = 1 << 11;
    const COOKIE: u16 = 1 << 12;
    const ALT_SVC: u16 = 1 << 13;

    /// Which of them are there.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut present = Self::default();
        for name in headers.keys() {
            present.note(name);
        }
        present
    }

    /// Adds the name if it is one of them, and says what it is.
    pub(super) fn note(&mut self, name: &HeaderName) -> Noted {
        let index = match *name {
            header::CONTENT_LENGTH => return self.note_other(Self::CONTENT_LENGTH),
            header::TRAILER => return self.note_other(Self::TRAILER),
            header::COOKIE => return self.note_other(Self::COOKIE),
            header::ALT_SVC => return self.note_other(Self::ALT_SVC),
            header::CONNECTION => 0,
            header::TE => 1,
            header::TRANSFER_ENCODING => 2,
            header::UPGRADE => 3,
            header::PROXY_AUTHORIZATION => 4,
            header::PROXY_AUTHENTICATE => 5,
            header::EXPECT => 9,
            _ => match name.as_str() {
                "keep-alive" => 6,
                "proxy-connection" => 7,
                "http2-settings" => 8,
                _ => return Noted::Other,
            },
        };
        self.0 |= 1 << index;
        Noted::HopByHop
    }

    fn note_other(&mut self, bit: u16) -> Noted {
        self.0 |= bit;
        Noted::Other
    }

    /// Was the field that stands there in [`HOP_BY_HOP`] noted?
    fn holds(self, index: usize) -> bool {
        self.0 & (1 << index) != 0
    }

    /// Was `Content-Length` noted?
    pub(super) fn has_content_length(self) -> bool {
        self.0 & Self::CONTENT_LENGTH != 0
    }

    /// Was `Trailer` noted?
    pub(super) fn has_trailer(self) -> bool {
        self.0 & Self::TRAILER != 0
    }

    /// Was `Cookie` noted?
    pub(super) fn has_cookie(self) -> bool {
        self.0 & Self::COOKIE != 0
    }

    /// Was `Alt-Svc` noted?
    pub(super) fn has_alt_svc(self) -> bool {
        self.0 & Self::ALT_SVC != 0
    }

    /// Was `Transfer-Encoding` noted?
    pub(super) fn has_transfer_encoding(self) -> bool {
        self.holds(2)
    }

    /// Was `Connection` noted?
    pub(super) fn has_connection(self) -> bool {
        self.holds(0)
    }

    /// Was `TE` noted?
    pub(super) fn has_te(self) -> bool {
        self.holds(1)
    }

    /// Removes every noted field that is hop-by-hop.
    pub(super) fn remove_from(self, headers: &mut HeaderMap) {
        for (index, name) in HOP_BY_HOP.iter().enumerate() {
            if self.holds(index) {
                headers.remove(name);
            }
        }
    }
}

/// See [`Present::note`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Noted {
    /// One of them.
    HopByHop,
    /// None of them.
    Other,
}

/// What a field name of a request claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing special.
    Plain,
    /// Who the client is or how it came: only to be believed of a trusted proxy.
    Identity,
    /// A spelling that a CGI, WSGI or PHP backend could fold onto another name, or `Proxy` (httpoxy): never forwarded.
    Disguise,
}

/// What a walk over the bytes of a name finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// Letters, digits and hyphens.
    Usual,
    /// Something else that a token may have (RFC 9110 section 5.6.2).
    Unusual,
    /// An underscore, which every CGI-like backend takes for a hyphen.
    Underscored,
}

/// Judges a request field by its (lower-case) name. RFC 3875 section 4.1.18 lets a CGI-like backend know names only
/// by letters, digits and underscores, and what becomes of every other byte is its own choice: one that makes all of
/// them `_` would take `x!forwarded-for` for ours. So names are compared with each such byte folded.
pub(super) fn claim(name: &HeaderName) -> Claim {
    let name = name.as_str().as_bytes();
    match spelling(name) {
        Spelling::Underscored => Claim::Disguise,
        Spelling::Unusual if folds_onto_a_reserved_name(name) => Claim::Disguise,
        Spelling::Usual if name == b"proxy" => Claim::Disguise,
        Spelling::Usual if is_identity(name) => Claim::Identity,
        Spelling::Usual | Spelling::Unusual => Claim::Plain,
    }
}

fn spelling(name: &[u8]) -> Spelling {
    let mut spelling = Spelling::Usual;
    for byte in name {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => {}
            b'_' => return Spelling::Underscored,
            _ => spelling = Spelling::Unusual,
        }
    }
    spelling
}

fn folds_onto_a_reserved_name(name: &[u8]) -> bool {
    let mut folded = [0_u8; FOLD_LIMIT];
    // A longer name can still begin like an identity header: the prefix is enough to judge it.
    let len = name.len().min(FOLD_LIMIT);
    for (to, from) in folded.iter_mut().zip(name) {
        *to = if from.is_ascii_alphanumeric() { *from } else { b'-' };
    }
    let folded = &folded[..len];
    is_identity(folded) || is_framing(folded) || folded == b"proxy"
}

/// Names by which backends are told who the client is, where it came from, or what it asked for. The first byte
/// spares most names the rest. `CF-Connecting-IP` and `True-Client-IP` are those of two large networks: a backend that
/// is moved behind us often still reads them.
fn is_identity(name: &[u8]) -> bool {
    match name.first() {
        Some(b'x') => name.get(1) == Some(&b'-') && is_extended_identity(&name[2..]),
        Some(b'c') => name.starts_with(b"client-cert") || name == b"cf-connecting-ip",
        Some(b'f') => matches!(name, b"forwarded" | b"forwarded-for" | b"front-end-https"),
        Some(b'r') => {
            matches!(name, b"remote-addr" | b"remote-host" | b"remote-port" | b"remote-user" | b"remote-ident")
        }
        Some(b's') => name.starts_with(b"ssl-client-") || name == b"script-name",
        Some(b't') => name == b"true-client-ip",
        _ => false,
    }
}

/// What follows `x-`.
fn is_extended_identity(name: &[u8]) -> bool {
    [&b"forwarded"[..], b"original-", b"client-cert", b"ssl-", b"arr-"].iter().any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            b"real-ip"
                | b"client-ip"
                | b"cluster-client-ip"
                | b"remote-addr"
                | b"remote-user"
                | b"scheme"
                | b"url-scheme"
                | b"rewrite-url"
                | b"host"
                | b"http-host-override"
                | b"request-id"
        )
}

fn is_framing(name: &[u8]) -> bool {
    matches!(
        name,
        b"host"
            | b"content-length"
            | b"transfer-encoding"
            | b"connection"
            | b"upgrade"
            | b"te"
            | b"expect"
            | b"trailer"
    )
}

/// Fields meant for all recipients, which `Connection` may not nominate (RFC 9110 section 7.6.1): taking one of them
/// away would change where a request goes, where it ends, or what it means.
pub(super) fn may_not_be_nominated(name: &[u8]) -> bool {
    [
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "content-range",
        "authorization",
        "cookie",
        "cache-control",
        "expect",
    ]
    .iter()
    .any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

/// Options of `Connection` that name no field to remove, or one that is removed anyway.
pub(super) fn is_plain_option(option: &[u8]) -> bool {
    [
        "close",
        "keep-alive",
        "upgrade",
        "te",
        "http2-settings",
        "transfer-encoding",
        "proxy-connection",
        "proxy-authorization",
    ]
    .iter()
    .any(|known| known.as_bytes().eq_ignore_ascii_case(option))
}

/// The elements of a comma-separated list without blanks and empty elements (RFC 9110 section 5.6.1).
pub(super) fn elements(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

/// Removes what `Connection` nominates. Names of identity are not among them: what we say of the client cannot be
/// taken away by the client (CVE-2024-45410).
pub(super) fn remove_nominated(headers: &mut HeaderMap) {
    let mut doomed = Vec::new();
    for value in headers.get_all(CONNECTION) {
        for option in elements(value) {
            if is_plain_option(option) || may_not_be_nominated(option) {
                continue;
            }
            if let Ok(name) = HeaderName::from_bytes(option)
                && claim(&name) == Claim::Plain
            {
                doomed.push(name);
            }
        }
    }
    for name in doomed {
        headers.remove(name);
    }
}

/// Removes the fields that may not stand in a trailer section (RFC 9110 section 6.5.1): framing, routing,
/// authentication, request modifiers, response control, content format, and every name of identity.
pub(crate) fn retain_trailers(trailers: &mut HeaderMap) {
    let doomed: Vec<HeaderName> = trailers.keys().filter(|name| !may_be_a_trailer(name)).cloned().collect();
    for name in doomed {
        trailers.remove(name);
    }
}

/// Says in `Trailer` only what may be there. The field is written afresh or, with nothing left to say, removed: our
/// own codec sends no trailer that it does not name.
pub(super) fn rewrite_trailer(headers: &mut HeaderMap) {
    if !headers.contains_key(TRAILER) {
        return;
    }
    let mut said = String::new();
    for name in headers.get_all(TRAILER).iter().flat_map(elements) {
        if let Ok(name) = HeaderName::from_bytes(name)
            && may_be_a_trailer(&name)
        {
            said.push_str(if said.is_empty() { "" } else { ", " });
            said.push_str(name.as_str());
        }
    }
    headers.remove(TRAILER);
    // Names of fields are always a value of one.
    if let Ok(said) = HeaderValue::try_from(said)
        && !said.is_empty()
    {
        headers.insert(TRAILER, said);
    }
}

/// May a field of this name not stand in a trailer section? Names in any case.
pub fn forbids_trailer(name: &[u8]) -> bool {
    HeaderName::from_bytes(name).map_or(true, |name| !may_be_a_trailer(&name))
}

fn may_be_a_trailer(name: &HeaderName) -> bool {
    if Present::default().note(name) == Noted::HopByHop || claim(name) != Claim::Plain {
        return false;
    }
    let text = name.as_str();
    if text.starts_with("if-") || text.starts_with("access-control-") || text.starts_with("sec-") {
        return false;
    }
    !matches!(
        *name,
        header::HOST
            | header::TRAILER
            | header::EXPECT
            | header::MAX_FORWARDS
            | header::CACHE_CONTROL
            | header::PRAGMA
            | header::RANGE
            | header::AUTHORIZATION
            | header::WWW_AUTHENTICATE
            | header::COOKIE
            | header::SET_COOKIE
            | header::CONTENT_LENGTH
            | header::CONTENT_ENCODING
            | header::CONTENT_TYPE
            | header::CONTENT_RANGE
            | header::CONTENT_LOCATION
            | header::CONTENT_SECURITY_POLICY
            | header::STRICT_TRANSPORT_SECURITY
            | header::ALT_SVC
            | header::AGE
            | header::DATE
            | header::EXPIRES
            | header::LOCATION
            | header::RETRY_AFTER
            | header::VARY
            | header::WARNING
            | header::ORIGIN
            | header::REFERER
    )
}

#[cfg(test)]
mod tests;
