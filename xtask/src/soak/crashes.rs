//! One backend is killed and started again, over and over.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use vestibule_testkit::drawn::Random;

use super::{backend::Backend, stage::Stage};

/// What the table says of it.
const WORD: &str = "backend killed";
/// It is up for at least so long, and at most twice as long.
const UP: u64 = 3_000;
/// It is down for at most so long.
const DOWN: u64 = 1_500;

/// Until the round is over; the backend is up then.
pub(super) async fn run(stage: Arc<Stage>, mut backend: Backend, mut random: Random) -> Backend {
    while stage.goes_on() {
        pause(&stage, UP + random.below(UP)).await;
        stage.weather.goes_down();
        backend.kill();
        sleep(Duration::from_millis(random.below(DOWN))).await;
        backend.start_again().await;
        stage.weather.is_up();
        stage.tally.done(WORD, 1);
    }
    backend
}

async fn pause(stage: &Stage, millis: u64) {
    const STEP: u64 = 100;
    for _ in 0..millis / STEP {
        if stage.goes_on() {
            sleep(Duration::from_millis(STEP)).await;
        }
    }
}
