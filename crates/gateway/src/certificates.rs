//! The thread `acme`: runs the engine that orders certificates from public CAs, and brings what it obtained before the
//! next handshake. Nothing of it is on the path of a request, and neither a start nor a drain waits for a CA.
//!
//! Not here: what is ordered, when, and how (`vestibule_acme`); which names a site holds (`change`).

use std::{
    io,
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use tokio::task::LocalSet;
use vestibule_acme::{Engine, Event, FailureKind, Handle, Timestamp};
use vestibule_certs::{Refresh, store::Issued};
use vestibule_names::HostPattern;

use crate::{change::Wish, front::Front, house::House};

/// How long the end of the gateway waits for the engine. What it leaves is resumed by the next start.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Names of one certificate that a log line shows.
const NAMES_SHOWN: usize = 3;

/// The running thread.
#[derive(Debug)]
pub(crate) struct AcmeThread {
    handle: Handle,
    thread: thread::JoinHandle<()>,
    /// Disconnected when the thread has ended.
    ended: Receiver<()>,
}

/// Starts the thread.
pub(crate) fn spawn(engine: Engine, handle: Handle, house: House, front: Arc<Front>) -> io::Result<AcmeThread> {
    let (alive, ended) = channel();
    let body = move || {
        let _running = Running { front: Arc::clone(&front), _alive: alive };
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "the acme thread has no run time"),
        };
        let tell = |event: &Event| {
            log(event);
            if let Event::Obtained(issued) | Event::Renewed(issued) | Event::Revoked(issued) = event {
                swap(&house, issued);
            }
            front.announce();
        };
        LocalSet::new().block_on(&runtime, engine.run(tell));
        // A look-up or a hook that hangs on a thread of its own holds up nothing.
        runtime.shutdown_background();
    };
    let thread = thread::Builder::new().name("acme".to_owned()).spawn(body)?;
    Ok(AcmeThread { handle, thread, ended })
}

impl AcmeThread {
    /// Asks the engine to end, and waits a moment for it.
    pub(crate) fn end(self) {
        self.handle.stop();
        if self.ended.recv_timeout(STOP_GRACE) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!("an order did not end in time; it is resumed by the next start");
        } else if self.thread.join().is_err() {
            tracing::error!("the acme thread panicked");
        }
    }
}

/// Says that the thread has ended, however it does.
struct Running {
    front: Arc<Front>,
    _alive: Sender<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.front.running.store(false, Relaxed);
        self.front.announce();
        if thread::panicking() {
            tracing::error!("a bug: no certificate is ordered or renewed until the gateway is started again");
        }
    }
}

/// Tells the engine what site changes have come to. Never waits.
pub(crate) fn pass_on(handle: &Handle, wishes: Vec<Wish>) {
    for wish in wishes {
        match wish {
            Wish::Want(site, tenant, names, options) => handle.want(site, tenant, names, options),
            Wish::Unwant(site) => handle.unwant(site),
        }
    }
}

/// New handshakes for these names get what the store has now; open connections stay as they are.
fn swap(house: &House, issued: &Issued) {
    // A walk that has looked at the store before this issuance was in it has published by the time that we have the lock.
    house.publish_arrivals();
    let identities = house.sites().identities(&house.shared.table, issued.draft.tenant, &issued.draft.names);
    for identity in identities {
        let site = identity.site();
        match identity.refresh() {
            Refresh::Swapped => tracing::debug!(%site, issuance = %issued.id, "certificate swapped"),
            Refresh::Unchanged => tracing::debug!(%site, issuance = %issued.id, "the certificate is as it was"),
            Refresh::Refused(why) => {
                let why = why.first().map_or("", |diagnostic| diagnostic.message.as_str());
                tracing::error!(%site, issuance = %issued.id, why, "an issued certificate is refused");
            }
        }
    }
}

/// As JSON has it.
fn kebab(kind: FailureKind) -> String {
    serde_json::to_value(kind).ok().and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default()
}

fn log(event: &Event) {
    match event {
        Event::Obtained(issued) => tracing::info!(
            names = few(&issued.draft.names), ca = %issued.draft.ca, issuance = %issued.id,
            days = days_left(issued), "certificate obtained"
        ),
        Event::Renewed(issued) => tracing::info!(
            names = few(&issued.draft.names), ca = %issued.draft.ca, issuance = %issued.id,
            days = days_left(issued), "certificate renewed"
        ),
        Event::Revoked(issued) => {
            tracing::warn!(names = few(&issued.draft.names), issuance = %issued.id, "certificate revoked on request");
        }
        Event::Failed { names, failure, next_attempt, .. } => {
            let (names, next) = (few(names), next_attempt.map(seconds_until));
            let (kind, why) = (failure.kind, failure.sentence.as_str());
            match kind {
                FailureKind::Account | FailureKind::Configuration | FailureKind::Storage => {
                    tracing::error!(names, kind = kebab(kind), why, next_attempt_seconds = next, "no certificate");
                }
                _ => tracing::warn!(names, kind = kebab(kind), why, next_attempt_seconds = next, "no certificate yet"),
            }
        }
        Event::Expiring { issued, why } => tracing::error!(
            names = few(&issued.draft.names), issuance = %issued.id, days = days_left(issued),
            why = why.as_deref().unwrap_or("no attempt has been made yet"), "a certificate runs out soon"
        ),
        Event::Quarantined { name, why, .. } => {
            tracing::warn!(%name, why, "no certificate yet: DNS of this name is looked at until it leads here");
        }
    }
}

/// A few names, and how many more there are.
fn few(names: &[HostPattern]) -> String {
    let mut text = names.iter().take(NAMES_SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if let more @ 1.. = names.len().saturating_sub(NAMES_SHOWN) {
        text.push_str(&format!(" and {more} more"));
    }
    text
}

fn days_left(issued: &Issued) -> u64 {
    issued.not_after.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs() / (24 * 60 * 60))
}

fn seconds_until(next: Timestamp) -> u64 {
    next.since(Timestamp::from(SystemTime::now())).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_shows_a_few_names() {
        let names: Vec<_> = ["a.test", "b.test", "c.test", "d.test", "e.test"]
            .map(|name| HostPattern::parse(name).expect("a name"))
            .into();
        assert_eq!(few(&names), "a.test, b.test, c.test and 2 more");
        assert_eq!(few(&names[..3]), "a.test, b.test, c.test");
        assert_eq!(few(&[]), "");
    }
}
