//! Slow clients: readers who ask for much and take little of it, writers who announce much and send little of it. They hold
//! what a proxy holds for a connection at work, and wake it up for next to nothing.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpSocket,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tokio_rustls::rustls::ClientConfig;

use super::client::{Client, get};
use crate::bench::peers::stage::HOST;

/// Of each kind.
const EACH: u32 = 1_000;
/// Opened at once.
const CROWD: usize = 32;
/// Between two turns of one client.
const PERIOD: Duration = Duration::from_secs(1);
/// What a reader takes in a turn.
const SIP: usize = 1 << 10;
/// What a writer sends in a turn.
const BITE: usize = 256;
/// What is asked for and announced: more than is taken or sent while the load lasts. Not much more: whatever a proxy leaves
/// with the origin lies in the kernel's buffers there, and when those of all sockets are full (`tcp_mem`), packets of everybody
/// are dropped, which says nothing about the proxy.
const LENGTH: u64 = 1 << 20;
/// The kernel's buffer of a reader, so that what it does not take stays with the proxy.
const READ_BUFFER: u32 = 4 << 10;

/// So many are open.
pub(in crate::bench::peers) const CLIENTS: u32 = 2 * EACH;

/// All of them, until it is dropped.
pub(in crate::bench::peers) struct Crowd(JoinSet<String>);

impl Crowd {
    /// Opens them.
    pub(in crate::bench::peers) async fn open(tls: &Arc<ClientConfig>, address: SocketAddr) -> Result<Self, String> {
        let (mut opening, mut open) = (JoinSet::new(), JoinSet::new());
        for number in 0..CLIENTS {
            while opening.len() >= CROWD {
                settle(&mut opening, &mut open).await?;
            }
            let tls = Arc::clone(tls);
            opening.spawn(async move { Slow::begin(&tls, address, number).await });
        }
        while !opening.is_empty() {
            settle(&mut opening, &mut open).await?;
        }
        Ok(Self(open))
    }

    /// Fails when the proxy has given one of them up by now.
    pub(in crate::bench::peers) fn are_all_there(&mut self) -> Result<(), String> {
        let mut ended = Vec::new();
        while let Some(reason) = self.0.try_join_next() {
            ended.push(reason.unwrap_or_else(|error| error.to_string()));
        }
        match ended.first() {
            None => Ok(()),
            Some(reason) => Err(format!("gave up {} of {CLIENTS} slow clients: {reason}", ended.len())),
        }
    }
}

/// One more is open and goes on.
async fn settle(opening: &mut JoinSet<Result<Slow, String>>, open: &mut JoinSet<String>) -> Result<(), String> {
    if let Some(begun) = opening.join_next().await {
        open.spawn(begun.map_err(|error| error.to_string())??.go_on());
    }
    Ok(())
}

enum Slow {
    Reader(Client),
    Writer(Client),
}

impl Slow {
    /// Every other one reads.
    async fn begin(tls: &Arc<ClientConfig>, address: SocketAddr, number: u32) -> Result<Self, String> {
        let host = format!("{HOST}:{}", address.port());
        let connecting = async {
            let socket = TcpSocket::new_v4()?;
            if number.is_multiple_of(2) {
                socket.set_recv_buffer_size(READ_BUFFER)?;
            }
            socket.connect(address).await
        };
        let tcp = connecting.await.map_err(|error: std::io::Error| format!("cannot connect: {error}"))?;
        let mut client = Client::over(tcp, tls, HOST).await?;
        if number.is_multiple_of(2) {
            client.send(&get(&host, &format!("/bytes/{LENGTH}"))).await?;
            return Ok(Self::Reader(client));
        }
        let head = format!("POST /count HTTP/1.1\r\nHost: {host}\r\nContent-Length: {LENGTH}\r\n\r\n");
        client.send(head.as_bytes()).await?;
        Ok(Self::Writer(client))
    }

    /// Until it is closed, and why.
    async fn go_on(mut self) -> String {
        let mut turns = interval(PERIOD);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            let done = match &mut self {
                Self::Reader(client) => client.sip(SIP).await,
                Self::Writer(client) => client.send(&[b'v'; BITE]).await,
            };
            if let Err(reason) = done {
                return reason;
            }
        }
    }
}
