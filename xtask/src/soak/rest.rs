//! [`reach`]: waits until the gateway is at rest, everybody having left, and says what is left if it never is.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use vestibule_testkit::{Protocol, client::no_body};

use super::{
    gauges::Sample,
    stage::{JUDGED, PREY, Stage},
};

/// Longer than every wait of the settings: what has not ended by then never will.
const REST_LIMIT: Duration = Duration::from_secs(45);
/// Longer than connections to backends are kept alive.
const FIRST_REST: Duration = Duration::from_secs(6);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// Connections to each host that make every worker run once more. Before the first round, so that what is made at the first
/// use and kept is there: logs of tenants, a socket to ask the kernel. After a round, because an allocator gives back what it
/// has only when it is asked for something, and workers at rest ask for nothing.
const NUDGES: usize = 16;

/// How it is at rest.
pub(super) struct Rest {
    pub(super) sample: Sample,
    /// What should not be there.
    pub(super) left: Vec<String>,
}

/// Waits for it. Tasks and descriptors must come down to those of `before`, if there is a before.
pub(super) async fn reach(stage: &Stage, pid: u32, before: Option<&Sample>) -> Result<Rest, String> {
    let first = settle(stage, pid, before).await?;
    if !first.left.is_empty() {
        return Ok(first);
    }
    nudge(stage).await;
    if before.is_none() {
        // There is nothing yet to say when tasks have come down.
        sleep(FIRST_REST).await;
    }
    settle(stage, pid, before).await
}

async fn settle(stage: &Stage, pid: u32, before: Option<&Sample>) -> Result<Rest, String> {
    let end = Instant::now() + REST_LIMIT;
    loop {
        let sample = Sample::take(stage, pid).await?;
        let left = left(&sample, before);
        if left.is_empty() || Instant::now() >= end {
            return Ok(Rest { sample, left });
        }
        sleep(LOOK).await;
    }
}

fn left(sample: &Sample, before: Option<&Sample>) -> Vec<String> {
    let mut left = sample.left();
    let Some(before) = before else { return left };
    for (what, now, then) in [
        ("tasks", sample.tasks, before.tasks),
        ("descriptors", sample.descriptors, before.descriptors),
        ("threads", sample.threads, before.threads),
    ] {
        if now > then {
            left.push(format!("{now} {what}, and {then} before"));
        }
    }
    left
}

async fn nudge(stage: &Stage) {
    for host in JUDGED.into_iter().chain([PREY]).cycle().take(NUDGES * (JUDGED.len() + 1)) {
        let opened = stage.visitors.fresh.secure(stage.gateway.https(), host, Protocol::Http1).await;
        let Ok(mut connection) = opened else { continue };
        let Ok(request) = connection.request("/status/204").body(no_body()) else { continue };
        // Whether it is answered is up to the clients that count.
        drop(connection.answer(request).await);
    }
}
