//! [`ScriptedOrigin`]: plays a script on every connection, and records every byte it got.

use std::{
    fmt,
    path::Path,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
    task::JoinHandle,
};

use super::listener::{Listener, OriginAddr, Stream};
use crate::wait::eventually;

/// What an origin does next on a connection.
#[derive(Clone, Debug)]
pub enum Step {
    /// Reads to the end of a head (an empty line).
    ReadHead,
    /// Reads until this many bytes came after the last step that read.
    Read(usize),
    /// Reads until these bytes came.
    ReadUntil(Vec<u8>),
    /// Writes these bytes.
    Send(Vec<u8>),
    /// Waits for [`ScriptedOrigin::release`].
    Await,
    /// Begins the script again: for kept-alive connections.
    Again,
    /// Closes in order (FIN).
    Close,
    /// Closes abruptly (RST).
    Reset,
}

impl Step {
    /// Text as bytes to send.
    pub fn send(text: &str) -> Self {
        Self::Send(text.as_bytes().to_vec())
    }
}

/// The everyday script: a whole `200` with that body to each request head, again and again.
pub fn always(body: &str) -> Vec<Step> {
    let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    vec![Step::ReadHead, Step::send(&response), Step::Again]
}

/// Everything that came in on one connection.
type Record = Arc<Mutex<Vec<u8>>>;

/// An upstream of exact bytes. After its script a connection is read, and recorded, to its end.
#[derive(Debug)]
pub struct ScriptedOrigin {
    address: OriginAddr,
    records: Arc<Mutex<Vec<Record>>>,
    gate: Arc<Notify>,
    accepting: JoinHandle<()>,
}

impl ScriptedOrigin {
    /// On a loopback port, the same script on every connection.
    pub async fn start(script: Vec<Step>) -> Self {
        Self::start_each(vec![script]).await
    }

    /// The first connection plays the first script, and so on; the last script serves all that follow.
    pub async fn start_each(scripts: Vec<Vec<Step>>) -> Self {
        Self::over(Listener::bind_tcp().await, scripts)
    }

    /// The same script on every connection to a Unix socket.
    pub fn start_unix(path: &Path, script: Vec<Step>) -> Self {
        Self::over(Listener::bind_unix(path), vec![script])
    }

    /// [`always`] that body.
    pub async fn start_always(body: &str) -> Self {
        Self::start(always(body)).await
    }

    fn over((listener, address): (Listener, OriginAddr), scripts: Vec<Vec<Step>>) -> Self {
        assert!(!scripts.is_empty(), "a script is needed");
        let (records, gate) = (Arc::<Mutex<Vec<Record>>>::default(), Arc::<Notify>::default());
        let (all, opened) = (Arc::clone(&records), Arc::clone(&gate));
        let accepting = tokio::spawn(async move {
            while let Ok(stream) = listener.accept().await {
                let record = Record::default();
                let number = {
                    let mut all = all.lock().unwrap();
                    all.push(Arc::clone(&record));
                    all.len() - 1
                };
                let script = scripts[number.min(scripts.len() - 1)].clone();
                tokio::spawn(Actor { stream, record, read: 0, gate: Arc::clone(&opened) }.play(script));
            }
        });
        Self { address, records, gate, accepting }
    }

    /// Lets one connection that stands at [`Step::Await`] (or the next that comes there) go on.
    pub fn release(&self) {
        self.gate.notify_one();
    }

    /// What came in so far, a text per connection in order of acceptance.
    pub fn received(&self) -> Vec<String> {
        let records = self.records.lock().unwrap();
        records.iter().map(|record| String::from_utf8_lossy(&record.lock().unwrap()).into_owned()).collect()
    }

    /// Waits until `text` came in on some connection, and gives all that came in on it.
    pub async fn received_with(&self, text: &str) -> String {
        let look = || std::future::ready(self.received().into_iter().find(|received| received.contains(text)));
        eventually(&format!("{text:?} at the origin"), look).await
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.records.lock().unwrap().len()
    }
}

impl fmt::Display for ScriptedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

impl Drop for ScriptedOrigin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection that plays.
struct Actor {
    stream: Box<dyn Stream>,
    record: Record,
    /// How much of the record earlier steps have used up.
    read: usize,
    gate: Arc<Notify>,
}

impl Actor {
    async fn play(mut self, script: Vec<Step>) {
        let mut position = 0;
        while let Some(step) = script.get(position) {
            position += 1;
            let alive = match step {
                Step::ReadHead => self.read_until(b"\r\n\r\n").await,
                Step::ReadUntil(end) => self.read_until(end).await,
                Step::Read(count) => self.read_to(self.read + count).await,
                Step::Send(bytes) => self.stream.write_all(bytes).await.is_ok(),
                Step::Await => {
                    self.gate.notified().await;
                    true
                }
                Step::Again => {
                    position = 0;
                    true
                }
                Step::Close => return,
                Step::Reset => return self.stream.reset_on_close(),
            };
            if !alive {
                return;
            }
        }
        while self.fill().await {}
    }

    /// Reads until `end` stands in what no step has used yet.
    async fn read_until(&mut self, end: &[u8]) -> bool {
        loop {
            let found = {
                let record = self.record.lock().unwrap();
                record[self.read..].windows(end.len()).position(|window| window == end)
            };
            if let Some(found) = found {
                self.read += found + end.len();
                return true;
            }
            if !self.fill().await {
                return false;
            }
        }
    }

    async fn read_to(&mut self, total: usize) -> bool {
        while self.record.lock().unwrap().len() < total {
            if !self.fill().await {
                return false;
            }
        }
        self.read = total;
        true
    }

    /// Reads once into the record; false at the end of the stream.
    async fn fill(&mut self) -> bool {
        let mut buffer = vec![0; 16 << 10];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.record.lock().unwrap().extend_from_slice(&buffer[..count]);
                true
            }
        }
    }
}
