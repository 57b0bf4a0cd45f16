//! `cargo xtask bench peers`: the same job for every proxy, and what it costs each.
//!
//! The walk: install, build, pin; then for every workload fresh instances of all, each seen to do the job, and every round,
//! every peer, in that order, so that a noisy minute hits all of them. With `--check` it fails when a goal is missed: of use
//! on a quiet machine, not in a build.

mod cell;
mod check;
pub(super) mod config;
mod figures;
mod goals;
mod h2load;
pub(super) mod hosts;
mod idle;
mod load;
mod metrics;
mod open;
pub(super) mod peer;
mod plot;
pub(super) mod proc;
mod sockets;
pub(super) mod stage;
mod table;
mod train;
mod workload;
mod wrk;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use clap::Args;
use tokio::time::timeout;

pub(super) use self::train::{TrainArgs, run as train};
use self::{
    cell::{Cell, Sample},
    config::{Job, Terms},
    goals::Goals,
    load::Dose,
    peer::{Peer, Running},
    stage::Stage,
    table::{Results, Row},
    workload::{Load, Workload},
};
use super::{LOAD_CORE, chosen, optimised, pin, raise_open_files, release_build};
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
    /// Only these proxies [default: all, quick: all but apache].
    #[arg(long, value_enum, num_args = 1..)]
    only: Vec<Peer>,
    /// Only these workloads.
    #[arg(long, value_enum, num_args = 1..)]
    workload: Vec<Workload>,
    /// Everything a second time with all on that a box has on: access log, metrics, limits of a tenant. Takes twice as long.
    #[arg(long)]
    everything: bool,
    /// Write an SVG for each workload into this folder.
    #[arg(long)]
    plots: Option<PathBuf>,
    /// Fail when a goal is missed.
    #[arg(long)]
    check: bool,
    /// Measure this binary instead of a release build.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// How long one load lasts [default: 6, quick: 2].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// How often each load is repeated; the median counts [default: 5, quick: 1].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
}

/// What a load may take beyond its time, whoever makes it: thousands of connections are opened before some.
const PATIENCE: Duration = Duration::from_secs(60);
/// Of what the slowest proxy reached.
const EVEN: f64 = 0.7;

/// What is measured, and how long.
struct Plan {
    peers: Vec<Peer>,
    workloads: Vec<Workload>,
    terms: Vec<Terms>,
    seconds: u32,
    rounds: u32,
}

impl Plan {
    fn of(args: &PeersArgs) -> Self {
        let (seconds, rounds) = if args.quick { (2, 1) } else { (6, 5) };
        let mut peers = chosen(&args.only);
        if args.quick && args.only.is_empty() {
            peers.retain(|peer| *peer != Peer::Apache);
        }
        let mut terms = vec![Terms::Load];
        terms.extend(args.everything.then_some(Terms::Everything));
        Self {
            peers,
            workloads: chosen(&args.workload),
            terms,
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
    optimised()?;
    let plan = Plan::of(args);
    install_missing("the bench needs", NEEDED)?;
    for peer in &plan.peers {
        if let Err(error) = install_missing("the bench needs", &peer.packages()) {
            eprintln!("{}: {error}", peer.name());
        }
    }
    let binary = args.binary.clone().map_or_else(release_build, Ok)?.canonicalize()?;
    // Only now: the build may use every core. What we start from here inherits it.
    pin(std::process::id(), LOAD_CORE)?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut results = runtime.block_on(measure(&plan, binary))?;
    results.goals = Goals::of(&results);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        println!("{results}");
    }
    if let Some(dir) = &args.plots {
        let plots = plot::write(&results, dir)?;
        eprintln!("{} plots in {}", plots.len(), dir.display());
    }
    if args.check { results.goals.check() } else { Ok(()) }
}

async fn measure(plan: &Plan, binary: PathBuf) -> Outcome<Results> {
    let many = plan.workloads.iter().any(|workload| workload.job() == Job::Hosts);
    let names = if many { hosts::names() } else { Vec::new() };
    let stage = Stage::start(binary, names).await?;
    let mut results = Results::new(plan.seconds, plan.rounds);
    for terms in &plan.terms {
        for workload in &plan.workloads {
            let even = match workload.load() {
                Load::Even { of, .. } => EVEN * slowest(&stage, plan, of, *terms, &mut results).await?,
                _ => 0.0,
            };
            let dose = Dose { seconds: plan.seconds, even };
            let rounds = workload.rounds(plan.rounds);
            let row = measure_row(&stage, plan, (*workload, *terms), dose, rounds, &mut results).await;
            results.rows.push(row);
        }
    }
    Ok(results)
}

/// Requests a second of the slowest under another workload: measured already, or now, once.
async fn slowest(stage: &Stage, plan: &Plan, workload: Workload, terms: Terms, results: &mut Results) -> Outcome<f64> {
    let known = results.row(workload, terms).map(Row::slowest);
    let slowest = match known {
        Some(slowest) => slowest,
        None => {
            let dose = Dose { seconds: plan.seconds.min(3), even: 0.0 };
            measure_row(stage, plan, (workload, terms), dose, 1, results).await.slowest()
        }
    };
    slowest.ok_or_else(|| format!("nobody did the job of {}", workload.name()).into())
}

/// Fresh instances of all, and every round of one workload.
async fn measure_row(
    stage: &Stage,
    plan: &Plan,
    (workload, terms): (Workload, Terms),
    dose: Dose,
    rounds: u32,
    results: &mut Results,
) -> Row {
    eprintln!("==> {}: {}", workload.name(), workload.title());
    let mut running = BTreeMap::new();
    for peer in &plan.peers {
        let started = check::start(*peer, stage, workload, terms).await;
        match &started {
            Ok(running) => results.name(*peer, &running.version),
            Err(reason) => eprintln!("    {}: {reason}", peer.name()),
        }
        running.insert(*peer, started);
    }
    let mut cells: BTreeMap<Peer, Cell> = BTreeMap::new();
    // Whoever begins a round pays for memory that nobody has touched for a while: each time another one.
    let mut order: Vec<Peer> = running.keys().copied().collect();
    for round in 1..=rounds {
        for peer in &order {
            let Some(started) = running.get_mut(peer) else { continue };
            let sample = sample(stage, started, (workload, terms), dose).await;
            if let (Ok(_), Err(reason)) = (&started, &sample) {
                eprintln!("    round {round}: {}: {reason}", peer.name());
            }
            cells.entry(*peer).or_default().add(sample);
        }
        order.rotate_left(1);
    }
    Row::new(workload, terms, cells)
}

/// One load on one peer. With everything on, it must have been written down.
async fn sample(
    stage: &Stage,
    started: &mut Result<Running, String>,
    (workload, terms): (Workload, Terms),
    dose: Dose,
) -> Result<Sample, String> {
    let running = started.as_mut().map_err(|reason| reason.clone())?;
    let everything = terms == Terms::Everything;
    let looking = everything.then(|| running.metrics.keep_looking());
    let bound = Duration::from_secs(dose.seconds.into()) + PATIENCE;
    let sample = timeout(bound, load::measure(stage, running, workload, dose)).await;
    let sample = sample.unwrap_or_else(|_| Err(format!("the load did not end within {bound:?}")));
    drop(looking);
    if everything && std::fs::metadata(&running.access_log).map_or(0, |log| log.len()) == 0 {
        return Err("wrote no access log".to_owned());
    }
    sample
}
