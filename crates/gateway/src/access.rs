//! Access events: one JSON line per request. A worker gathers lines in a buffer of its own; a writing thread takes whole
//! buffers, so that a slow disk or pipe never holds up a request. What it cannot take is dropped and counted.
//!
//! This is the operator's log. The same buffers go to those of tenants (`tenant_log.rs`), whose thread is another.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde::Serialize;
use vestibule_names::TenantId;

use crate::{config::AccessLog, tenant_log::TenantLog};

/// A worker's buffer leaves it when it is this full, bytes.
const BUFFER_LIMIT: usize = 32 * 1024;
/// Buffers that may wait for the writing thread.
const QUEUE_LIMIT: usize = 64;

/// One finished request. Field names are an interface: scripts read them.
#[derive(Serialize, Debug)]
pub(crate) struct AccessEvent<'a> {
    /// Unix time of the end, seconds with milliseconds.
    pub(crate) ts: f64,
    pub(crate) request_id: String,
    pub(crate) client: String,
    pub(crate) scheme: &'a str,
    pub(crate) protocol: &'a str,
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    /// As the client sent it, with the query.
    pub(crate) target: &'a str,
    /// 499: the client left before a response began.
    pub(crate) status: u16,
    /// Of the response body.
    pub(crate) bytes: u64,
    pub(crate) duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) site: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) upstream: Option<String>,
    /// The code of a response that the gateway made itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) code: Option<&'a str>,
    /// False when the response was cut.
    pub(crate) complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) referer: Option<&'a str>,
}

/// Where workers send their buffers.
#[derive(Clone, Debug)]
pub(crate) struct AccessSender {
    queue: Option<SyncSender<Lines>>,
    tenants: Option<TenantLog>,
    /// Asks for the file to be opened anew before the next line.
    reopen: Arc<AtomicBool>,
    dropped: Arc<AtomicU64>,
}

/// Whole lines, and whose each is. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    bytes: Arc<Vec<u8>>,
    /// Of each line: its tenant, if it led to a site, and its length.
    marks: Arc<Vec<(Option<TenantId>, usize)>>,
}

impl Lines {
    fn count(&self) -> u64 {
        self.marks.len() as u64
    }

    #[cfg(test)]
    pub(crate) fn of(lines: &[(Option<TenantId>, String)]) -> Self {
        let marks = lines.iter().map(|(tenant, line)| (*tenant, line.len())).collect();
        let bytes = lines.iter().flat_map(|(_, line)| line.bytes()).collect();
        Self { bytes: Arc::new(bytes), marks: Arc::new(marks) }
    }

    /// The lines that led to sites.
    pub(crate) fn of_tenants(&self) -> impl Iterator<Item = (TenantId, &[u8])> {
        let mut rest = self.bytes.as_slice();
        let lines = self.marks.iter().map(move |(tenant, length)| {
            let (line, after) = rest.split_at_checked(*length).unwrap_or((rest, &[]));
            rest = after;
            (*tenant, line)
        });
        lines.filter_map(|(tenant, line)| Some((tenant?, line)))
    }
}

/// How often the writing thread looks whether its file was moved away.
const MOVED_POLL: Duration = Duration::from_secs(1);

impl AccessSender {
    /// Lines that were dropped since the start.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }

    /// Has the file opened anew before the next line.
    pub(crate) fn reopen(&self) {
        self.reopen.store(true, Relaxed);
    }
}

/// Starts the writing thread, unless the operator's log goes nowhere. The thread ends when every sender is gone.
pub(crate) fn start(
    log: &AccessLog,
    tenants: Option<TenantLog>,
) -> io::Result<(AccessSender, Option<thread::JoinHandle<()>>)> {
    let (dropped, reopen) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let sink = match log {
        AccessLog::Off => return Ok((AccessSender { queue: None, tenants, reopen, dropped }, None)),
        AccessLog::Stdout => Sink::Stdout,
        AccessLog::File(path) => Sink::File(open(path)?, path.clone()),
    };
    let (queue, lines) = sync_channel(QUEUE_LIMIT);
    let (again, lost) = (Arc::clone(&reopen), Arc::clone(&dropped));
    let sender = AccessSender { queue: Some(queue), tenants, reopen: again, dropped: lost };
    let writer = Writer { sink, reopen, looked: Instant::now(), torn: false };
    let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || writer.run(&lines, &dropped))?;
    Ok((sender, Some(thread)))
}

enum Sink {
    Stdout,
    File(File, PathBuf),
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

/// The writing thread's side.
struct Writer {
    sink: Sink,
    reopen: Arc<AtomicBool>,
    looked: Instant,
    /// Did the last write stop in the middle of a line?
    torn: bool,
}

impl Writer {
    fn run(mut self, lines: &Receiver<Lines>, dropped: &AtomicU64) {
        for lines in lines {
            self.follow();
            if self.write(&lines.bytes).is_err() {
                dropped.fetch_add(lines.count(), Relaxed);
            }
        }
    }

    /// Opens the file anew when somebody asked for it, or moved it away.
    fn follow(&mut self) {
        let Sink::File(file, path) = &mut self.sink else { return };
        let asked = self.reopen.swap(false, Relaxed);
        if !asked && self.looked.elapsed() < MOVED_POLL {
            return;
        }
        self.looked = Instant::now();
        if asked || !is_same(file, path) {
            match open(path) {
                Ok(fresh) => {
                    *file = fresh;
                    self.torn = false;
                }
                Err(error) => tracing::warn!(path = %path.display(), %error, "the access log cannot be reopened"),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sink: &mut dyn Write = match &mut self.sink {
            Sink::Stdout => &mut io::stdout().lock(),
            Sink::File(file, _) => file,
        };
        if self.torn {
            sink.write_all(b"\n")?; // a fragment stays a line of its own
            self.torn = false;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match sink.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    rest = &rest[count..];
                    self.torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_same(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(ours), Ok(theirs)) => (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()),
        _ => false,
    }
}

/// A worker's buffer of lines.
#[derive(Debug)]
pub(crate) struct AccessLine {
    sender: AccessSender,
    buffer: Vec<u8>,
    marks: Vec<(Option<TenantId>, usize)>,
}

impl AccessLine {
    pub(crate) fn new(sender: AccessSender) -> Self {
        Self { sender, buffer: Vec::new(), marks: Vec::new() }
    }

    /// False when nobody reads: then events need not be made.
    pub(crate) fn is_wanted(&self) -> bool {
        self.sender.queue.is_some() || self.sender.tenants.is_some()
    }

    /// Adds a line, of the tenant to whose site the request led. JSON escapes control characters, so that a line stays a
    /// line.
    pub(crate) fn write(&mut self, event: &AccessEvent<'_>, tenant: Option<TenantId>) {
        let start = self.buffer.len();
        if serde_json::to_writer(&mut self.buffer, event).is_err() {
            self.buffer.truncate(start);
            return;
        }
        self.buffer.push(b'\n');
        self.marks.push((tenant, self.buffer.len() - start));
        if self.buffer.len() >= BUFFER_LIMIT {
            self.flush();
        }
    }

    /// Hands the buffer over.
    pub(crate) fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let (bytes, marks) = (std::mem::take(&mut self.buffer), std::mem::take(&mut self.marks));
        let lines = Lines { bytes: Arc::new(bytes), marks: Arc::new(marks) };
        if let Some(tenants) = &self.sender.tenants {
            tenants.send(lines.clone());
        }
        let Some(queue) = &self.sender.queue else { return };
        if let Err(TrySendError::Full(lines) | TrySendError::Disconnected(lines)) = queue.try_send(lines) {
            self.sender.dropped.fetch_add(lines.count(), Relaxed);
        }
    }
}

impl Drop for AccessLine {
    fn drop(&mut self) {
        self.flush(); // what a drain cut is written too
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event<'a>(target: &'a str, agent: &'a str) -> AccessEvent<'a> {
        AccessEvent {
            ts: 1.5,
            request_id: "00".to_owned(),
            client: "127.0.0.1".to_owned(),
            scheme: "https",
            protocol: "HTTP/1.1",
            method: "GET",
            host: "a.test",
            target,
            status: 200,
            bytes: 3,
            duration_ms: 0.25,
            site: Some("a.yaml"),
            route: None,
            upstream: None,
            code: None,
            complete: true,
            user_agent: Some(agent),
            referer: None,
        }
    }

    #[test]
    fn lines_reach_the_file_and_control_characters_stay_inside_them() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("access.log");
        let (sender, thread) = start(&AccessLog::File(path.clone()), None).expect("starts");
        let mut line = AccessLine::new(sender);
        assert!(line.is_wanted());
        line.write(&event("/\n{\"forged\":1}", "\u{1b}[31m"), None);
        line.write(&event("/b", "x"), None);
        line.flush();
        drop(line);
        thread.expect("a thread").join().expect("ends");
        let text = std::fs::read_to_string(&path).expect("written");
        assert_eq!(text.lines().count(), 2, "{text}");
        let first: serde_json::Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        assert_eq!(first["target"], "/\n{\"forged\":1}");
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn without_a_log_nothing_is_wanted() {
        let (sender, thread) = start(&AccessLog::Off, None).expect("starts");
        assert!(thread.is_none());
        assert!(!AccessLine::new(sender).is_wanted());
    }
}
