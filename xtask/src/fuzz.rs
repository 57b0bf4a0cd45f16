//! `cargo xtask fuzz`: the targets of `tests/fuzz` under libFuzzer, one after the other. A crash, a hang and growth are
//! failures, and each leaves the input that made it.
//!
//! Not here: what is tried and what must hold (`tests/fuzz`), and the replay of the corpora, which needs no fuzzer and is
//! part of `cargo xtask test`.

mod engine;
mod turn;

use std::{fs, path::PathBuf, time::Duration};

use clap::Args;

use self::{engine::Engine, turn::Turn};
use crate::{Outcome, workspace};

/// What to try, and for how long.
#[derive(Args)]
pub(crate) struct FuzzArgs {
    /// How long, in seconds: of all targets together, shared equally.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Only this one; may come several times.
    #[arg(long = "target")]
    targets: Vec<String>,
    /// Adds what was found and reaches something new to the corpora in the tree.
    #[arg(long)]
    merge: bool,
}

/// Runs the targets; the first failure does not keep the others from their turn.
pub(crate) fn run(args: &FuzzArgs) -> Outcome {
    let targets = chosen(args)?;
    let engine = Engine::ready()?;
    let count = u64::try_from(targets.len())?;
    let share = Duration::from_secs((args.seconds / count).max(1));
    println!("{count} targets, {} s each; logs and what is found lie in {}", share.as_secs(), engine.root().display());
    println!("{}", turn::HEAD);
    let mut failures = Vec::new();
    for target in &targets {
        let turn = Turn::new(&engine, target)?;
        let (row, failure) = turn.run(share)?;
        println!("{row}");
        failures.extend(failure);
    }
    if args.merge {
        for target in &targets {
            let added = Turn::new(&engine, target)?.merge()?;
            println!("{target}: {added} inputs added to its corpus");
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    failures.iter().for_each(|failure| eprintln!("{failure}"));
    Err(format!("{} of {count} targets failed", failures.len()).into())
}

/// Every folder of the corpora is a target; a test holds that the reverse is true.
fn chosen(args: &FuzzArgs) -> Outcome<Vec<String>> {
    let mut known = Vec::new();
    for entry in fs::read_dir(corpora())? {
        known.push(entry?.file_name().to_string_lossy().into_owned());
    }
    known.sort();
    if let Some(unknown) = args.targets.iter().find(|target| !known.contains(target)) {
        return Err(format!("there is no target `{unknown}`: write one of {}", known.join(", ")).into());
    }
    Ok(if args.targets.is_empty() { known } else { args.targets.clone() })
}

/// In the tree.
fn corpora() -> PathBuf {
    workspace::root().join("tests/fuzz/corpus")
}
