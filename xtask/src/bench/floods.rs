//! `cargo xtask bench floods`: the same bounded attacks on the gateway, nginx and HAProxy, and what each costs the proxy:
//! processor time, memory, requests that its backend got, and what another client notices.
//!
//! Every attack gets a fresh instance, with the limits that its package ships, on core 0; everything else has core 1, where
//! the attacker gives way to the origin and the other client. It fails when the gateway lets too much through, grows too
//! much, or the other client sees an error; the figures of the peers are for reading.

mod attack;
mod cell;
mod report;

use std::path::{Path, PathBuf};

use clap::{Args, builder::PossibleValuesParser};

use self::{
    attack::{Attack, Crowd},
    report::{Report, Row},
};
use super::{LOAD_CORE, chosen, peers::peer::Peer, pin, raise_open_files, release_build};
use crate::{
    Outcome,
    packages::{Package, install_missing},
};

const NEEDED: &[Package] = &[
    Package { name: "nginx-light", programs: &["nginx"] },
    Package { name: "haproxy", programs: &["haproxy"] },
    Package { name: "util-linux", programs: &["taskset", "setpriv"] },
];

/// How much of it.
#[derive(Args)]
pub(crate) struct FloodsArgs {
    /// Smaller bounds: within three minutes (the release build comes on top).
    #[arg(long)]
    quick: bool,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
    /// Only these proxies [default: vestibule nginx haproxy].
    #[arg(long, value_enum, num_args = 1..)]
    only: Vec<Peer>,
    /// Only these attacks.
    #[arg(long, num_args = 1.., value_parser = PossibleValuesParser::new(attack::words()))]
    flood: Vec<String>,
    /// Measure this binary instead of a release build.
    #[arg(long)]
    binary: Option<PathBuf>,
}

/// Measures, prints, judges.
pub(super) fn run(args: &FloodsArgs) -> Outcome {
    if std::thread::available_parallelism()?.get() < 2 {
        return Err("the proxy needs a core and the attacker another: this machine has one".into());
    }
    install_missing("the bench needs", NEEDED)?;
    let binary = args.binary.clone().map_or_else(release_build, Ok)?;
    pin(std::process::id(), LOAD_CORE)?;
    raise_open_files();
    let mut peers = chosen(&args.only);
    if args.only.is_empty() {
        peers.retain(|peer| matches!(peer, Peer::Vestibule | Peer::Nginx | Peer::Haproxy));
    }
    let attacks: Vec<_> = Attack::all()
        .filter(|attack| args.flood.is_empty() || args.flood.iter().any(|word| word == attack.word()))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(measure(args, &binary, &peers, &attacks));
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        println!("{report}");
    }
    report.judge()
}

async fn measure(args: &FloodsArgs, binary: &Path, peers: &[Peer], attacks: &[Attack]) -> Report {
    let scale = if args.quick { attack::QUICK } else { attack::FULL };
    let mut report = Report::default();
    for attack in attacks {
        eprintln!("==> {}", attack.word());
        for crowd in Crowd::of(*attack) {
            for peer in peers {
                let cell = cell::measure(binary, *peer, *attack, crowd, &scale).await;
                if let Err(reason) = &cell {
                    eprintln!("    {}: {reason}", peer.name());
                }
                report.rows.push(Row::new(*attack, crowd, *peer, cell));
            }
        }
    }
    report
}
