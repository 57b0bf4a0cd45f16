//! Heads of HTTP/1.1: the grammar alone, and between bytes and the types of `http`.

use std::hint::black_box;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion};
use http::Version;
use vestibule_h1::{AnswerTo, Framing, Persistence, ResponseLine, read_request, read_response, write_request_head};
use vestibule_wire::{self as wire, Limits};

/// As a browser asks.
pub(crate) const REQUEST: &[u8] = b"GET /assets/app.js?v=17 HTTP/1.1\r\nHost: blog.example.com\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\nAccept: */*\r\n\
    Accept-Language: en-GB,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br, zstd\r\nReferer: https://blog.example.com/\r\n\
    Connection: keep-alive\r\nCookie: session=5f0c2d7be8a14c1f9d; theme=dark\r\nSec-Fetch-Dest: script\r\n\
    Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Site: same-origin\r\n\r\n";
/// As a backend answers.
pub(crate) const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nServer: Kestrel\r\nDate: Mon, 23 Nov 2026 05:00:00 GMT\r\n\
    Content-Type: text/javascript; charset=utf-8\r\nContent-Length: 1024\r\nLast-Modified: Mon, 23 Nov 2026 04:00:00 GMT\r\n\
    ETag: \"17-5f0c2d7b\"\r\nCache-Control: max-age=3600\r\nVary: Accept-Encoding\r\n\r\n";
pub(crate) const LIMITS: Limits = Limits { head: 64 << 10, fields: 100, target: 8 << 10 };

pub(crate) fn bench(criterion: &mut Criterion) {
    criterion.bench_function("heads/grammar of a request", |bench| {
        bench.iter(|| wire::read_request(black_box(REQUEST), &mut 0, &LIMITS));
    });
    criterion.bench_function("heads/read a request", |bench| {
        bench.iter(|| read_request(black_box(REQUEST), &mut 0, &LIMITS));
    });
    criterion.bench_function("heads/read a response", |bench| {
        let read = |mut bytes: BytesMut| read_response(&mut bytes, &mut 0, &LIMITS, AnswerTo::Other);
        bench.iter_batched(|| BytesMut::from(RESPONSE), read, BatchSize::SmallInput);
    });
    let (request, _) = read_request(REQUEST, &mut 0, &LIMITS).expect("it is valid").expect("it is whole");
    let (request, ()) = request.request.into_parts();
    let mut to = Vec::new();
    criterion.bench_function("heads/write a request", |bench| {
        bench.iter(|| {
            to.clear();
            write_request_head(&request.method, &request.uri, black_box(&request.headers), |_| {}, &mut to);
        });
    });
    let response = read_response(&mut BytesMut::from(RESPONSE), &mut 0, &LIMITS, AnswerTo::Other);
    let response = response.expect("it is valid").expect("it is whole").response;
    let line = ResponseLine {
        version: Version::HTTP_11,
        status: response.status(),
        reason: None,
        framing: Framing::Length(1_024),
        persistence: Persistence::Keep,
        date: |to| to.extend_from_slice(b"Mon, 23 Nov 2026 05:00:00 GMT"),
    };
    criterion.bench_function("heads/write a response", |bench| {
        bench.iter(|| {
            to.clear();
            line.write(black_box(response.headers()), &mut to)
        });
    });
}
