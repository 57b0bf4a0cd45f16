//! Runs a gateway on its own threads while the main thread waits for signals: the first SIGTERM or SIGINT drains, the second
//! ends at once; SIGHUP reloads a service and ends what lives with its terminal.

use std::{pin::pin, time::Duration};

use tokio::{
    runtime::Runtime,
    signal::unix::{Signal, SignalKind, signal},
    task::JoinHandle,
};
use vestibule_gateway::{Gateway, Stopper};

use crate::{exit::Exit, failure::Failure, terminal::tell_person};

const SIGHUP: u8 = 1;
const SIGINT: u8 = 2;
const SIGTERM: u8 = 15;

/// Signals that are caught from now on.
#[derive(Debug)]
pub(crate) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    meaning: HangUp,
}

/// What SIGHUP means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HangUp {
    /// Look at everything again: a service has no terminal that could hang up.
    Reload,
    /// The terminal is gone, and with it the reason to run.
    Stop,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Stop { number: u8 },
    Reload,
}

/// How a run came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// Everything that was open has finished, or its grace was over.
    Drained,
    /// A second signal did not want to wait.
    Forced { number: u8 },
    /// Nobody asked.
    ByItself,
}

impl Signals {
    /// Catches them: before the gateway starts, so that none of them can fall between.
    pub(crate) fn catch(meaning: HangUp) -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Signals)?;
        let (terminate, interrupt, hang_up) = {
            let _inside = runtime.enter();
            let catch = |kind| signal(kind).map_err(Failure::Signals);
            (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?, catch(SignalKind::hangup())?)
        };
        Ok(Self { runtime, terminate, interrupt, hang_up, meaning })
    }

    /// Does something beside, which nobody waits for: a stop takes it along.
    pub(crate) fn aside(&self, work: impl FnOnce() + Send + 'static) {
        drop(self.runtime.spawn_blocking(work));
    }

    /// Blocks until the gateway has ended; it is told to after `time`, if there is one.
    pub(crate) fn conduct(mut self, gateway: Gateway, time: Option<Duration>) -> Result<Exit, Failure> {
        let runtime = &self.runtime;
        let stopper = gateway.stopper();
        let ended = runtime.spawn_blocking(move || gateway.join());
        let wishes = Wishes {
            terminate: &mut self.terminate,
            interrupt: &mut self.interrupt,
            hang_up: &mut self.hang_up,
            meaning: self.meaning,
        };
        let ending = runtime.block_on(until_the_end(wishes, stopper, ended, time));
        // A forced end does not wait for the thread that still joins the gateway: the process takes it along.
        self.runtime.shutdown_background();
        match ending {
            Ending::Drained => Ok(Exit::OK),
            Ending::Forced { number } => Ok(Exit::signal(number)),
            Ending::ByItself => Err(Failure::Ended),
        }
    }
}

struct Wishes<'a> {
    terminate: &'a mut Signal,
    interrupt: &'a mut Signal,
    hang_up: &'a mut Signal,
    meaning: HangUp,
}

impl Wishes<'_> {
    /// Cancel-safe, as the signals are.
    async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.terminate.recv() => Wish::Stop { number: SIGTERM },
            _ = self.interrupt.recv() => Wish::Stop { number: SIGINT },
            _ = self.hang_up.recv() => match self.meaning {
                HangUp::Reload => Wish::Reload,
                HangUp::Stop => Wish::Stop { number: SIGHUP },
            },
        }
    }
}

async fn until_the_end(
    mut wishes: Wishes<'_>,
    stopper: Stopper,
    ended: JoinHandle<()>,
    time: Option<Duration>,
) -> Ending {
    let mut ended = pin!(ended);
    let mut time = pin!(async {
        match time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    });
    let mut asked = false;
    loop {
        let wish = tokio::select! {
            // Also when joining panicked: then the gateway is as gone as it can be.
            _ = &mut ended => return if asked { Ending::Drained } else { Ending::ByItself },
            wish = wishes.next() => wish,
            () = &mut time, if !asked => Wish::Stop { number: SIGTERM },
        };
        match wish {
            Wish::Reload => stopper.reload(),
            Wish::Stop { number } if asked => {
                stopper.stop();
                return Ending::Forced { number };
            }
            Wish::Stop { .. } => {
                asked = true;
                stopper.stop();
                tell_person("vestibule: stopping: what is open may finish; a second signal ends it\n");
            }
        }
    }
}
