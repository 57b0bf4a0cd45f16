//! The thread `acme`: runs the engine that orders certificates from public CAs, and brings what it obtained before the
//! next handshake. Nothing of it is on the path of a request, and neither a start nor a drain waits for a CA.
//!
//! Not here: what is ordered, when, and how, and the log of it (`vestibule_acme`); which names a site holds (`change`).

use std::{
    io,
    sync::{
        Arc,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::Duration,
};

use tokio::task::LocalSet;
use vestibule_acme::{Engine, Event, Handle};
use vestibule_certs::{Refresh, store::Issued};

use crate::{change::Wish, front::Front, house::House};

/// How long the end of the gateway waits for the engine. What it leaves is resumed by the next start.
const STOP_GRACE: Duration = Duration::from_secs(1);

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
    // Under the lock: a walk that has looked at the store before this issuance was in it has published by then.
    let identities = house.sites().identities(&house.shared.table, issued.draft.tenant, &issued.draft.names);
    for identity in identities {
        let site = &identity.request().site;
        match identity.refresh() {
            Refresh::Swapped => tracing::info!(%site, issuance = %issued.id, "certificate swapped"),
            Refresh::Unchanged => tracing::debug!(%site, issuance = %issued.id, "the certificate is as it was"),
            Refresh::Refused(why) => {
                let why = why.first().map_or("", |diagnostic| diagnostic.message.as_str());
                tracing::error!(%site, issuance = %issued.id, why, "an issued certificate is refused");
            }
        }
    }
}
