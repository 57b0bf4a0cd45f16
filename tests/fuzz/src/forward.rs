//! A request from where the codec has read it to the bytes that a backend gets: the steps of the request walk that can
//! tell two readers two things.

use bytes::Bytes;
use http::{HeaderMap, Request, Version, request};
use vestibule_names::{Authority, ClientAddr, RequestId, path};
use vestibule_proxy::{
    Caller, ClientCertificate, Scheme, Trust,
    fuzzing::{BodyLength, retain_trailers, rewrite_request, written},
    inspect,
};
use vestibule_wire as wire;

use crate::{
    law,
    reading::{self, by_name, sorted},
};

/// Of a request, beside its head.
pub(crate) struct Load {
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    pub(crate) length: BodyLength,
}

/// What of the caller is not in the request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Circumstances {
    pub(crate) trust: Trust,
    pub(crate) scheme: Scheme,
    pub(crate) stripped: Option<&'static str>,
}

/// Forwards it, unless it is refused. What goes on is within the law, and read back as the one message that was meant.
pub(crate) fn forward(head: request::Parts, load: Load, how: Circumstances) {
    let request = Request::from_parts(head, ());
    if !is_read(&request) || inspect(&request).is_err() {
        return;
    }
    let (mut head, ()) = request.into_parts();
    let host = match (head.uri.authority(), head.headers.get(http::header::HOST)) {
        (Some(authority), _) => authority.as_str().to_owned(),
        (None, Some(host)) => host.to_str().expect("inspected").to_owned(),
        (None, None) => panic!("inspected, and without a host"),
    };
    let Ok(authority) = Authority::parse(&host) else { return };
    let authority = authority.normal_form(&host);
    let target = match head.uri.path() {
        "*" => "*".to_owned(),
        raw => match path::normalise(raw) {
            Ok(normal) => normal.into_owned(),
            Err(_) => return,
        },
    };
    let caller = Caller {
        client: ClientAddr::new(([192, 0, 2, 1], 40_000).into()),
        scheme: how.scheme,
        authority: &authority,
        trust: how.trust,
        request_id: RequestId(1),
        certificate: ClientCertificate::NotAsked,
    };
    let before = head.headers.clone();
    let http1 = head.version == Version::HTTP_11;
    if rewrite_request(&mut head, &target, &caller, how.stripped, load.length).is_err() {
        return;
    }
    law::request(&before, &head, &law::Expected { caller: &caller, length: load.length, stripped: how.stripped });
    again(&head, &caller, &target, how, load.length);
    assert!(http1 || !head.headers.contains_key(http::header::UPGRADE), "only HTTP/1.1 has upgrades");
    sent(head, load);
}

/// Would the target come through the reader in front? That of HTTP/1.x is judged there alone.
fn is_read(request: &Request<()>) -> bool {
    let target = request.uri().path_and_query().map_or("", |target| target.as_str());
    request.version() == Version::HTTP_2 || target == "*" || wire::is_origin_form(target.as_bytes())
}

/// Who forwards what was forwarded forwards the same.
fn again(head: &request::Parts, caller: &Caller<'_>, target: &str, how: Circumstances, length: BodyLength) {
    if how.trust == Trust::Proxy {
        return; // it would say that it came from us
    }
    let mut second = head.clone();
    let refused = rewrite_request(&mut second, target, caller, how.stripped, length);
    assert_eq!(refused, Ok(()), "what was forwarded is refused");
    assert_eq!(sorted(&second.headers), sorted(&head.headers), "forwarded once more");
    assert_eq!(second.uri, head.uri);
}

/// What a backend gets is one message, and the one that was meant.
fn sent(head: request::Parts, mut load: Load) {
    retain_trailers(&mut load.trailers);
    let has_body = load.length != BodyLength::None;
    let data = has_body.then(|| Bytes::from(load.body.clone()));
    let trailers = (load.length == BodyLength::Unknown).then(|| load.trailers.clone());
    let meant = sorted(&head.headers);
    let bytes = written(&head, load.length, data, trailers).expect("the body is as long as it says");
    let read = reading::admit_forwarded(&bytes);
    assert_eq!((read.fault, read.passed, read.messages.len()), (None, bytes.len(), 1), "{}", bytes.escape_ascii());
    let message = &read.messages[0];
    assert!(message.whole, "{}", bytes.escape_ascii());
    assert_eq!(message.line[0], head.method.as_str().as_bytes());
    assert_eq!(message.line[1], head.uri.to_string().as_bytes());
    assert_eq!(by_name(message.fields.clone()), by_name(meant));
    assert_eq!(message.body, if has_body { load.body } else { Vec::new() });
    assert_eq!(message.length == wire::BodyLength::Chunked, load.length == BodyLength::Unknown);
    for (name, value) in &message.trailers {
        assert!(load.trailers.get_all(name).iter().any(|kept| kept.as_bytes() == value), "{name} was left away");
    }
}
