//! [`run`]: round after round of everybody at once, and a rest after each. The first round warms up: what it leaves is what
//! the others are measured by.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use vestibule_testkit::drawn::Random;

use super::{
    backend::Backend,
    clients, crashes, edits,
    gauges::Sample,
    report::Report,
    rest,
    stage::{Going, Stage},
};
use crate::Outcome;

/// Rounds, if there is time for so many.
const ROUNDS: u32 = 5;
/// A round is not shorter.
const SHORTEST: Duration = Duration::from_secs(5);
/// Lines of the series of a whole run.
const SERIES: u32 = 40;
/// Whoever has not left by then is stuck.
const LEAVE_LIMIT: Duration = Duration::from_secs(90);

/// Soaks a gateway for so long, rests not counted.
pub(super) async fn run(binary: PathBuf, time: Duration, seed: u64) -> Outcome<Report> {
    let (mut stage, mut crashing) = Stage::start(binary).await?;
    let pid = stage.gateway.process().pid();
    let stage = Arc::new(stage);
    let before = rest::reach(&stage, pid, None).await?;
    let mut report = Report::new(seed, time, before.sample, before.left);
    let rounds = (time.as_secs() / SHORTEST.as_secs()).clamp(2, ROUNDS.into());
    let length = time / u32::try_from(rounds).unwrap_or(ROUNDS);
    for number in 0..rounds {
        eprintln!("==> round {} of {rounds}, {} s", number + 1, length.as_secs());
        let random = Random::new(seed).fork(number);
        let round = Round { stage: &stage, pid, length, every: (time / SERIES).max(Duration::from_millis(500)) };
        crashing = round.run(crashing, &random, &mut report).await?;
        // The writer of the access log goes on in a new file.
        let _ = fs::remove_file(stage.gateway.dir().join("access.log"));
        let rest = rest::reach(&stage, pid, Some(&report.before)).await?;
        report.rested(rest);
    }
    let log = fs::read(stage.gateway.dir().join("gateway.stderr"))?;
    report.finish(&stage.tally, &String::from_utf8_lossy(&log));
    Ok(report)
}

struct Round<'a> {
    stage: &'a Arc<Stage>,
    pid: u32,
    length: Duration,
    /// Between two samples.
    every: Duration,
}

impl Round<'_> {
    /// Gives the crashing backend back, which is up.
    async fn run(&self, crashing: Backend, random: &Random, report: &mut Report) -> Outcome<Backend> {
        let stage = self.stage;
        stage.stop(Going::On);
        let mut clients = clients::start(stage, &random.fork(1));
        let mut edits = edits::start(stage, &random.fork(2));
        let crashes = tokio::spawn(crashes::run(Arc::clone(stage), crashing, random.fork(3)));
        let end = Instant::now() + self.length;
        while Instant::now() < end {
            sleep(self.every.min(end - Instant::now())).await;
            report.series.push(Sample::take(stage, self.pid).await?);
        }
        stage.stop(Going::Ends);
        let leaving = async {
            let crashing = crashes.await?;
            for (word, waits) in left(&mut edits, stage).await {
                report.waits.entry(word).or_default().extend(waits);
            }
            left(&mut clients, stage).await;
            Ok::<_, tokio::task::JoinError>(crashing)
        };
        Ok(timeout(LEAVE_LIMIT, leaving).await.map_err(|_| "clients are stuck")??)
    }
}

/// Waits until all have left; a panic is one of ours.
async fn left<T: 'static>(tasks: &mut JoinSet<T>, stage: &Stage) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        match ended {
            Ok(told) => all.push(told),
            Err(error) => stage.tally.failed("soak", "", error.to_string()),
        }
    }
    all
}
