//! Everybody who visits at once. Good clients are believed when they complain; what becomes of the others is up to the
//! gateway, as long as it ends.

mod broken;
mod errand;
mod good;
mod hostile;
mod slow;

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use vestibule_testkit::drawn::Random;

use self::{broken::Broken, good::Good, hostile::Hostile, slow::Slow};
use super::stage::{CRASHING, JUDGED, PREY, Stage};

/// A client that nobody judges gives up after this, in the middle of whatever it does.
const DEED_LIMIT: Duration = Duration::from_secs(30);
/// After an error.
const PAUSE: Duration = Duration::from_millis(100);
/// Between two looks whether it is over.
const LOOK: Duration = Duration::from_millis(100);

/// Clients of each sort at once.
const GOOD: u64 = 4;
const SLOW: u64 = 5;
const BROKEN: u64 = 3;
const HOSTILE: u64 = 4;

/// Lets them in; they leave when the stage says so.
pub(super) fn start(stage: &Arc<Stage>, random: &Random) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    let mut label = 0;
    let mut next = || {
        label += 1;
        (Arc::clone(stage), random.fork(label))
    };
    for kind in Good::ALL {
        for _ in 0..GOOD {
            let (stage, random) = next();
            clients.spawn(good(kind, stage, random));
        }
    }
    for _ in 0..SLOW {
        let (stage, mut random) = next();
        clients.spawn(async move {
            while stage.goes_on() {
                let (kind, host) = (*random.pick(&Slow::ALL), any_host(&mut random));
                leave(&stage, kind.word(), Box::pin(kind.visit(&stage, host, &mut random))).await;
            }
        });
    }
    for _ in 0..BROKEN {
        let (stage, mut random) = next();
        clients.spawn(async move {
            while stage.goes_on() {
                let (kind, host) = (*random.pick(&Broken::ALL), any_host(&mut random));
                leave(&stage, kind.word(), Box::pin(kind.visit(&stage, host, &mut random))).await;
                sleep(Duration::from_millis(random.below(20))).await;
            }
        });
    }
    for _ in 0..HOSTILE {
        let (stage, mut random) = next();
        clients.spawn(async move {
            while stage.goes_on() {
                let kind = *random.pick(&Hostile::ALL);
                leave(&stage, kind.word(), Box::pin(kind.visit(&stage, &mut random))).await;
                sleep(Duration::from_millis(random.below(100))).await;
            }
        });
    }
    clients
}

/// A deed that nobody judges: an error is an end like any other.
async fn leave<T>(stage: &Stage, word: &'static str, deed: impl Future<Output = T>) {
    let _ = timeout(DEED_LIMIT, deed).await;
    stage.tally.done(word, 1);
}

fn any_host(random: &mut Random) -> &'static str {
    let at = usize::try_from(random.below(JUDGED.len() as u64 + 1)).unwrap_or(0);
    JUDGED.get(at).copied().unwrap_or(PREY)
}

/// A good client, again and again.
async fn good(kind: Good, stage: Arc<Stage>, mut random: Random) {
    while stage.goes_on() {
        let host = *random.pick(&JUDGED);
        let began = std::time::Instant::now();
        match kind.visit(&stage, host, &mut random).await {
            Ok(deeds) => stage.tally.done(kind.word(), deeds),
            Err(_) if host == CRASHING && stage.weather.excuses(began) => {
                stage.tally.excused(kind.word());
                sleep(PAUSE).await;
            }
            Err(what) => {
                stage.tally.failed(kind.word(), host, what);
                sleep(PAUSE).await;
            }
        }
    }
}

/// Waits, but not beyond the end of the round.
async fn linger(stage: &Stage, time: Duration) {
    let end = Instant::now() + time;
    while stage.goes_on() && Instant::now() < end {
        sleep(LOOK).await;
    }
}
