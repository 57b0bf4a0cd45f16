//! [`Inside`]: what an ASP.NET Core application itself sees of a request, read out of the running process.
//!
//! Every .NET process listens on a diagnostics socket. Over it one can ask for the events of the framework and name the
//! properties that shall come with them; `HttpRequestIn.Stop` fires when the whole pipeline has run, so scheme, host
//! and client are those that the application worked with, after the ForwardedHeaders middleware. Nothing is added to
//! the application and nothing is derived from what we sent.
//!
//! Not a general reader of the event stream: it finds that one event by its name (see [`events`]).

mod events;
mod session;

use std::{
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{io::AsyncReadExt as _, net::UnixStream, task::JoinHandle};
use vestibule_testkit::{Connection, wait::within};

use self::events::Scanner;
use crate::Outcome;

/// Events come within about 100 ms.
const EVENT_LIMIT: Duration = Duration::from_secs(10);

/// A request as the application saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// `HttpRequest.Scheme`.
    pub(super) scheme: String,
    /// `HttpRequest.Host`.
    pub(super) host: String,
    /// `HttpRequest.PathBase`.
    pub(super) base: String,
    /// `HttpRequest.QueryString`: how a request is found again.
    pub(super) query: String,
    /// `ConnectionInfo.RemoteIpAddress`.
    pub(super) client: String,
}

/// An open session; ends when dropped.
pub(super) struct Inside {
    seen: Arc<Mutex<Vec<Seen>>>,
    reader: JoinHandle<()>,
}

impl Inside {
    /// Opens a session with the process whose diagnostics socket lies in `dir`.
    pub(super) async fn attach(dir: &Path, pid: u32) -> Outcome<Self> {
        let mut stream = session::open(dir, pid).await?;
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let sink = Arc::clone(&seen);
        let reader = tokio::spawn(async move { read(&mut stream, &sink).await });
        Ok(Self { seen, reader })
    }

    /// The session begins a little after it was agreed: asks the application until a request is seen.
    pub(super) async fn awake(&self, pages: SocketAddr) -> Outcome {
        let look = async || {
            let tag = Tag::new();
            Connection::clear(pages, "awake").await.ok()?.get(&tag.path("/health")).await.ok()?;
            within(Duration::from_secs(1), async || self.find(&tag)).await
        };
        within(EVENT_LIMIT, look).await.map(drop).ok_or_else(|| "the process shows no events of its requests".into())
    }

    /// Waits for the request that carried this tag.
    pub(super) async fn seen(&self, tag: &Tag) -> Outcome<Seen> {
        let found = within(EVENT_LIMIT, async || self.find(tag)).await;
        found.ok_or_else(|| format!("the application saw no request with {}", tag.query).into())
    }

    /// Has such a request been seen so far?
    pub(super) fn find(&self, tag: &Tag) -> Option<Seen> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().find(|seen| seen.query.contains(&tag.query)).cloned()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read(stream: &mut UnixStream, sink: &Mutex<Vec<Seen>>) {
    let (mut scanner, mut buffer) = (Scanner::default(), vec![0; 64 << 10]);
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        let found = scanner.feed(&buffer[..count]);
        sink.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    }
}

/// Marks one request, so that it is found again on the other side.
pub(super) struct Tag {
    query: String,
}

impl Tag {
    /// One that was never used before.
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self { query: format!("tag={}-", NEXT.fetch_add(1, Ordering::Relaxed)) }
    }

    /// That path with the mark.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{path}?{}", self.query)
    }
}
