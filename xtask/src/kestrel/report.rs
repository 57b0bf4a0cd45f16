//! [`Report`]: the table of checks, printed line by line as they end.
//!
//! A check that fails, panics or takes too long is a line, never the end of the run: the others still say what they see.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use tokio::time::timeout;

use crate::Outcome;

/// No check takes longer on a loaded machine.
const CHECK_LIMIT: Duration = Duration::from_secs(60);

/// What was claimed, and how it went.
#[derive(Default)]
pub(super) struct Report {
    held: usize,
    broken: Vec<String>,
}

impl Report {
    /// Begins a group of checks.
    pub(super) fn heading(&self, title: &str) {
        println!("\n{title}");
    }

    /// Holds a claim against the world; `work` gives what was seen.
    pub(super) async fn check(&mut self, claim: &str, work: impl Future<Output = Outcome<String>>) {
        // On the heap: these futures hold whole connections.
        match timeout(CHECK_LIMIT, AssertUnwindSafe(Box::pin(work)).catch_unwind()).await {
            Ok(Ok(Ok(seen))) => {
                self.held += 1;
                println!("  ok    {claim}\n        {seen}");
            }
            Ok(Ok(Err(error))) => self.broke(claim, &error.to_string()),
            Ok(Err(_)) => self.broke(claim, "a fixture panicked, see above"),
            Err(_) => self.broke(claim, &format!("not done after {CHECK_LIMIT:?}")),
        }
    }

    fn broke(&mut self, claim: &str, why: &str) {
        println!("  FAIL  {claim}\n        {why}");
        self.broken.push(claim.to_owned());
    }

    /// The last line: an error when a claim does not hold.
    pub(super) fn judge(self) -> Outcome {
        let all = self.held + self.broken.len();
        if self.broken.is_empty() {
            println!("\nall {all} claims hold");
            return Ok(());
        }
        Err(format!("{} of {all} claims do not hold:\n  {}", self.broken.len(), self.broken.join("\n  ")).into())
    }
}

/// Turns a condition into an outcome: what was seen is said either way.
pub(super) fn hold(condition: bool, seen: impl Into<String>) -> Outcome<String> {
    let seen = seen.into();
    if condition { Ok(seen) } else { Err(seen.into()) }
}
