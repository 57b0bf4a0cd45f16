//! `cargo xtask bench`: measures the release build, and fails when a promise of the README is broken.

mod floods;
mod instructions;
mod neighbours;
mod peers;
mod report;
mod scale;
mod swap;
mod visitors;

use std::{
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{Command, Stdio},
};

use clap::{Args, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{Outcome, step::succeed, workspace};

/// The core of what is measured.
const PROXY_CORE: &str = "0";
/// The core of load generators, visitors, attackers, backends and ourselves.
const LOAD_CORE: &str = "1";

/// What to measure: without a name, all workloads beside the peers.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    named: Option<Bench>,
    #[command(flatten)]
    peers: peers::PeersArgs,
}

/// What to measure.
#[derive(Subcommand)]
enum Bench {
    /// Edits site files under a steady load: how soon an edit is live, and whether anything was dropped.
    Swap(SwapArgs),
    /// Many sites with a certificate each: starts, memory per site, and how soon a change is live.
    Scale(scale::ScaleArgs),
    /// Gives nginx, HAProxy, Caddy and Apache the same job, one after the other, and prints what it costs each.
    Peers(peers::PeersArgs),
    /// Attacks one of fifty tenants, and looks at what the others notice.
    Neighbours(neighbours::NeighboursArgs),
    /// Counts the instructions of a request under callgrind, and holds them against the recorded figure.
    Instructions(instructions::InstructionsArgs),
    /// Loads a build that counts, for `cargo xtask dist`.
    #[command(hide = true)]
    Train(peers::TrainArgs),
    /// Floods the gateway, nginx and HAProxy in the ways that have brought gateways down, and prints what each costs.
    Floods(floods::FloodsArgs),
}

/// How much of it.
#[derive(Args)]
pub(crate) struct SwapArgs {
    /// Site files in the folder.
    #[arg(long, default_value_t = 10_000)]
    sites: usize,
    /// Successive edits.
    #[arg(long, default_value_t = 1_000)]
    edits: usize,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs it on a release build.
pub(crate) fn run(args: &BenchArgs) -> Outcome {
    match &args.named {
        None => peers::run(&args.peers),
        Some(Bench::Swap(args)) => run_swap(args),
        Some(Bench::Scale(args)) => scale::run(args),
        Some(Bench::Peers(args)) => peers::run(args),
        Some(Bench::Neighbours(args)) => neighbours::run(args),
        Some(Bench::Instructions(args)) => instructions::run(args),
        Some(Bench::Train(args)) => peers::train(args),
        Some(Bench::Floods(args)) => floods::run(args),
    }
}

fn run_swap(args: &SwapArgs) -> Outcome {
    let binary = release_build()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(swap::run(binary, args.sites, args.edits))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    report.judge()
}

/// Builds the gateway as it ships, and says where it is.
fn release_build() -> Outcome<PathBuf> {
    succeed(&mut workspace::cargo(&["build", "--quiet", "--locked", "--release", "--package", "vestibule"]))?;
    Ok(workspace::target_dir()?.join("release/vestibule"))
}

/// Our own clients must not be what is measured: a build without optimisation becomes one with.
fn optimised() -> Outcome {
    if !cfg!(debug_assertions) {
        return Ok(());
    }
    succeed(&mut workspace::cargo(&["build", "--quiet", "--locked", "--profile", "tools", "--package", "xtask"]))?;
    let binary = workspace::target_dir()?.join("tools/xtask");
    let error = Command::new(binary).args(std::env::args_os().skip(1)).exec();
    Err(format!("cannot become an optimised build: {error}").into())
}

/// All threads of a process, and what they start.
fn pin(pid: u32, core: &str) -> Outcome {
    let mut taskset = Command::new("taskset");
    taskset.args(["--all-tasks", "--pid", "--cpu-list", core]).arg(pid.to_string());
    succeed(taskset.stdout(Stdio::null()))
}

/// Many connections are more than the usual soft limit; children inherit it as well.
fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
        eprintln!("the limit of open files stays as it is");
    }
}

/// Those named, or all; each once, in the order of declaration.
fn chosen<T: clap::ValueEnum + PartialEq>(named: &[T]) -> Vec<T> {
    let all = T::value_variants().iter();
    all.filter(|value| named.is_empty() || named.contains(value)).cloned().collect()
}
