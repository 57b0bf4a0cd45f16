//! The control thread: the admin interface, readiness and stopping told to systemd, and the commands of a [`Stopper`].

use std::{convert::Infallible, io, thread, time::Duration};

use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::LocalSet,
};
use vestibule_watch::StopHandle;

use crate::{
    admin::{self, AdminSockets},
    house::House,
    refusals,
    worker::DrainSignal,
};

/// What the control thread is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Drain,
    Reload,
    /// Everything else has ended.
    End,
}

/// Asks a running gateway to drain or reload; cheap to clone. Calls on a gateway that has ended do nothing.
#[derive(Clone, Debug)]
pub struct Stopper {
    commands: UnboundedSender<Command>,
    /// Told directly: a drain waits for no thread that may be busy.
    drain: DrainSignal,
}

impl Stopper {
    /// Drain: take nothing new, finish what is open within the grace period, end.
    pub fn stop(&self) {
        self.drain.tell();
        self.send(Command::Drain);
    }

    /// Rescan the sites folder now and reopen the access log (SIGHUP).
    pub fn reload(&self) {
        self.send(Command::Reload);
    }

    /// Ends the control thread.
    pub(crate) fn end(&self) {
        self.send(Command::End);
    }

    fn send(&self, command: Command) {
        if self.commands.send(command).is_err() {
            tracing::debug!(?command, "the gateway has ended");
        }
    }
}

/// What somebody has just asked for may end by itself, and a look at a tenant's name or path that hangs is left to itself.
const LAST_ERRANDS: Duration = Duration::from_secs(2);

/// An allocator keeps what was freed for a second, and looks for it when some thread ends or runs out of room. After a start
/// all threads may rest for long, with what the start took and gave back.
const START_IS_DIGESTED: Duration = Duration::from_millis(1_500);

/// Starts the control thread.
pub(crate) fn spawn(
    house: House,
    sockets: AdminSockets,
    watching: StopHandle,
) -> io::Result<(Stopper, thread::JoinHandle<()>)> {
    let (commands, queue) = unbounded_channel(); // fed by signals, not by clients
    let drain = house.shared.drain.clone();
    let body = move || match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            LocalSet::new().block_on(&runtime, run(house, sockets, watching, queue));
            runtime.shutdown_timeout(LAST_ERRANDS);
        }
        Err(error) => tracing::error!(%error, "the control thread has no run time"),
    };
    let thread = thread::Builder::new().name("control".to_owned()).spawn(body)?;
    Ok((Stopper { commands, drain }, thread))
}

async fn run(house: House, sockets: AdminSockets, watching: StopHandle, mut queue: UnboundedReceiver<Command>) {
    let ready = tell_when_ready(&house);
    let catching_up = catch_up(&house);
    let serving = admin::serve(house.clone(), sockets);
    let commands = async {
        while let Some(command) = queue.recv().await {
            match command {
                Command::Drain => {
                    tracing::info!("draining");
                    tell_systemd(sd_notify::NotifyState::Stopping);
                }
                Command::Reload => {
                    tracing::info!("rescanning the sites folder, reopening the access log");
                    house.shared.access.reopen();
                    watching.rescan();
                }
                Command::End => return,
            }
        }
    };
    tokio::select! {
        () = commands => {}
        result = serving => match result {
            Ok(never) => match never {},
            Err(error) => tracing::error!(%error, "the admin interface ended"),
        },
        never = ready => match never {},
        never = catching_up => match never {},
    }
    house.shared.refusals.finish(&house.tenants());
}

/// Tells the log now and then of refusals that had no line.
async fn catch_up(house: &House) -> Infallible {
    loop {
        tokio::time::sleep(refusals::INTERVAL).await;
        house.shared.refusals.catch_up(&house.tenants());
    }
}

/// READY=1 once the first scan is live: then every site that can be served is.
async fn tell_when_ready(house: &House) -> Infallible {
    let ready = std::sync::Arc::clone(&house.ready);
    if let Ok(true) = tokio::task::spawn_blocking(move || ready.wait()).await {
        tell_systemd(sd_notify::NotifyState::Ready);
        tokio::time::sleep(START_IS_DIGESTED).await;
        drop(thread::Builder::new().name("digest".to_owned()).spawn(|| {})); // it ends at once: that is all it is for
    }
    std::future::pending().await
}

fn tell_systemd(state: sd_notify::NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
