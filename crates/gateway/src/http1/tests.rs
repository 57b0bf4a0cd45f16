//! The parts of the codec by themselves: what is read by whom, what is written how, and what is held meanwhile. Whole
//! connections are in `connection::tests::http1`.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};
use vestibule_h1::announced_trailers;
use vestibule_proxy::RequestBodyError;

use super::{
    content::Content,
    outbound::{Last, Outbound},
    *,
};
use crate::{
    config::Timeouts,
    vitals::{Overdue, Vitals},
};

const LIMITS: Limits = Limits { head: 1024, fields: 8, target: 64 };

fn vitals() -> Rc<Vitals> {
    Rc::new(Vitals::new(Instant::now()))
}

/// A client's end, and a line to it.
fn line(room: usize) -> (DuplexStream, Rc<Line<DuplexStream>>) {
    let (client, server) = duplex(room);
    (client, Line::new(Watched::new(server, vitals())))
}

async fn head<S: Transport>(line: &Line<S>) -> RequestHead {
    let vitals = vitals();
    let read = poll_fn(|cx| line.poll_head(&LIMITS, &vitals, cx)).await;
    read.unwrap_or_else(|_| panic!("it is a head"))
}

type Frame = http_body::Frame<Bytes>;

async fn frame(content: &mut Content<DuplexStream>) -> Option<Result<Frame, RequestBodyError>> {
    poll_fn(|cx| Pin::new(&mut *content).poll_frame(cx)).await
}

const NEXT: &str = "GET /next HTTP/1.1\r\n\r\n";

#[tokio::test]
async fn a_body_is_its_readers_and_what_follows_is_the_next_head() {
    for (fields, body, trailers) in [
        ("content-length: 11", "hello world", 0),
        ("transfer-encoding: chunked", "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-sum: 1\r\n\r\n", 1),
    ] {
        let text = format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n{body}{NEXT}");
        for piece in 1..=text.len() {
            let (mut client, line) = line(64);
            let bytes = text.clone().into_bytes();
            let writing = tokio::spawn(async move {
                for piece in bytes.chunks(piece) {
                    client.write_all(piece).await.expect("taken");
                }
                client
            });
            let asked = head(&line).await;
            assert_eq!(*asked.request.method(), Method::POST);
            let number = line.begin(asked.body);
            let mut content = Content::new(Rc::clone(&line), number, asked.hop);
            assert!(!content.is_end_stream());
            let (mut data, mut found) = (Vec::new(), 0);
            while let Some(frame) = frame(&mut content).await {
                match frame.expect("it is right").into_data() {
                    Ok(piece) => data.extend_from_slice(&piece),
                    Err(frame) => found += frame.into_trailers().expect("trailers").len(),
                }
            }
            assert!(content.is_end_stream());
            assert_eq!((String::from_utf8(data).expect("text"), found), ("hello world".to_owned(), trailers));
            assert_eq!(head(&line).await.request.uri(), "/next");
            assert_eq!(line.memory(), 0, "at rest nothing is held");
            drop(writing.await.expect("no panic"));
        }
    }
}

#[tokio::test]
async fn a_body_without_its_end_or_with_a_fault_is_no_whole_one() {
    for (fields, body, expected) in [
        ("content-length: 11", "hello", "the client cut it"),
        ("transfer-encoding: chunked", "5\r\nhello\r\n", "the client cut it"),
        ("transfer-encoding: chunked", "5\r\nhello\r\n+1\r\n", "it is malformed"),
        ("transfer-encoding: chunked", "5\r\nhello\r\n0\r\ncontent-length: 1\r\n\r\n", "it is malformed"),
        ("transfer-encoding: chunked", "5\r\nhello\r\n0\r\nx-forwarded-for: 1\r\n\r\n", "it is malformed"),
    ] {
        let (mut client, line) = line(1024);
        let text = format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n{body}");
        client.write_all(text.as_bytes()).await.expect("taken");
        drop(client);
        let asked = head(&line).await;
        let number = line.begin(asked.body);
        let mut content = Content::new(Rc::clone(&line), number, asked.hop);
        let first = frame(&mut content).await.expect("a frame").expect("content");
        assert_eq!(first.into_data().expect("data"), "hello");
        let error = frame(&mut content).await.expect("no end").expect_err("a fault");
        assert_eq!(error.to_string(), expected);
        drop(content);
        let rest = poll_fn(|cx| line.poll_settle(cx)).await;
        assert_eq!(rest, Left::Something, "nothing behind it has a meaning");
    }
}

#[tokio::test]
async fn who_holds_an_old_body_gets_nothing_of_a_new_one_and_nobody_gets_any_when_the_connection_is_left() {
    let (mut client, line) = line(1024);
    client.write_all(b"POST / HTTP/1.1\r\ncontent-length: 5\r\n\r\nhello").await.expect("taken");
    let asked = head(&line).await;
    let old = line.begin(asked.body);
    let new = line.begin(asked.body);
    let (mut before, mut now) =
        (Content::new(Rc::clone(&line), old, asked.hop), Content::new(Rc::clone(&line), new, asked.hop));
    assert!(matches!(frame(&mut before).await, Some(Err(RequestBodyError::Cut))));
    drop(before);
    assert_eq!(now.size_hint().exact(), Some(5), "the end of the old one is no end of the new one");
    line.leave();
    assert!(matches!(frame(&mut now).await, Some(Err(RequestBodyError::Cut))));
}

#[tokio::test]
async fn an_invitation_is_written_once_and_not_behind_an_answer() {
    for answered in [false, true] {
        let (mut client, line) = line(1024);
        let text = b"POST / HTTP/1.1\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n";
        client.write_all(text).await.expect("taken");
        let asked = head(&line).await;
        let number = line.begin(asked.body);
        let mut content = Content::new(Rc::clone(&line), number, asked.hop);
        if answered {
            line.begin_answer();
        }
        for _ in 0..2 {
            let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut content).poll_frame(cx).is_pending())).await;
            assert!(polled, "it has not come");
        }
        let vitals = vitals();
        poll_fn(|cx| line.poll_written(&vitals, cx)).await.expect("written");
        client.write_all(b"hello").await.expect("taken");
        assert!(frame(&mut content).await.expect("a frame").is_ok());
        drop((content, line));
        let mut said = String::new();
        client.read_to_string(&mut said).await.expect("text");
        assert_eq!(said, if answered { "" } else { "HTTP/1.1 100 Continue\r\n\r\n" });
    }
}

/// Takes so many bytes with a write, and counts the writes.
struct Reader {
    most: usize,
    taken: Vec<u8>,
    writes: usize,
    /// Does it still have something of what it took?
    keeps: bool,
}

impl Reader {
    fn new(most: usize) -> Self {
        Self { most, taken: Vec::new(), writes: 0, keeps: false }
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }
}

impl AsyncWrite for Reader {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = bytes.len().min(self.most);
        self.taken.extend_from_slice(&bytes[..count]);
        self.writes += 1;
        Poll::Ready(Ok(count))
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = parts.iter().flat_map(|part| part.iter().copied()).collect();
        let count = all.len().min(self.most);
        self.taken.extend_from_slice(&all[..count]);
        self.writes += 1;
        Poll::Ready(Ok(count))
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.keeps { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn what_is_staged_is_written_in_order_however_little_is_taken_at_once() {
    let large = "x".repeat(20_000);
    let mut headers = HeaderMap::new();
    headers.insert("trailer", HeaderValue::from_static("x-sum"));
    let announced = announced_trailers(&headers);
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", HeaderValue::from_static("1"));
    trailers.insert("x-other", HeaderValue::from_static("2"));
    for most in [1, 2, 3, 1000, usize::MAX] {
        let (mut out, vitals) = (Outbound::default(), vitals());
        let mut reader = Reader::new(most);
        out.append(b"head|");
        out.chunk(Bytes::from_static(b"one"), Last::No);
        out.chunk(Bytes::new(), Last::No);
        assert!(out.has_room());
        out.chunk(Bytes::from(large.clone()), Last::No);
        assert!(!out.has_room());
        poll_fn(|cx| out.poll_room(&mut reader, &vitals, cx)).await.expect("written");
        assert_eq!(reader.writes == 1, most == usize::MAX, "all of it in one write");
        out.trailers(&trailers, &announced);
        out.plain(Bytes::from_static(b"next|"));
        out.chunk(Bytes::from(large.clone()), Last::Yes);
        poll_fn(|cx| out.poll_written(&mut reader, &vitals, cx)).await.expect("written");
        let chunk = format!("4E20\r\n{large}\r\n");
        let expected = format!("head|3\r\none\r\n{chunk}0\r\nx-sum: 1\r\n\r\nnext|{chunk}0\r\n\r\n");
        assert_eq!(String::from_utf8(reader.taken).expect("text"), expected, "{most} at once");
        assert_eq!(out.memory(), 0, "when all is written nothing is held");
    }
}

#[tokio::test]
async fn what_the_stream_keeps_leaves_no_room_for_more_and_stalls_the_client() {
    let (mut out, vitals) = (Outbound::default(), vitals());
    let mut reader = Reader { keeps: true, ..Reader::new(usize::MAX) };
    let strict = Timeouts { write_stall: Duration::ZERO, ..Timeouts::default() };
    vitals.request_began();
    out.plain(Bytes::from(vec![0; 20_000]));
    for _ in 0..2 {
        assert!(poll_fn(|cx| Poll::Ready(out.poll_room(&mut reader, &vitals, cx))).await.is_pending());
        assert_eq!((reader.taken.len(), vitals.overdue(&strict)), (20_000, Some(Overdue::WriteStall)));
    }
    reader.keeps = false;
    poll_fn(|cx| out.poll_room(&mut reader, &vitals, cx)).await.expect("written");
    assert!(out.has_room());
    assert_eq!(vitals.overdue(&strict), None);
}

#[test]
fn every_fault_of_a_head_is_refused_by_a_word_of_its_own_kind() {
    for (fault, expected) in [
        (Fault::BothLengths, "bad_framing"),
        (Fault::UnknownCoding, "unsupported_coding"),
        (Fault::Folded, "bad_header"),
        (Fault::HeadTooLarge, "headers_too_large"),
        (Fault::TargetTooLong, "uri_too_long"),
        (Fault::Target, "bad_path"),
        (Fault::Authority, "bad_host"),
        (Fault::Connect, "method_not_allowed"),
        (Fault::LineEnd, "bad_request"),
    ] {
        assert_eq!(refused::refusal(fault).word(), expected);
    }
}
