//! Challenges over HTTP (HTTP-01, RFC 8555 section 8.3): everything below `/.well-known/acme-challenge` is the gateway's
//! own, on clear and TLS ports, before any route, redirect, limit or header of a tenant has a say. Otherwise a tenant with
//! a catch-all could prove a name for itself, and a redirect or a busy site could stop a renewal.
//!
//! Only the literal form of a path gets a key authorization; whatever is merely read as one (dot segments, escapes, double
//! slashes) is ours too, and gets nothing. Not here: which challenges are open (`vestibule_acme::Door`).

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, uri::Uri};
use vestibule_acme::Door;
use vestibule_proxy::Body;

/// The path below which a CA asks (RFC 8555 section 8.3).
const FOLDER: &str = "/.well-known/acme-challenge";

/// What a target below [`FOLDER`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked<'a> {
    /// A token in the one form in which a CA asks for it.
    Token(&'a str),
    /// Anything else.
    Nothing,
}

/// What it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The key authorization of an open challenge.
    Given(Arc<str>),
    /// No challenge of this token is open for this host.
    Unknown,
    /// Neither GET nor HEAD.
    WrongMethod,
}

/// Is this path (in normal form) the folder or below it? `/.well-known/acme-challenges` is neither.
pub(crate) fn is_ours(normal: &str) -> bool {
    normal.strip_prefix(FOLDER).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What the target asks of the gateway itself; `None` for a target that is none of its. `normal` is the target's path in
/// normal form.
pub(crate) fn asked<'a>(target: &'a Uri, normal: &str) -> Option<Asked<'a>> {
    if !is_ours(normal) {
        return None;
    }
    let literal = target.path().strip_prefix(FOLDER).and_then(|rest| rest.strip_prefix('/'));
    let token = literal.filter(|token| is_token(token) && target.query().is_none());
    Some(token.map_or(Asked::Nothing, Asked::Token))
}

/// RFC 8555 section 8.3: of the alphabet of base64url, so that nothing in it could be read in two ways.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// What is answered to this host (in normal form).
pub(crate) fn answer(door: &Door, host: &str, asked: Asked<'_>, method: &Method) -> Answer {
    if !matches!(*method, Method::GET | Method::HEAD) {
        return Answer::WrongMethod;
    }
    match asked {
        Asked::Token(token) => door.key_authorization(host, token).map_or(Answer::Unknown, Answer::Given),
        Asked::Nothing => Answer::Unknown,
    }
}

impl Answer {
    /// The code word of access events and metrics.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Given(_) => "challenge",
            Self::Unknown => "challenge_unknown",
            Self::WrongMethod => "challenge_method",
        }
    }

    /// The response: a CA reads the body and nothing else.
    pub(crate) fn response(&self) -> Response<Body> {
        let (status, body) = match self {
            Self::Given(authorization) => (StatusCode::OK, Bytes::copy_from_slice(authorization.as_bytes())),
            Self::Unknown => (StatusCode::NOT_FOUND, Bytes::from_static(b"no such challenge\n")),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, Bytes::from_static(b"only GET and HEAD\n")),
        };
        let mut response = Response::new(Body::full(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if *self == Self::WrongMethod {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use vestibule_names::path;

    use super::*;

    /// How the walk judges a target: `token T`, `ours`, `not ours`, or `refused` when its path has no normal form.
    fn judged(target: &str) -> String {
        let target: Uri = target.parse().expect("a target");
        let Ok(normal) = path::normalise(target.path()) else { return "refused".to_owned() };
        match asked(&target, &normal) {
            Some(Asked::Token(token)) => format!("token {token}"),
            Some(Asked::Nothing) => "ours".to_owned(),
            None => "not ours".to_owned(),
        }
    }

    #[test]
    fn only_the_literal_form_asks_for_a_token_and_whatever_reads_like_it_is_ours() {
        for (target, expected) in [
            ("/.well-known/acme-challenge/abc-_9", "token abc-_9"),
            ("http://a.test/.well-known/acme-challenge/abc", "token abc"),
            // Into the folder, by other spellings.
            ("/.well-known/acme-challenge", "ours"),
            ("/.well-known/acme-challenge/", "ours"),
            ("/.well-known/acme-challenge/abc/", "ours"),
            ("/.well-known/acme-challenge/abc/def", "ours"),
            ("/.well-known/acme-challenge/abc?x=y", "ours"),
            ("/.well-known/acme-challenge/abc?", "ours"),
            ("/.well-known/acme-challenge/abc.def", "ours"),
            ("/.well-known/acme-challenge/abc=", "ours"),
            ("/.well-known/acme-challenge/ab%63", "ours"),
            ("/.well-known/acme-challenge/abc;x", "ours"),
            ("/.well-known/acme-challenge//abc", "ours"),
            ("/.well-known/acme-challenge/./abc", "ours"),
            ("/.well-known/acme-challenge/x/../abc", "ours"),
            ("/.well-known//acme-challenge/abc", "ours"),
            ("//.well-known/acme-challenge/abc", "ours"),
            ("/./.well-known/acme-challenge/abc", "ours"),
            ("/x/../.well-known/acme-challenge/abc", "ours"),
            ("/x/%2e%2e/.well-known/acme-challenge/abc", "ours"),
            ("/%2ewell-known/acme-challenge/abc", "ours"),
            ("/%2Ewell%2dknown/%61cme-challenge/abc", "ours"),
            ("/.well-known/acme-challenge/x/..", "ours"),
            // Out of it.
            ("/.well-known/acme-challenge/..", "not ours"),
            ("/.well-known/acme-challenge/../x", "not ours"),
            ("/.well-known/acme-challenge/%2e%2e/x", "not ours"),
            ("/.well-known/acme-challenge/x/../../security.txt", "not ours"),
            ("/.well-known/acme-challenges/abc", "not ours"),
            ("/.well-known/acme-challenge;x/abc", "not ours"),
            ("/.WELL-KNOWN/acme-challenge/abc", "not ours"),
            ("/.well-known/ACME-CHALLENGE/abc", "not ours"),
            ("/.well-known/acme-challeng", "not ours"),
            ("/.well-known", "not ours"),
            ("/x/.well-known/acme-challenge/abc", "not ours"),
            ("/?/.well-known/acme-challenge/abc", "not ours"),
            ("/", "not ours"),
            // No normal form: refused by the walk before any route is looked for.
            ("/.well-known/acme-challenge%2Fabc", "refused"),
            ("/.well-known/acme-challenge/a%2Fb", "refused"),
            ("/.well-known/acme-challenge/%5Cabc", "refused"),
            ("/.well-known/acme-challenge/..;/x", "refused"),
            ("/.well-known/acme-challenge/%00", "refused"),
            ("/.well-known/acme-challenge/../../../x", "refused"),
            ("/.well-known/acme-challenge/%c0%ae", "refused"),
        ] {
            assert_eq!(judged(target), expected, "{target}");
        }
    }

    #[test]
    fn a_key_authorization_is_for_one_host_one_token_and_two_methods() {
        let door = Door::default();
        let _open = door.open_http("a.test", "abc", "abc.thumb");
        let given = Answer::Given("abc.thumb".into());
        for (host, asked, method, expected) in [
            ("a.test", Asked::Token("abc"), Method::GET, &given),
            ("a.test", Asked::Token("abc"), Method::HEAD, &given),
            ("a.test", Asked::Token("abcd"), Method::GET, &Answer::Unknown),
            ("b.test", Asked::Token("abc"), Method::GET, &Answer::Unknown),
            ("a.test", Asked::Nothing, Method::GET, &Answer::Unknown),
            ("a.test", Asked::Token("abc"), Method::POST, &Answer::WrongMethod),
            ("a.test", Asked::Nothing, Method::OPTIONS, &Answer::WrongMethod),
        ] {
            assert_eq!(answer(&door, host, asked, &method), *expected, "{host} {asked:?} {method}");
        }
    }

    #[test]
    fn answers_are_plain_and_never_stored() {
        for (answer, status) in [(Answer::Given("t.k".into()), 200), (Answer::Unknown, 404), (Answer::WrongMethod, 405)]
        {
            let response = answer.response();
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
            assert_eq!(response.headers().contains_key(header::ALLOW), status == 405);
        }
    }
}
