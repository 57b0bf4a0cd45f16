//! [`Turn`]: one target, for its share of the time. libFuzzer's own words go into a log; a row of a table is made of them.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::{corpora, engine::Engine};
use crate::{Outcome, step::succeed};

/// Of one input, bytes: longer ones reach nothing that shorter ones do not, and cost more.
const LENGTH_LIMIT: &str = "4096";
/// For one input, seconds. They take microseconds: one that takes this long is a hang.
const TIMEOUT: &str = "10";
/// Of the whole process, MiB. Its own corpus takes a fraction of it: what grows beyond has no bound.
const MEMORY_LIMIT: &str = "768";

/// Over the rows.
pub(super) const HEAD: &str = "target           executions    per second   coverage   corpus   peak RSS\n\
     ---------------------------------------------------------------------------";

/// See the module.
pub(super) struct Turn {
    target: String,
    program: PathBuf,
    /// What is found.
    found: PathBuf,
    /// In the tree: read, and written only by a merge.
    kept: PathBuf,
    /// What fails.
    artefacts: PathBuf,
    log: PathBuf,
}

impl Turn {
    pub(super) fn new(engine: &Engine, target: &str) -> Outcome<Self> {
        let folder = |kind: &str| engine.root().join(kind).join(target);
        let turn = Self {
            target: target.to_owned(),
            program: engine.program(target),
            found: folder("corpus"),
            kept: corpora().join(target),
            artefacts: folder("artefacts"),
            log: folder("logs").with_extension("log"),
        };
        for folder in [&turn.found, &turn.artefacts, &turn.log.with_file_name("")] {
            fs::create_dir_all(folder)?;
        }
        Ok(turn)
    }

    /// A row of the table, and what to tell of a failure.
    pub(super) fn run(&self, time: Duration) -> Outcome<(String, Option<String>)> {
        let mut command = self.command();
        command.arg(format!("-max_total_time={}", time.as_secs())).args([&self.found, &self.kept]);
        let status = command.status().map_err(|error| format!("cannot start `{}`: {error}", self.program.display()))?;
        let said = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
        let failure = (!status.success()).then(|| self.failure(&said));
        Ok((Figures::read(&said).row(&self.target), failure))
    }

    /// How many inputs were added to the corpus in the tree: each reaches code that the others do not. How often they
    /// reach it does not count: that is worth thousands of files to a fuzzer, and little to a replay.
    pub(super) fn merge(&self) -> Outcome<usize> {
        let before = fs::read_dir(&self.kept)?.count();
        succeed(self.command().args(["-set_cover_merge=1", "-use_counters=0"]).args([&self.kept, &self.found]))?;
        Ok(fs::read_dir(&self.kept)?.count() - before)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args([
            format!("-max_len={LENGTH_LIMIT}"),
            format!("-timeout={TIMEOUT}"),
            format!("-rss_limit_mb={MEMORY_LIMIT}"),
            format!("-artifact_prefix={}/", self.artefacts.display()),
            "-print_final_stats=1".to_owned(),
        ]);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        // Without a log a run goes on; there are only no figures of it.
        command.stderr(File::create(&self.log).map_or_else(|_| Stdio::null(), Stdio::from));
        command
    }

    fn failure(&self, said: &str) -> String {
        let target = &self.target;
        let reason = said.lines().find(|line| line.contains("panicked at") || line.contains("ERROR: libFuzzer"));
        let input = said.lines().find_map(|line| line.split_once("Test unit written to ")).map(|(_, path)| path.trim());
        let reason = reason.unwrap_or("it ended without a word");
        let Some(input) = input else { return format!("{target}: {reason}; see {}", self.log.display()) };
        let name = Path::new(input).file_name().unwrap_or_default().to_string_lossy();
        let program = self.program.display();
        format!(
            "{target}: {reason}\n    again:  {program} {input}\n    as a case that every test run tries:  \
             cp {input} tests/fuzz/corpus/{target}/{name} && cargo test --package vestibule-fuzz"
        )
    }
}

/// What libFuzzer says at the end.
#[derive(Debug, Default, PartialEq, Eq)]
struct Figures {
    executions: u64,
    per_second: u64,
    coverage: u64,
    corpus: u64,
    peak_mib: u64,
}

impl Figures {
    fn read(said: &str) -> Self {
        let mut figures = Self::default();
        for line in said.lines() {
            let mut words = line.split_whitespace().peekable();
            while let (Some(word), Some(next)) = (words.next(), words.peek()) {
                let number = next.split('/').next().unwrap_or_default().parse();
                let Ok(number) = number else { continue };
                match word {
                    "cov:" => figures.coverage = number,
                    "corp:" => figures.corpus = number,
                    "stat::number_of_executed_units:" => figures.executions = number,
                    "stat::average_exec_per_sec:" => figures.per_second = number,
                    "stat::peak_rss_mb:" => figures.peak_mib = number,
                    _ => {}
                }
            }
        }
        figures
    }

    fn row(&self, target: &str) -> String {
        let Self { executions, per_second, coverage, corpus, peak_mib } = self;
        format!("{target:<15} {executions:>11} {per_second:>13} {coverage:>10} {corpus:>8} {peak_mib:>6} MiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_figures_are_those_of_the_run() {
        let said = "INFO: seed corpus: files: 42 min: 1b max: 4096b total: 1000b rss: 39Mb\n\
                    #43\tINITED cov: 310 ft: 900 corp: 40/3Kb exec/s: 0 rss: 45Mb\n\
                    #9000\tNEW    cov: 512 ft: 1501 corp: 77/9001b lim: 110 exec/s: 4500 rss: 60Mb L: 5/9 MS: 1 X-\n\
                    stat::number_of_executed_units: 9001\n\
                    stat::average_exec_per_sec:     4500\n\
                    stat::peak_rss_mb:              61\n";
        let figures = Figures { executions: 9001, per_second: 4500, coverage: 512, corpus: 77, peak_mib: 61 };
        assert_eq!(Figures::read(said), figures);
        assert_eq!(Figures::read("no word of it"), Figures::default());
        assert_eq!(HEAD.lines().next().map(str::len), Some(figures.row("names").len()));
    }
}
