//! Requests of HTTP/1.1: what our codec makes of them, beside a second reading, and beside another codec.

use http::{Uri, Version};
use vestibule_proxy::{Scheme, Trust, fuzzing};
use vestibule_wire::{BodyLength, Fault};

use crate::{
    cuts,
    exchange::listen,
    forward::{Circumstances, Load, forward},
    memory::{Served, serve},
    reading::{Admitted, Message, admit, by_name, sorted},
};

/// In front of a chunked body, so that each byte of an input is one of chunks.
const CHUNKED: &[u8] = b"POST /x HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n";

/// Any bytes as a chunked body, and what comes behind it.
pub fn chunks(data: &[u8]) {
    requests(&[CHUNKED, data].concat());
}

/// Any bytes as all that a client of HTTP/1.1 sends.
pub fn requests(data: &[u8]) {
    let admitted = admit(data);
    let (at_once, fault) = listen(vec![data]);
    assert_eq!(fault, admitted.fault, "at once");
    all_the_same(&at_once, &admitted.messages);
    in_pieces(data, &admitted);
    another_codec(data, &admitted);
    for (served, message) in at_once.into_iter().zip(&admitted.messages) {
        forwarded(served, message);
    }
}

/// The same bytes in pieces have the same verdict; a fault may be seen before the bytes that would show another one.
fn in_pieces(data: &[u8], admitted: &Admitted) {
    let (heard, fault): (Vec<Served>, Option<Fault>) = listen(cuts::pieces(data));
    assert_eq!(fault.is_some(), admitted.fault.is_some(), "{fault:?} in pieces, {:?} at once", admitted.fault);
    all_the_same(&heard, &admitted.messages);
}

fn all_the_same(heard: &[Served], messages: &[Message]) {
    assert_eq!(heard.len(), messages.len(), "so many requests are read");
    for (heard, message) in heard.iter().zip(messages) {
        same(heard, message);
    }
}

/// Somebody else's codec reads what is right as we do.
fn another_codec(data: &[u8], admitted: &Admitted) {
    let (served, ended) = serve(&data[..admitted.passed]);
    let messages = &admitted.messages;
    assert!(served.len() <= messages.len(), "it reads {} requests in {}", served.len(), messages.len());
    for (served, message) in served.iter().zip(messages) {
        same(served, message);
    }
    let last = served.last().map(|served| &served.head);
    if last.is_none_or(goes_on) {
        assert_eq!(served.len(), messages.len(), "it stops: {ended:?}");
        if messages.last().is_none_or(|message| message.whole) {
            let cut = admitted.fault.is_some() || admitted.passed < data.len();
            assert!(ended.is_ok() || cut, "it refuses what is right: {ended:?}");
        }
    }
}

/// Is there a request behind this one (RFC 9112 section 9.3)?
fn goes_on(head: &http::request::Parts) -> bool {
    let options = head.headers.get_all(http::header::CONNECTION).iter();
    let mut options = options.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    head.version == Version::HTTP_11 && !options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
}

/// The codec has read what we have read.
fn same(served: &Served, message: &Message) {
    let head = &served.head;
    let [method, target, version] = &message.line[..] else { panic!("a request line has three parts") };
    assert_eq!(head.method.as_str().as_bytes(), method);
    assert_eq!(head.version == Version::HTTP_11, version == b"HTTP/1.1");
    same_target(&head.uri, str::from_utf8(target).expect("a target is ASCII"));
    assert_eq!(sorted(&head.headers), by_name(message.fields.clone()));
    match &served.body {
        Some((body, trailers)) => {
            assert!(message.whole, "the codec sees an end that we do not");
            assert_eq!(body, &message.body);
            assert_eq!(sorted(trailers), by_name(message.trailers.clone()));
        }
        None => assert!(!message.whole, "the codec sees no end"),
    }
}

fn same_target(uri: &Uri, target: &str) {
    let (authority, rest) = match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            (Some(&rest[..end]), &rest[end..])
        }
        _ => (None, target),
    };
    assert_eq!(uri.authority().map(http::uri::Authority::as_str), authority, "{target}");
    let read = uri.path_and_query().map(http::uri::PathAndQuery::as_str).unwrap_or_default();
    assert!(read == rest || read.strip_prefix('/') == Some(rest), "{target} is read as {read}");
}

/// What would be forwarded of it.
fn forwarded(served: Served, message: &Message) {
    let Some((body, trailers)) = served.body else { return };
    let length = match message.length {
        BodyLength::Known(0) => fuzzing::BodyLength::None,
        BodyLength::Known(length) => fuzzing::BodyLength::Exact(length),
        BodyLength::Chunked | BodyLength::UntilClose => fuzzing::BodyLength::Unknown,
    };
    let how = Circumstances { trust: Trust::Client, scheme: Scheme::Https, stripped: None };
    forward(served.head, Load { body, trailers, length }, how);
}
