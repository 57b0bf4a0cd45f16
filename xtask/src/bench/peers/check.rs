//! Before anything is measured, a proxy must be seen to do the whole job of the workload: the right answers, forwarded
//! headers, upstream connections that are used again, and whatever the workload is about.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _, stream};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use tokio_rustls::rustls::client::Resumption;
use tokio_tungstenite::tungstenite::Message;
use vestibule_testkit::{
    Answer, Connection, Protocol,
    client::{Body, websocket, whole},
    wait::within,
};

use super::{
    config::{Job, Terms},
    open::client::{Client, get},
    peer::{Peer, Running},
    stage::{HOST, START_LIMIT, Stage},
    workload::{Ask, Load, Workload},
};

/// Starts it for a workload and sees that it does the job.
pub(super) async fn start(peer: Peer, stage: &Stage, workload: Workload, terms: Terms) -> Result<Running, String> {
    let running = peer.launch(stage, workload.job(), terms).await?;
    let check = Check { running: &running, stage, host: host(stage, workload.job(), 0) };
    check.begins_to_answer(workload).await?;
    match workload.job() {
        Job::Files => check.serves_files(workload).await?,
        Job::Exchanges => check.exchanges().await?,
        Job::Hosts => check.serves_hosts().await?,
    }
    if workload == Workload::HandshakeResumed {
        check.resumes().await?;
    }
    if terms == Terms::Everything {
        running.metrics.look().await?;
    }
    Ok(running)
}

/// A name that it serves.
fn host(stage: &Stage, job: Job, number: usize) -> &str {
    match job {
        Job::Files | Job::Exchanges => HOST,
        Job::Hosts => stage.names().get(number).map_or(HOST, String::as_str),
    }
}

struct Check<'a> {
    running: &'a Running,
    stage: &'a Stage,
    host: &'a str,
}

impl Check<'_> {
    async fn connect(&self, protocol: Protocol) -> Result<Connection, String> {
        let connecting = Connection::secure(self.stage.trust(), self.running.address, self.host, protocol);
        connecting.await.map_err(|error| format!("cannot connect to {}: {error}", self.host))
    }

    async fn get(&self, path: &str, protocol: Protocol) -> Result<Answer, String> {
        let mut connection = self.connect(protocol).await?;
        connection.get(path).await.map_err(|error| format!("no answer to {path}: {error}"))
    }

    /// Some listen before they can answer.
    async fn begins_to_answer(&self, workload: Workload) -> Result<(), String> {
        let path = if workload.job() == Job::Exchanges { "/whole/1024" } else { "/1k" };
        let good = || async { self.get(path, Protocol::Http1).await.ok().filter(|answer| answer.status == 200) };
        if within(START_LIMIT, good).await.is_some() {
            return Ok(());
        }
        let last = self.get(path, Protocol::Http1).await.map(|answer| format!("answered {} to {path}", answer.status));
        Err(last.unwrap_or_else(|reason| reason))
    }

    /// Right lengths, forwarded headers, upstream connections that are used again.
    async fn serves_files(&self, workload: Workload) -> Result<(), String> {
        for workload in [Workload::H1, Workload::H2, Workload::Medium, Workload::Large] {
            let protocol = if workload == Workload::H2 { Protocol::Http2 } else { Protocol::Http1 };
            let Answer { status, body, .. } = self.get(workload.path(), protocol).await?;
            if status != 200 || body.len() as u64 != workload.body_bytes() {
                return Err(format!("answered {status} with {} bytes to {}", body.len(), workload.path()));
            }
        }
        self.forwards().await?;
        if matches!(workload.load(), Load::Wrk { ask: Ask::FileOrError, .. }) {
            for path in ["/fails", "/closes"] {
                let status = self.get(path, Protocol::Http1).await?.status;
                if status != 502 {
                    return Err(format!("answered {status} to {path}"));
                }
            }
        }
        Ok(())
    }

    /// The origin tells what it saw.
    async fn forwards(&self) -> Result<(), String> {
        let seen = self.get("/seen", Protocol::Http1).await?.text();
        let mut words = seen.split(' ');
        let requests = words.next().and_then(|count| count.parse::<u32>().ok()).unwrap_or_default();
        if requests < 2 {
            return Err(format!("does not keep upstream connections: {seen:?}"));
        }
        // Our client says no port; another reads it from the connection.
        let port = format!("{}:{}", self.host, self.running.address.port());
        if words.clone().eq(["127.0.0.1", "https", self.host]) || words.eq(["127.0.0.1", "https", port.as_str()]) {
            Ok(())
        } else {
            Err(format!("does not forward what it should: {seen:?}"))
        }
    }

    /// The first, the middle and the last name, each with a certificate of its own: the client believes no other.
    async fn serves_hosts(&self) -> Result<(), String> {
        let names = self.stage.names();
        for number in [0, names.len() / 2, names.len().saturating_sub(1)] {
            let check = Check { host: host(self.stage, Job::Hosts, number), ..*self };
            let Answer { status, body, .. } = check.get("/1k", Protocol::Http1).await?;
            if status != 200 || body.len() != 1_024 {
                return Err(format!("answered {status} with {} bytes for {}", body.len(), check.host));
            }
            check.forwards().await?;
        }
        Ok(())
    }

    /// Bodies arrive whole, with a length and in chunks, and messages come back.
    async fn exchanges(&self) -> Result<(), String> {
        const LENGTHS: [usize; 2] = [1 << 20, 16 << 20];
        let mut connection = self.connect(Protocol::Http1).await?;
        for length in LENGTHS {
            for body in [whole(vec![b'v'; length]), in_pieces(length)] {
                let request = connection.request("/count").method("POST").body(body);
                let request = request.map_err(|error| error.to_string())?;
                let answer = connection.answer(request).await.map_err(|error| format!("took no body: {error}"))?;
                if answer.status != 200 || answer.text() != length.to_string() {
                    return Err(format!("answered {} and {:?} to {length} bytes", answer.status, answer.text()));
                }
            }
        }
        let (trust, address) = (self.stage.trust(), self.running.address);
        let stream = trust.connect(address, self.host, &[b"http/1.1"]).await;
        let stream = stream.map_err(|error| format!("cannot connect: {error}"))?;
        let refused = |error| format!("passes no WebSocket: {error}");
        let mut socket = websocket(stream, &self.running.url("/ws").replace("https", "wss")).await.map_err(refused)?;
        socket.send(Message::text("hello")).await.map_err(refused)?;
        match socket.next().await {
            Some(Ok(message)) if message == Message::text("hello") => Ok(()),
            other => Err(format!("echoes no message: {other:?}")),
        }
    }

    /// The second handshake of a client that got a ticket is short.
    async fn resumes(&self) -> Result<(), String> {
        let mut tls = self.stage.tls();
        tls.resumption = Resumption::in_memory_sessions(8);
        let tls = Arc::new(tls);
        let mut resumed = false;
        for _ in 0..2 {
            let mut client = Client::connect(&tls, self.running.address, self.host).await?;
            client.exchange(&get(self.host, "/1k")).await?;
            resumed = client.is_resumed();
        }
        if resumed { Ok(()) } else { Err("resumes no TLS session".to_owned()) }
    }
}

/// Without a length.
fn in_pieces(length: usize) -> Body {
    const PIECE: usize = 16 << 10;
    let pieces = vec![Bytes::from(vec![b'v'; PIECE]); length / PIECE];
    StreamBody::new(stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(piece))))).boxed_unsync()
}
