//! `cargo xtask bench neighbours`: fifty tenants, one of them attacked, and what the others notice: errors, and the slowest
//! of a hundred answers beside a quiet round just before. It also says what the counting costs per request.
//!
//! The gateway has core 0, everything else core 1; attackers give way to the visitors there, so that what is measured is
//! the gateway. It fails when a visitor of a neighbour saw an error; latency is judged only where quiet rounds agree.

mod attack;
mod entrance;
mod house;
mod report;
mod tunnels;
mod visitors;

use std::path::PathBuf;

use clap::Args;

use self::{
    attack::Attack,
    house::House,
    report::{Cost, Report},
};
use super::{LOAD_CORE, chosen, peers::peer::Peer, pin, raise_open_files, release_build};
use crate::{
    Outcome,
    packages::{Package, install_missing},
};

const NEEDED: &[Package] = &[
    Package { name: "nghttp2-client", programs: &["h2load"] },
    Package { name: "util-linux", programs: &["taskset"] },
];

/// How much of it.
#[derive(Args)]
pub(crate) struct NeighboursArgs {
    /// One short round of each attack: about two minutes (the release build comes on top).
    #[arg(long)]
    quick: bool,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
    /// Only these attacks.
    #[arg(long, value_enum, num_args = 1..)]
    attack: Vec<Attack>,
    /// The same at these as well: nginx, haproxy.
    #[arg(long, value_enum, num_args = 1..)]
    beside: Vec<Peer>,
    /// Measure this binary instead of a release build.
    #[arg(long)]
    binary: Option<PathBuf>,
    /// How long one round lasts [default: 8, quick: 4].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=600))]
    seconds: Option<u32>,
    /// How often each attack is repeated; the median counts [default: 3, quick: 1].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
}

/// Measures, prints, judges.
pub(super) fn run(args: &NeighboursArgs) -> Outcome {
    if std::thread::available_parallelism()?.get() < 2 {
        return Err("the gateway needs a core and the load another: this machine has one".into());
    }
    install_missing("the bench needs", NEEDED)?;
    let peers = args.beside.iter().copied().filter(|peer| *peer != Peer::Vestibule);
    let peers: Vec<_> = std::iter::once(Peer::Vestibule).chain(peers).collect();
    for peer in &peers {
        install_missing("the bench needs", &peer.packages())?;
    }
    let binary = args.binary.clone().map_or_else(release_build, Ok)?;
    pin(std::process::id(), LOAD_CORE)?;
    let (seconds, rounds) = if args.quick { (4, 1) } else { (8, 3) };
    let (seconds, rounds) = (args.seconds.unwrap_or(seconds), args.rounds.unwrap_or(rounds));
    let attacks = chosen(&args.attack);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    raise_open_files();
    let report = runtime.block_on(measure(binary, &peers, &attacks, (seconds, rounds)))?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    report.judge()
}

/// Every peer is visited for itself: what an attack leaves behind is its own.
async fn measure(
    binary: PathBuf,
    peers: &[Peer],
    attacks: &[Attack],
    (seconds, rounds): (u32, u32),
) -> Outcome<Report> {
    let mut report = Report::new(house::is_root());
    for peer in peers {
        let mut house = House::start(binary.clone(), *peer).await?;
        for round in 1..=rounds {
            for attack in attacks {
                eprintln!("==> {}, round {round}: {}", peer.name(), attack.title());
                let quiet = visitors::visit(&house, seconds).await;
                let under_way = attack.start(&house, seconds).await;
                let attacked = visitors::visit(&house, seconds).await;
                drop(under_way);
                report.add(*attack, *peer, quiet, attacked);
            }
        }
        for _ in 0..if *peer == Peer::Vestibule { rounds } else { 0 } {
            let costs = (house.cost(house::OPERATOR, seconds).await?, house.cost(house::RICH, seconds).await?);
            report.cost.push(Cost { operator_us: costs.0, tenant_us: costs.1 });
        }
    }
    Ok(report)
}
