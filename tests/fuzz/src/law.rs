//! The header law: what goes on is what came, less what may not. The lists here are written from the RFCs and from what
//! backends read, not from the code that is tried.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, request};
use vestibule_proxy::{
    Caller, Scheme, Trust,
    fuzzing::{BodyLength, retain_trailers, rewrite_response},
};

use crate::{
    forward::{Circumstances, Load, forward},
    reading::sorted,
};

/// RFC 9110 section 7.6.1, RFC 9113 section 8.2.2, and those of the hop's own authentication.
const HOP_BY_HOP: [&str; 10] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
    "proxy-authorization",
    "proxy-authenticate",
    "expect",
];
/// What we say of the client ourselves.
const OURS: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"];
/// Other names by which backends are told who somebody is or what they asked for: those of proxies, of CGI, of servers.
const IDENTITY: [&str; 22] = [
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "x-forwarded",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-forwarded-user",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
    "x-scheme",
    "x-host",
    "remote-addr",
    "remote-user",
    "ssl-client-cert",
    "client-cert",
    "x-arr-ssl",
    "front-end-https",
    "proxy",
];
/// RFC 9110 section 7.6.1: meant for all recipients, and kept although they are nominated (or refused before).
const NOT_NOMINABLE: [&str; 9] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "content-range",
    "authorization",
    "cookie",
    "cache-control",
    "expect",
];
/// What our own fields may add, besides the host in them.
const GROWTH: usize = 512;

/// What a rewritten request must agree with.
pub(crate) struct Expected<'a> {
    pub(crate) caller: &'a Caller<'a>,
    pub(crate) length: BodyLength,
    pub(crate) stripped: Option<&'a str>,
}

/// A byte of circumstances, then lines: the request line `METHOD target`, then fields.
pub fn header_law(data: &[u8]) {
    let Some((&flags, text)) = data.split_first() else { return };
    let mut lines = text.split(|byte| *byte == b'\n');
    let Some(head) = request_line(lines.next().unwrap_or_default(), flags) else { return };
    let (mut head, ()) = head.into_parts();
    fields(&mut head.headers, lines);
    let length = match flags >> 2 & 3 {
        0 | 1 => BodyLength::None,
        2 => BodyLength::Exact(5),
        _ => BodyLength::Unknown,
    };
    let how = Circumstances {
        trust: if flags & 2 == 0 { Trust::Client } else { Trust::Proxy },
        scheme: if flags & 16 == 0 { Scheme::Https } else { Scheme::Http },
        stripped: (flags & 32 != 0).then_some("/app"),
    };
    // Of trailers, too, the same fields are a good try.
    let trailers = head.headers.clone();
    left_of_trailers(trailers.clone());
    let body = if length == BodyLength::None { Vec::new() } else { b"12345".to_vec() };
    forward(head, Load { body, trailers, length }, how);
}

fn request_line(line: &[u8], flags: u8) -> Option<Request<()>> {
    let (method, target) = str::from_utf8(line).ok()?.split_once(' ')?;
    let version = if flags & 1 == 0 { Version::HTTP_11 } else { Version::HTTP_2 };
    let request = Request::builder().method(Method::from_bytes(method.as_bytes()).ok()?);
    request.uri(Uri::try_from(target).ok()?).version(version).body(()).ok()
}

fn fields<'a>(headers: &mut HeaderMap, lines: impl Iterator<Item = &'a [u8]>) {
    for line in lines.take(100) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let name = HeaderName::from_bytes(&line[..colon]);
        // The parser of HTTP/1.1 leaves blanks around values away, and the law refuses them in HTTP/2.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii())) {
            headers.append(name, value);
        }
    }
}

/// A rewritten request: see [`Expected`].
pub(crate) fn request(before: &HeaderMap, head: &request::Parts, expected: &Expected<'_>) {
    let after = &head.headers;
    let caller = expected.caller;
    assert_eq!(head.version, Version::HTTP_11);
    assert_eq!(values(after, "host"), [caller.authority.as_bytes()]);
    framing(after, expected.length);
    for name in after.keys().map(HeaderName::as_str) {
        permitted(name, after, expected);
        let is_written = OURS.contains(&name)
            || HOP_BY_HOP.contains(&name)
            || matches!(name, "host" | "cookie" | "trailer" | "content-length")
            || (name == "x-forwarded-prefix" && expected.stripped.is_some());
        assert!(is_written || values(after, name) == values(before, name), "{name} was changed");
    }
    for name in before.keys().filter(|name| is_common(name)) {
        assert!(after.contains_key(name) || nominated(before).any(|option| *name == *option), "{name} was lost");
    }
    if caller.trust == Trust::Client {
        // `close` is an option and no field; a prefix is said by us, whoever nominates it.
        let kept = |name: &str| OURS.contains(&name) || matches!(name, "close" | "te" | "connection" | "upgrade");
        let mut gone = nominated(before).filter(|name| !kept(name) && name != "transfer-encoding");
        let is_there = |name: &String| name != "x-forwarded-prefix" && after.contains_key(name.as_str());
        assert_eq!(gone.find(is_there), None, "nominated, and forwarded");
    }
    identity(after, caller);
    let size =
        |headers: &HeaderMap| -> usize { headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum() };
    // The chain, the host and the prefix stand in two fields each, and an address is written at more length.
    let room = 4 * size(before) + GROWTH + 4 * caller.authority.len();
    assert!(size(after) <= room, "{} bytes of fields become {}", size(before), size(after));
}

/// Nothing that ends at this hop, that was nominated, or that disguises itself.
fn permitted(name: &str, after: &HeaderMap, expected: &Expected<'_>) {
    match name {
        "connection" => {
            let said = values(after, name);
            assert!(said == [b"te"] || said == [b"upgrade"], "{said:?}");
            let behind = if said == [b"te"] { "te" } else { "upgrade" };
            assert!(after.contains_key(behind));
        }
        "te" => assert_eq!(values(after, name), [b"trailers"]),
        "upgrade" => assert_eq!(values(after, name), [b"websocket"]),
        "transfer-encoding" => assert_eq!(expected.length, BodyLength::Unknown),
        _ => assert!(!HOP_BY_HOP.contains(&name), "{name} ends here"),
    }
    assert!(!name.contains('_'), "{name} is another name to a CGI program");
    let folded: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let reserved = |name: &str| {
        OURS.contains(&name)
            || IDENTITY.contains(&name)
            || HOP_BY_HOP.contains(&name) && name != "http2-settings"
            || matches!(name, "host" | "content-length")
    };
    assert!(folded == name || !reserved(&folded) || is_hop_alias(&folded), "{name} folds onto {folded}");
    let is_prefix = name == "x-forwarded-prefix" && expected.stripped.is_some();
    if expected.caller.trust == Trust::Client {
        let foreign = IDENTITY.contains(&name) || (name.starts_with("x-forwarded-") && !OURS.contains(&name));
        assert!(!foreign || is_prefix, "{name} is not for a client to say");
    }
}

/// Names of the hop that mean nothing to a backend, in whatever spelling.
fn is_hop_alias(folded: &str) -> bool {
    matches!(folded, "keep-alive" | "proxy-connection" | "proxy-authorization" | "proxy-authenticate")
}

fn framing(headers: &HeaderMap, length: BodyLength) {
    let (lengths, codings) = (values(headers, "content-length"), values(headers, "transfer-encoding"));
    match length {
        BodyLength::None => assert!(codings.is_empty() && (lengths.is_empty() || lengths == [b"0"])),
        BodyLength::Exact(length) => assert!(codings.is_empty() && lengths == [length.to_string().as_bytes()]),
        BodyLength::Unknown => assert!(lengths.is_empty() && codings == [b"chunked"]),
    }
}

/// Fields that nobody has a reason to take away.
fn is_common(name: &HeaderName) -> bool {
    ["accept", "user-agent", "authorization", "content-type", "cookie", "range", "if-none-match", "x-custom"]
        .contains(&name.as_str())
}

fn nominated(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let options = headers.get_all(http::header::CONNECTION).iter();
    let options = options.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options
        .map(|option| String::from_utf8_lossy(option.trim_ascii()).to_ascii_lowercase())
        .filter(|option| !NOT_NOMINABLE.contains(&option.as_str()))
}

/// Both families of fields say of the same clients, and the last of them is who is connected.
fn identity(headers: &HeaderMap, caller: &Caller<'_>) {
    for name in OURS {
        assert_eq!(values(headers, name).len(), 1, "{name}");
    }
    let text = |name: &str| headers[name].to_str().unwrap_or_else(|_| panic!("{name} is text")).to_owned();
    let chain = text("x-forwarded-for");
    let chain: Vec<&str> = chain.split(", ").collect();
    assert_eq!(chain.last().copied(), Some(&*caller.client.ip().to_string()));
    let forwarded = text("forwarded");
    let nodes: Vec<String> = forwarded.split(", ").map(node).collect();
    assert_eq!(nodes, chain, "{forwarded}");
    assert_eq!(forwarded.matches("host=").count(), 1, "{forwarded}");
    assert_eq!(forwarded.matches("proto=").count(), 1, "{forwarded}");
    assert!(forwarded.contains(&format!("proto={}", text("x-forwarded-proto"))), "{forwarded}");
    let host = text("x-forwarded-host");
    assert!(
        forwarded.contains(&format!("host={host}")) || forwarded.contains(&format!("host=\"{host}\"")),
        "{forwarded}"
    );
    if caller.trust == Trust::Client {
        assert_eq!(chain.len(), 1, "{chain:?}");
        assert_eq!(text("x-forwarded-proto"), caller.scheme.as_str());
        assert_eq!(text("x-forwarded-host"), caller.authority);
    }
    for node in chain {
        let is_hidden = node == "unknown" || node.starts_with('_');
        assert!(is_hidden || node.parse::<std::net::IpAddr>().is_ok(), "{node} is no node");
    }
}

/// Whom an element of `Forwarded` is for (RFC 7239 section 6).
fn node(element: &str) -> String {
    let node = element.split(';').find_map(|pair| pair.strip_prefix("for=")).unwrap_or_default();
    node.trim_matches('"').trim_start_matches('[').trim_end_matches(']').to_owned()
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a [u8]> {
    headers.get_all(name).iter().map(HeaderValue::as_bytes).collect()
}

fn left_of_trailers(mut trailers: HeaderMap) {
    let before = trailers.clone();
    retain_trailers(&mut trailers);
    for name in trailers.keys().map(HeaderName::as_str) {
        let bad = HOP_BY_HOP.contains(&name)
            || OURS.contains(&name)
            || IDENTITY.contains(&name)
            || NOT_NOMINABLE.contains(&name)
            || matches!(name, "trailer" | "set-cookie" | "location");
        assert!(!bad, "{name} in a trailer");
        assert_eq!(values(&trailers, name), values(&before, name));
    }
}

/// Two bytes of a status, then fields, a line each.
pub fn response_law(data: &[u8]) {
    let [high, low, text @ ..] = data else { return };
    let Ok(status) = StatusCode::from_u16(u16::from_be_bytes([*high, *low]) % 1000) else { return };
    let (mut head, ()) = Response::new(()).into_parts();
    head.status = status;
    fields(&mut head.headers, text.split(|byte| *byte == b'\n'));
    for asked in [plain(), websocket()] {
        response(head.clone(), &asked);
    }
}

/// A response as it goes on.
pub(crate) fn response(mut head: http::response::Parts, asked: &request::Parts) -> Option<http::response::Parts> {
    let before = head.headers.clone();
    if rewrite_response(&mut head, asked).is_err() {
        return None;
    }
    let after = &head.headers;
    let status = head.status.as_u16();
    let switches = status == 101;
    assert!((200..600).contains(&status) || (switches && asked.headers.contains_key("upgrade")), "{status}");
    for name in after.keys().map(HeaderName::as_str) {
        let of_upgrade = matches!(name, "connection" | "upgrade") && (switches || status == 426);
        let is_coding = name == "transfer-encoding";
        assert!(of_upgrade || is_coding || name == "expect" || !HOP_BY_HOP.contains(&name), "{name} ends here");
        assert_ne!(name, "alt-svc", "it speaks for all tenants");
        let is_written = of_upgrade || matches!(name, "trailer" | "content-length" | "transfer-encoding");
        assert!(is_written || values(after, name) == values(&before, name), "{name} was changed");
    }
    let (lengths, codings) = (values(after, "content-length"), values(after, "transfer-encoding"));
    assert!(lengths.len() + codings.len() <= 1, "{lengths:?} {codings:?}");
    let once = sorted(after);
    let mut twice = head.clone();
    assert!(rewrite_response(&mut twice, asked).is_ok() || switches, "what went on is refused");
    assert!(switches || sorted(&twice.headers) == once, "{once:?}");
    Some(head)
}

/// A request that asks for nothing special.
pub(crate) fn plain() -> request::Parts {
    Request::get("/").header("host", "a.test").body(()).expect("well-formed").into_parts().0
}

/// One that asks for a WebSocket, with the key of RFC 6455.
pub(crate) fn websocket() -> request::Parts {
    let request =
        Request::get("/").header("host", "a.test").header("connection", "upgrade").header("upgrade", "websocket");
    let request = request.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    request.body(()).expect("well-formed").into_parts().0
}
