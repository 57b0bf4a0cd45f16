//! [`Record`]: the figure in the repository, `xtask/instructions.json`, and what is allowed beside it.

use std::{fs, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::Counts;
use crate::{Outcome, workspace};

/// More instructions than this part of those recorded, in percent, are a regression. Other machines have other versions of
/// `memcpy`, which is some of it.
const GROWTH_LIMIT_PERCENT: u64 = 5;

/// Instructions of one request: HTTP/1.1, clear.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    per_request: u64,
    by_area: Counts,
}

impl Record {
    pub(super) fn of(by_area: Counts) -> Self {
        Self { per_request: by_area.values().sum(), by_area }
    }

    /// What is recorded.
    pub(super) fn read() -> Outcome<Self> {
        let path = path();
        let text =
            fs::read_to_string(&path).map_err(|error| format!("{}: {error}; --record writes it", path.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// Records it from now on.
    pub(super) fn write(&self) -> Outcome {
        fs::write(path(), serde_json::to_string_pretty(self)? + "\n")?;
        println!("recorded: {} instructions per request", self.per_request);
        Ok(())
    }

    /// An error when it takes more than what was recorded allows.
    pub(super) fn judge(&self, recorded: &Self) -> Outcome {
        let (now, then) = (self.per_request, recorded.per_request);
        if now * 100 > then * (100 + GROWTH_LIMIT_PERCENT) {
            let limit = GROWTH_LIMIT_PERCENT;
            return Err(
                format!("{now} instructions per request are more than {limit}% above the {then} recorded").into()
            );
        }
        println!("{now} instructions per request, {then} recorded");
        if now * (100 + GROWTH_LIMIT_PERCENT) < then * 100 {
            println!("it has become cheaper: --record keeps it so");
        }
        Ok(())
    }
}

fn path() -> PathBuf {
    workspace::root().join("xtask/instructions.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_twentieth_more_passes_and_no_more() {
        let of = |per_request| Record { per_request, by_area: Counts::new() };
        let check = |now, passes| assert_eq!(of(now).judge(&of(40_000)).is_ok(), passes, "{now}");
        check(0, true);
        check(40_000, true);
        check(42_000, true);
        check(42_001, false);
    }

    #[test]
    fn what_is_recorded_adds_up() {
        let recorded = Record::read().unwrap();
        assert_eq!(recorded.per_request, recorded.by_area.values().sum::<u64>());
    }
}
