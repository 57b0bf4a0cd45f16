//! `cargo xtask bench peers`: the same job for every proxy, and what it costs each.
//!
//! The walk: install, build, pin; then every workload, every round, every peer, in that order, so that a noisy minute
//! hits all of them. It judges nothing: figures of a shared machine are for reading, not for failing a build.

mod cell;
pub(super) mod config;
mod h2load;
mod idle;
mod load;
pub(super) mod peer;
pub(super) mod proc;
pub(super) mod stage;
mod table;
mod workload;
mod wrk;

use std::{collections::BTreeMap, path::PathBuf};

use clap::Args;

use self::{
    cell::{Cell, Sample},
    peer::{Peer, Running},
    stage::Stage,
    table::{Results, Row},
    workload::Workload,
};
use super::{LOAD_CORE, chosen, pin, raise_open_files, release_build};
use crate::{
    Outcome,
    packages::{Package, install_missing},
};

/// Without these nothing can be measured.
const NEEDED: &[Package] = &[
    Package { name: "nginx-light", programs: &["nginx"] },
    Package { name: "wrk", programs: &["wrk"] },
    Package { name: "nghttp2-client", programs: &["h2load"] },
    Package { name: "util-linux", programs: &["taskset", "setpriv"] },
];

/// How much of it.
#[derive(Args)]
pub(crate) struct PeersArgs {
    /// All of it within five minutes (the release build comes on top): short runs, few rounds.
    #[arg(long)]
    quick: bool,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
    /// Only these proxies.
    #[arg(long, value_enum, num_args = 1..)]
    only: Vec<Peer>,
    /// Only these workloads.
    #[arg(long, value_enum, num_args = 1..)]
    workload: Vec<Workload>,
    /// How long one load lasts [default: 10, quick: 3].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// How often each load is repeated; the median counts [default: 5, quick: 2].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
}

/// What is measured, and how long.
struct Plan {
    peers: Vec<Peer>,
    workloads: Vec<Workload>,
    seconds: u32,
    rounds: u32,
}

impl Plan {
    fn of(args: &PeersArgs) -> Self {
        let (seconds, rounds) = if args.quick { (3, 2) } else { (10, 5) };
        Self {
            peers: chosen(&args.only),
            workloads: chosen(&args.workload),
            seconds: args.seconds.unwrap_or(seconds),
            rounds: args.rounds.unwrap_or(rounds),
        }
    }
}

/// Measures and prints.
pub(super) fn run(args: &PeersArgs) -> Outcome {
    if std::thread::available_parallelism()?.get() < 2 {
        return Err("the proxy needs a core and the load another: this machine has one".into());
    }
    let plan = Plan::of(args);
    install_missing("the bench needs", NEEDED)?;
    for peer in &plan.peers {
        if let Err(error) = install_missing("the bench needs", &peer.packages()) {
            eprintln!("{}: {error}", peer.name());
        }
    }
    let binary = release_build()?;
    // Only now: the build may use every core. What we start from here inherits it.
    pin(std::process::id(), LOAD_CORE)?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let results = runtime.block_on(measure(&plan, binary))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        println!("{results}");
    }
    Ok(())
}

async fn measure(plan: &Plan, binary: PathBuf) -> Outcome<Results> {
    let stage = Stage::start(binary).await?;
    let mut running = BTreeMap::new();
    for peer in &plan.peers {
        let started = peer.start(&stage).await;
        if let Err(reason) = &started {
            eprintln!("{}: {reason}", peer.name());
        }
        running.insert(*peer, started);
    }
    let mut results = Results::new(plan.seconds, plan.rounds);
    for (peer, started) in &running {
        results.name(*peer, started.as_ref().map_or("", |running| running.version.as_str()));
    }
    for workload in &plan.workloads {
        eprintln!("==> {}", workload.title());
        let mut cells: BTreeMap<Peer, Cell> = BTreeMap::new();
        for round in 0..workload.rounds(plan.rounds) {
            for (peer, started) in &mut running {
                let sample = sample(&stage, *peer, started, *workload, plan.seconds).await;
                if let (Ok(_), Err(reason)) = (&started, &sample) {
                    eprintln!("    round {}: {}: {reason}", round + 1, peer.name());
                }
                cells.entry(*peer).or_default().add(sample);
            }
        }
        results.rows.push(Row::new(*workload, cells));
    }
    Ok(results)
}

/// One load on one peer. Idle connections are counted on a fresh instance: one that has served holds freed memory, in
/// which a thousand connections would hide.
async fn sample(
    stage: &Stage,
    peer: Peer,
    started: &mut Result<Running, String>,
    workload: Workload,
    seconds: u32,
) -> Result<Sample, String> {
    let running = started.as_mut().map_err(|reason| reason.clone())?;
    if workload == Workload::Idle {
        let mut fresh = peer.start(stage).await?;
        return idle::measure(stage, &mut fresh).await;
    }
    load::measure(stage, running, workload, seconds).await
}
