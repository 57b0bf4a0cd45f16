//! Requests at a steady pace on connections that stay open: each connection has its turn, and one that still waits for an
//! answer when its turn comes asks as soon as it has it.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::rustls::ClientConfig;
use vestibule_testkit::{
    Answer, Connection, Protocol,
    client::{Awaited, Trust, no_body},
};

use super::{
    client::{Client, get},
    latency::Latency,
    pace::Pace,
};
use crate::bench::peers::{load::Loaded, stage::HOST};

/// What is still open this long after the last moment has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// If we ourselves are later than this at the end, it was not the proxy that was measured.
const BEHIND: Duration = Duration::from_millis(200);

/// What is asked for, by whom.
pub(in crate::bench::peers) struct Paced<'a> {
    pub(in crate::bench::peers) address: SocketAddr,
    pub(in crate::bench::peers) tls: Arc<ClientConfig>,
    pub(in crate::bench::peers) trust: &'a Trust,
    pub(in crate::bench::peers) protocol: Protocol,
    pub(in crate::bench::peers) connections: u32,
    pub(in crate::bench::peers) path: &'static str,
    pub(in crate::bench::peers) length: u64,
}

/// When each was due that a connection has to ask.
type Turns = UnboundedReceiver<Instant>;
/// What a connection saw: microseconds from the moment each was due.
pub(super) type Seen = Result<Vec<u64>, String>;

/// Connections that are open and have asked once: their turns, and what becomes of them.
pub(in crate::bench::peers) struct Lines {
    turns: Vec<UnboundedSender<Instant>>,
    ends: JoinSet<Seen>,
}

impl Paced<'_> {
    /// Opens the connections; each asks once, which is not counted.
    pub(in crate::bench::peers) async fn open(&self) -> Result<Lines, String> {
        let mut lines = Lines { turns: Vec::new(), ends: JoinSet::new() };
        for _ in 0..self.connections {
            let (line, turns) = unbounded_channel();
            let length = self.length;
            match self.protocol {
                Protocol::Http1 => {
                    let mut client = Client::connect(&self.tls, self.address, HOST).await?;
                    let request = get(&format!("{HOST}:{}", self.address.port()), self.path);
                    ask(&mut client, &request, length).await?;
                    lines.ends.spawn(ask_in_turn(client, request, length, turns));
                }
                Protocol::Http2 => {
                    let connecting = Connection::secure(self.trust, self.address, HOST, Protocol::Http2);
                    let mut connection = connecting.await.map_err(|error| format!("cannot connect: {error}"))?;
                    whole(begin(&mut connection, self.path).await?, length).await?;
                    lines.ends.spawn(ask_at_once(connection, self.path, length, turns));
                }
            }
            lines.turns.push(line);
        }
        Ok(lines)
    }
}

impl Lines {
    /// Of tasks that work through their turns.
    pub(super) fn new(turns: Vec<UnboundedSender<Instant>>, ends: JoinSet<Seen>) -> Self {
        Self { turns, ends }
    }

    /// So many a second, for so long.
    pub(in crate::bench::peers) async fn run(mut self, per_second: f64, seconds: u32) -> Result<Loaded, String> {
        let lasting = Duration::from_secs(seconds.into());
        let mut pace = Pace::new(per_second, lasting).map_err(|error| format!("no timer: {error}"))?;
        let begin = Instant::now();
        while let Some((number, due)) = pace.due().await.map_err(|error| format!("no timer: {error}"))? {
            let line = usize::try_from(number).unwrap_or_default() % self.turns.len().max(1);
            // A connection that has failed says so at the end.
            let _ = self.turns[line].send(due);
        }
        let late = begin.elapsed().saturating_sub(lasting);
        if late > BEHIND {
            return Err(format!("our own clients were {late:?} behind"));
        }
        self.turns.clear();
        let mut micros = Vec::new();
        let collected = timeout(PATIENCE, async {
            while let Some(end) = self.ends.join_next().await {
                micros.extend(end.map_err(|error| error.to_string())??);
            }
            Ok::<_, String>(())
        });
        collected.await.map_err(|_| format!("not all answers came within {PATIENCE:?}"))??;
        loaded(micros, begin.elapsed())
    }
}

/// Sums up.
pub(super) fn loaded(micros: Vec<u64>, took: Duration) -> Result<Loaded, String> {
    let requests = micros.len() as u64;
    let latency = Latency::of(micros).ok_or("not one answer")?;
    Ok(Loaded { requests, bytes: None, micros: whole_micros(took), latency })
}

/// As whole microseconds.
pub(super) fn whole_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// One after the other.
async fn ask_in_turn(mut client: Client, request: Vec<u8>, length: u64, mut turns: Turns) -> Seen {
    let mut seen = Vec::new();
    while let Some(due) = turns.recv().await {
        ask(&mut client, &request, length).await?;
        seen.push(whole_micros(due.elapsed()));
    }
    Ok(seen)
}

async fn ask(client: &mut Client, request: &[u8], length: u64) -> Result<(), String> {
    let answer = client.exchange(request).await?;
    judge(answer.status, answer.length, length)
}

/// Several at once.
async fn ask_at_once(mut connection: Connection, path: &'static str, length: u64, mut turns: Turns) -> Seen {
    let mut open = JoinSet::new();
    let mut seen = Vec::new();
    loop {
        tokio::select! {
            Some(answered) = open.join_next() => seen.push(answered.map_err(|error| error.to_string())??),
            turn = turns.recv() => match turn {
                Some(due) => {
                    let awaited = begin(&mut connection, path).await?;
                    open.spawn(async move {
                        whole(awaited, length).await?;
                        Ok::<_, String>(whole_micros(due.elapsed()))
                    });
                }
                None => break,
            },
        }
    }
    while let Some(answered) = open.join_next().await {
        seen.push(answered.map_err(|error| error.to_string())??);
    }
    Ok(seen)
}

async fn begin(connection: &mut Connection, path: &str) -> Result<Awaited, String> {
    let request = connection.request(path).body(no_body()).map_err(|error| error.to_string())?;
    connection.begin(request).await.map_err(|error| format!("cannot ask: {error}"))
}

async fn whole(awaited: Awaited, length: u64) -> Result<(), String> {
    let response = awaited.await.map_err(|error| format!("no answer: {error}"))?;
    let answer = Answer::read(response).await.map_err(|error| format!("half an answer: {error}"))?;
    judge(answer.status.as_u16(), answer.body.len() as u64, length)
}

/// Is it what was asked for?
pub(super) fn judge(status: u16, length: u64, expected: u64) -> Result<(), String> {
    if status == 200 && length == expected {
        Ok(())
    } else {
        Err(format!("answered {status} with {length} bytes instead of {expected}"))
    }
}
