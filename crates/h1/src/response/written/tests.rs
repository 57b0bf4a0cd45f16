use bytes::BytesMut;
use vestibule_wire::{BodyLength, Limits};

use super::*;
use crate::{AnswerTo, read_response};

const DATE_LINE: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

fn line(status: u16, framing: Framing) -> ResponseLine<'static> {
    let status = StatusCode::from_u16(status).unwrap();
    ResponseLine {
        version: Version::HTTP_11,
        status,
        reason: None,
        framing,
        persistence: Persistence::Keep,
        date: |to| to.extend_from_slice(DATE_LINE),
    }
}

fn written(line: &ResponseLine<'_>, fields: &[(&'static str, &'static str)]) -> (String, Persistence) {
    let mut bytes = Vec::new();
    let persistence = line.write(&headers(fields), &mut bytes);
    let text = String::from_utf8(bytes).unwrap();
    (text.replace("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "D\r\n").replace("\r\n", "|"), persistence)
}

#[test]
fn the_length_is_said_as_it_is_framed() {
    let lies = [("content-length", "7"), ("transfer-encoding", "chunked"), ("trailer", "x-sum"), ("x-own", "1")];
    for (status, framing, expected) in [
        (200, Framing::Length(2), "HTTP/1.1 200 OK|x-own: 1|content-length: 2|D||"),
        (200, Framing::Length(0), "HTTP/1.1 200 OK|x-own: 1|content-length: 0|D||"),
        (200, Framing::Chunked, "HTTP/1.1 200 OK|trailer: x-sum|x-own: 1|transfer-encoding: chunked|D||"),
        (204, Framing::Nothing, "HTTP/1.1 204 No Content|x-own: 1|D||"),
        (200, Framing::Untold, "HTTP/1.1 200 OK|content-length: 7|x-own: 1|D||"),
        (200, Framing::UntilClose, "HTTP/1.1 200 OK|x-own: 1|connection: close|D||"),
    ] {
        assert_eq!(written(&line(status, framing), &lies).0, expected);
    }
}

#[test]
fn lengths_are_decimal() {
    for length in [0, 1, 9, 10, 99, 100, 1024, 65_536, u64::MAX - 1, u64::MAX] {
        let mut bytes = Vec::new();
        write_decimal(length, &mut bytes);
        assert_eq!(String::from_utf8(bytes).unwrap(), length.to_string());
    }
}

#[test]
fn the_end_of_the_connection_is_said_once_by_whoever_wants_it() {
    let keep = line(200, Framing::Length(0));
    let close = ResponseLine { persistence: Persistence::Close, ..keep };
    let old = ResponseLine { version: Version::HTTP_10, ..keep };
    let said = [("connection", "x, Close")];
    for (line, fields, expected, ends) in [
        (keep, &[][..], "HTTP/1.1 200 OK|content-length: 0|D||", Persistence::Keep),
        (close, &[], "HTTP/1.1 200 OK|content-length: 0|connection: close|D||", Persistence::Close),
        (keep, &said, "HTTP/1.1 200 OK|connection: x, Close|content-length: 0|D||", Persistence::Close),
        (close, &said, "HTTP/1.1 200 OK|connection: x, Close|content-length: 0|D||", Persistence::Close),
        (old, &[], "HTTP/1.0 200 OK|content-length: 0|connection: keep-alive|D||", Persistence::Keep),
    ] {
        assert_eq!(written(&line, fields), (expected.to_owned(), ends));
    }
}

#[test]
fn reasons_and_dates_of_others_are_passed_on() {
    let (mine, none) = (Reason(Bytes::from_static(b"Mine")), Reason(Bytes::new()));
    let fields = [("date", "then")];
    for (status, reason, expected) in [
        (299, None, "HTTP/1.1 299 |date: then||"),
        (299, Some(&mine), "HTTP/1.1 299 Mine|date: then||"),
        (404, None, "HTTP/1.1 404 Not Found|date: then||"),
        (404, Some(&none), "HTTP/1.1 404 |date: then||"),
    ] {
        let line = ResponseLine { reason, ..line(status, Framing::Nothing) };
        assert_eq!(written(&line, &fields).0, expected);
    }
}

#[test]
fn what_is_written_is_read_back() {
    let limits = Limits { head: 4096, fields: 16, target: 0 };
    for (status, framing, to, body) in [
        (200, Framing::Length(7), AnswerTo::Other, BodyLength::Known(7)),
        (200, Framing::Length(u64::MAX >> 1), AnswerTo::Other, BodyLength::Known(u64::MAX >> 1)),
        (503, Framing::Chunked, AnswerTo::Other, BodyLength::Chunked),
        (204, Framing::Nothing, AnswerTo::Other, BodyLength::Known(0)),
        (304, Framing::Nothing, AnswerTo::Other, BodyLength::Known(0)),
        (200, Framing::Untold, AnswerTo::Head, BodyLength::Known(0)),
        (200, Framing::UntilClose, AnswerTo::Other, BodyLength::UntilClose),
    ] {
        let mut bytes = Vec::new();
        line(status, framing).write(&headers(&[("x-own", "1"), ("set-cookie", "a"), ("set-cookie", "b")]), &mut bytes);
        let read = read_response(&mut BytesMut::from(&bytes[..]), &mut 0, &limits, to).unwrap().unwrap();
        assert_eq!((read.response.status().as_u16(), read.body), (status, body));
        assert_eq!(read.response.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(read.response.headers()["date"], DATE_LINE);
    }
}
