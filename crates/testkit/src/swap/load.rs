//! [`Load`]: a steady load on one site: requests over kept-alive HTTP/1.1 and HTTP/2 connections, and open WebSockets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;

use crate::{Connection, Gateway, Protocol};

/// Connections of each protocol.
const CONNECTIONS: usize = 4;
/// WebSockets.
const WEBSOCKETS: usize = 4;
/// Between two requests of a connection: a load, not a flood, so that edits compete for the cores but do not starve.
const PAUSE: Duration = Duration::from_millis(4);

/// A running load.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    counts: Arc<Counts>,
    tasks: JoinSet<()>,
}

/// What a load has seen.
#[derive(Debug, Default)]
pub struct Counts {
    /// Sent.
    pub requests: AtomicU64,
    /// Of these, without the whole 200 that was due.
    pub failed: AtomicU64,
    /// Echoed by WebSockets.
    pub messages: AtomicU64,
    /// WebSockets that ended.
    pub websockets_closed: AtomicU64,
}

impl Load {
    /// Opens everything, then loads. The host must lead to an [`HttpOrigin`](crate::HttpOrigin).
    pub async fn start(gateway: &Gateway, host: &str) -> Self {
        let (stop, counts) = (Arc::<AtomicBool>::default(), Arc::<Counts>::default());
        let mut tasks = JoinSet::new();
        for protocol in [Protocol::Http1, Protocol::Http2].repeat(CONNECTIONS) {
            let connection = gateway.connect(host, protocol).await;
            tasks.spawn(request(connection, Arc::clone(&counts), Arc::clone(&stop)));
        }
        for _ in 0..WEBSOCKETS {
            let mut socket = gateway.websocket(host, "/ws").await.unwrap();
            let (counts, stop) = (Arc::clone(&counts), Arc::clone(&stop));
            tasks.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let sent = socket.send(Message::text("still there?")).await;
                    if sent.is_err() || !matches!(socket.next().await, Some(Ok(Message::Text(_)))) {
                        counts.websockets_closed.fetch_add(1, Ordering::Relaxed);
                        return;
                    }
                    counts.messages.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(PAUSE * 10).await;
                }
            });
        }
        Self { stop, counts, tasks }
    }

    /// Ends it and gives what was seen.
    pub async fn stop(mut self) -> Arc<Counts> {
        self.stop.store(true, Ordering::Relaxed);
        while self.tasks.join_next().await.is_some() {}
        self.counts
    }
}

/// Requests on one connection. A connection that breaks fails the request and every one that would have followed, once.
async fn request(mut connection: Connection, counts: Arc<Counts>, stop: Arc<AtomicBool>) {
    while !stop.load(Ordering::Relaxed) {
        counts.requests.fetch_add(1, Ordering::Relaxed);
        let good = matches!(connection.get("/bytes/1024").await, Ok(answer) if answer.status == 200 && answer.body.len() == 1024);
        if !good {
            counts.failed.fetch_add(1, Ordering::Relaxed);
        }
        if connection.is_closed() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}
