//! What flows: server-sent events and long polling of SignalR, an endless response, large uploads.

use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use vestibule_testkit::{
    Connection, Protocol,
    client::{no_body, whole},
};

use super::page::telemetry;
use crate::{
    Outcome,
    kestrel::{
        report::{Report, hold},
        stage::{API, SECOND, Stage},
    },
};

/// The first message of SignalR, asking for the protocol of Blazor; ends with a record separator.
const HANDSHAKE: &str = "{\"protocol\":\"blazorpack\",\"version\":1}\u{1e}";
/// What shall come has come by then.
const ARRIVAL_LIMIT: Duration = Duration::from_secs(10);
/// What shall not come yet gets this chance to come.
const QUIET: Duration = Duration::from_millis(300);
/// Just below what the application's telemetry endpoint takes.
const UPLOAD_RECORDS: usize = 3_000;
const UPLOADS: usize = 8;
/// Above every limit of the application.
const REFUSED_SIZE: usize = 40 << 20;

/// Prints this part of the table.
pub(in crate::kestrel) async fn run(report: &mut Report, stage: &Stage) {
    report.heading("Streams");
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let claim = |what: &str| format!("{what} ({protocol:?})");
        report.check(&claim("SignalR by server-sent events"), server_sent_events(stage, protocol)).await;
        report.check(&claim("SignalR by long polling"), long_polling(stage, protocol)).await;
        report.check(&claim("an endless response comes piece by piece"), endless(stage, protocol)).await;
        report.check(&claim("uploads as large as the application takes"), uploads(stage, protocol)).await;
        report.check(&claim("an upload that Kestrel refuses is answered"), refused_upload(stage, protocol)).await;
    }
    report.check("64 MiB to api arrive unchanged", large_upload(stage)).await;
}

/// A SignalR connection at the second dashboard: the path under which its messages go.
async fn negotiate(connection: &mut Connection) -> Outcome<String> {
    let request = connection.request("/_blazor/negotiate?negotiateVersion=1").method("POST").body(whole(""))?;
    let answer = connection.answer(request).await?.json();
    let token = answer["connectionToken"].as_str().ok_or("no token")?;
    Ok(format!("/_blazor?id={token}"))
}

async fn post(connection: &mut Connection, path: &str, body: &str) -> Outcome {
    let request = connection.request(path).method("POST").body(whole(body.to_owned()))?;
    let answer = connection.answer(request).await?;
    if answer.status.is_success() { Ok(()) } else { Err(format!("POST {path}: {}", answer.status).into()) }
}

/// The next bytes of a body, within the limit.
async fn piece(body: &mut Incoming) -> Outcome<String> {
    loop {
        let frame = timeout(ARRIVAL_LIMIT, body.frame()).await.map_err(|_| "nothing comes")?;
        let frame = frame.ok_or("the body ends")??;
        if let Ok(bytes) = frame.into_data()
            && !bytes.is_empty()
        {
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}

async fn server_sent_events(stage: &Stage, protocol: Protocol) -> Outcome<String> {
    let mut events = stage.gateway.connect(SECOND, protocol).await;
    let mut messages = stage.gateway.connect(SECOND, protocol).await;
    let path = negotiate(&mut messages).await?;
    let request = events.request(&path).header("accept", "text/event-stream").body(no_body())?;
    let mut body = timeout(ARRIVAL_LIMIT, events.send(request)).await.map_err(|_| "no head")??.into_body();
    // A comment opens the stream before anything has happened: it must not wait for more.
    let first = piece(&mut body).await?;
    post(&mut messages, &path, HANDSHAKE).await?;
    let mut second = String::new();
    while !second.ends_with("\r\n\r\n") {
        second += &piece(&mut body).await?;
    }
    // Blazor's protocol is binary and this transport is text: the hub says so, as an event.
    let seen = format!("{:?} at once, then {:?}", first.trim(), second.trim());
    hold(first.starts_with(':') && second.starts_with("data: "), seen)
}

async fn long_polling(stage: &Stage, protocol: Protocol) -> Outcome<String> {
    let mut polls = stage.gateway.connect(SECOND, protocol).await;
    let mut messages = stage.gateway.connect(SECOND, protocol).await;
    let path = negotiate(&mut messages).await?;
    let opened = polls.get(&path).await?;
    if !opened.status.is_success() || !opened.body.is_empty() {
        return Err(format!("the first poll gives {opened:?}").into());
    }
    let poll = polls.get(&path);
    tokio::pin!(poll);
    if let Ok(answer) = timeout(QUIET, &mut poll).await {
        return Err(format!("the poll ends before there is a message: {answer:?}").into());
    }
    post(&mut messages, &path, HANDSHAKE).await?;
    let answer = timeout(ARRIVAL_LIMIT, poll).await.map_err(|_| "the poll does not end")??;
    hold(answer.text() == "{}\u{1e}", format!("the poll waits, then gives {:?}", answer.text()))
}

async fn endless(stage: &Stage, protocol: Protocol) -> Outcome<String> {
    let mut follower = stage.gateway.connect(SECOND, protocol).await;
    let mut sender = stage.gateway.connect(SECOND, protocol).await;
    // The head comes with the first record.
    post_telemetry(&mut sender, &telemetry("before", 1)).await?;
    let request = follower.request("/api/telemetry/logs?follow=true").body(no_body())?;
    let response = timeout(ARRIVAL_LIMIT, follower.send(request)).await.map_err(|_| "no head")??;
    let kind = response.headers()["content-type"].to_str()?.to_owned();
    let mut body = response.into_body();
    let mark = format!("piece for {protocol:?}");
    post_telemetry(&mut sender, &telemetry(&mark, 1)).await?;
    let arrived = async {
        while !piece(&mut body).await?.contains(&mark) {}
        Outcome::Ok(())
    };
    timeout(ARRIVAL_LIMIT, arrived).await.map_err(|_| "the record does not come")??;
    Ok(format!("{kind}: a record came while the response went on"))
}

async fn post_telemetry(connection: &mut Connection, body: &str) -> Outcome {
    let request = connection.request("/v1/logs").method("POST").header("content-type", "application/json");
    let answer = connection.answer(request.body(whole(body.to_owned()))?).await?;
    if answer.status.is_success() { Ok(()) } else { Err(format!("POST /v1/logs: {}", answer.status).into()) }
}

async fn uploads(stage: &Stage, protocol: Protocol) -> Outcome<String> {
    let mut connection = stage.gateway.connect(SECOND, protocol).await;
    let body = telemetry(&"u".repeat(1_000), UPLOAD_RECORDS);
    let before = stored(&mut connection).await?;
    for _ in 0..UPLOADS {
        post_telemetry(&mut connection, &body).await?;
    }
    let added = stored(&mut connection).await?.saturating_sub(before);
    let seen = format!("{UPLOADS} bodies of {} bytes, {added} records arrived", body.len());
    hold(added == u64::try_from(UPLOADS * UPLOAD_RECORDS)?, seen)
}

/// How many records the application has.
async fn stored(connection: &mut Connection) -> Outcome<u64> {
    let answer: Value = connection.get("/api/telemetry/logs").await?.json();
    Ok(answer["totalCount"].as_u64().ok_or("no count")?)
}

/// Kestrel answers from the head alone, above its limit of 30,000,000 bytes, and closes while the body is still on its
/// way; the client must find the answer all the same.
async fn refused_upload(stage: &Stage, protocol: Protocol) -> Outcome<String> {
    let status = match protocol {
        Protocol::Http1 => refused_while_writing(stage).await?,
        Protocol::Http2 => {
            let mut connection = stage.gateway.connect(SECOND, protocol).await;
            let request = connection.request("/v1/logs").method("POST").header("content-type", "application/json");
            connection.answer(request.body(whole(vec![b' '; REFUSED_SIZE]))?).await?.status.as_str().to_owned()
        }
    };
    let next = stage.gateway.connect(SECOND, protocol).await.get("/health").await?;
    hold(status == "413" && next.status == 200, format!("40 MiB: {status}, the next request {}", next.status))
}

/// Over HTTP/1.1 the connection ends with the answer (RFC 9112 section 9.6): a client that reads while it writes.
async fn refused_while_writing(stage: &Stage) -> Outcome<String> {
    let (mut reader, mut writer) = tokio::io::split(stage.gateway.tls(SECOND).await);
    let head = format!(
        "POST /v1/logs HTTP/1.1\r\nhost: {SECOND}\r\ncontent-type: application/json\r\ncontent-length: {REFUSED_SIZE}\r\n\r\n"
    );
    let write = async {
        let body = vec![b' '; REFUSED_SIZE];
        // That it cannot be written to its end is what is tried here.
        drop(writer.write_all(head.as_bytes()).await);
        drop(writer.write_all(&body).await);
    };
    let read = async {
        let (mut answer, mut buffer) = (Vec::new(), [0; 1024]);
        while !answer.ends_with(b"\r\n\r\n") {
            match reader.read(&mut buffer).await {
                Ok(count @ 1..) => answer.extend_from_slice(&buffer[..count]),
                Ok(0) | Err(_) => break,
            }
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    let ((), answer) = tokio::join!(write, read);
    Ok(answer.split(' ').nth(1).unwrap_or("no answer").to_owned())
}

async fn large_upload(stage: &Stage) -> Outcome<String> {
    let mut connection = stage.gateway.connect(API, Protocol::Http2).await;
    let request = connection.request("/sink").method("POST").body(whole(vec![b'v'; 64 << 20]))?;
    let answer = connection.answer(request).await?.json();
    hold(answer["count"] == 64 << 20, format!("SHA-256 at the backend: {}", answer["sha256"]))
}
