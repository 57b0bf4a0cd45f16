//! `cargo xtask soak`: the real binary for a while, with good, slow, broken and hostile clients, edits and crashing backends
//! at once; then, when all clients are gone, is anything left? Memory is compared at rest, after a first round and after the
//! last; descriptors, tasks and gauges with what they were before the first client.
//!
//! Every process that it starts ends with it; nothing outside temporary folders and cargo's target folder is written.
//! Choices are drawn from `--seed`; when they happen is up to the machine.

mod backend;
mod clients;
mod crashes;
mod edits;
mod gauges;
mod report;
mod rest;
mod rounds;
mod stage;
mod tally;
mod visitors;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};

pub(crate) use self::backend::BackendArgs;
use crate::{
    Outcome,
    packages::{Package, install_missing},
    step::{step, succeed},
    workspace,
};

/// How much of it.
#[derive(Args)]
pub(crate) struct SoakArgs {
    /// How long clients come, all rounds together.
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u64).range(10..=86_400))]
    seconds: u64,
    /// One minute.
    #[arg(long, conflicts_with = "seconds")]
    quick: bool,
    /// From which all choices are drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The build of the gateway.
    #[arg(long, value_enum, default_value_t = Build::Dev)]
    build: Build,
    /// Print what was seen as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Build {
    /// Soon there, and with debug assertions.
    Dev,
    /// As shipped.
    Release,
}

const NEEDED: &[Package] = &[Package { name: "util-linux", programs: &["setpriv"] }];

/// Builds, soaks, prints, judges.
pub(crate) fn run(args: &SoakArgs) -> Outcome {
    install_missing("the soak needs", NEEDED)?;
    let binary = build(args.build)?;
    let time = Duration::from_secs(if args.quick { 60 } else { args.seconds });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = rounds::run(binary, time, args.seed) => report,
            // Everything that was started ends here, in order.
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        }
    })?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    report.judge()
}

/// A backend of the soak, as a process of its own.
pub(crate) fn serve(args: &BackendArgs) -> Outcome {
    backend::serve(args)
}

fn build(build: Build) -> Outcome<PathBuf> {
    let (profile, folder) = match build {
        Build::Dev => ("dev", "debug"),
        Build::Release => ("release", "release"),
    };
    let cargo = ["build", "--quiet", "--locked", "--profile", profile, "--package", "vestibule"];
    step("build", || succeed(&mut workspace::cargo(&cargo)))?;
    Ok(workspace::target_dir()?.join(folder).join("vestibule"))
}
