//! `cargo xtask bench`: measures the release build, and fails when a promise of the README is broken.

mod neighbours;
mod peers;
mod report;
mod swap;

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::{Outcome, step::succeed, workspace};

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Edits site files under a steady load: how soon an edit is live, and whether anything was dropped.
    Swap(SwapArgs),
    /// Gives nginx, HAProxy, Caddy and Apache the same job, one after the other, and prints what it costs each.
    Peers(peers::PeersArgs),
    /// Attacks one of fifty tenants, and looks at what the others notice.
    Neighbours(neighbours::NeighboursArgs),
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
pub(crate) fn run(bench: &Bench) -> Outcome {
    match bench {
        Bench::Swap(args) => run_swap(args),
        Bench::Peers(args) => peers::run(args),
        Bench::Neighbours(args) => neighbours::run(args),
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
