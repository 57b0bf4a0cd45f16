//! `cargo xtask ci`: everything a change must pass, the quick steps first. The first failure ends it.

use std::time::Instant;

use crate::{
    Outcome, arrows, licences, scan,
    step::{seconds, step, succeed},
    suite, workspace,
};

/// Runs every step.
pub(crate) fn run() -> Outcome {
    let start = Instant::now();
    step("format", || succeed(&mut workspace::cargo(&["fmt", "--all", "--check"])))?;
    step("arrows", arrows::run)?;
    step("licences", licences::run)?;
    step("duplicates", licences::run_duplicates)?;
    step("lints", lints)?;
    step("tests", || suite::run(&suite::TestArgs::default()))?;
    scan::run()?;
    step("docs", docs)?;
    println!("==> all steps passed in {}", seconds(start.elapsed()));
    Ok(())
}

fn lints() -> Outcome {
    succeed(&mut workspace::cargo(&["clippy", "--locked", "--workspace", "--all-targets", "--", "--deny", "warnings"]))
}

fn docs() -> Outcome {
    succeed(workspace::cargo(&["doc", "--locked", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings"))
}
