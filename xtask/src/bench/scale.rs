//! `cargo xtask bench scale`: many sites with a certificate each, as a box after a year would have them. How long a start
//! takes until all are served, what a site costs in memory, cold and visited, and how soon a change is live.
//!
//! The walk of one size: lay out files and certificates, start, prove, start again, prove, visit, change, edit for long.
//! It judges nothing but answers: figures of a shared machine are for reading.

mod beside;
mod changes;
mod estate;
mod measure;
mod report;

use clap::Args;

use self::{measure::Plan, report::Results};
use super::{peers::peer::Peer, raise_open_files, release_build};
use crate::{Outcome, packages::install_missing};

/// How much of it.
#[derive(Args)]
pub(crate) struct ScaleArgs {
    /// Sites, each with a certificate of its own [default: 1000 10000 100000, quick: 1000 10000].
    #[arg(long, num_args = 1.., value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    sites: Vec<u32>,
    /// Within five minutes (the release build comes on top).
    #[arg(long)]
    quick: bool,
    /// Starts, memory and added sites behind these as well: nginx, haproxy, caddy.
    #[arg(long, value_enum, num_args = 1..)]
    beside: Vec<Peer>,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
    /// Another binary than the release build of this tree, to compare with.
    #[arg(long)]
    binary: Option<std::path::PathBuf>,
}

/// Measures and prints.
pub(super) fn run(args: &ScaleArgs) -> Outcome {
    for peer in &args.beside {
        beside::words(*peer)?; // better now than after the first size
        install_missing("the bench needs", &peer.packages())?;
    }
    let binary = args.binary.clone().map_or_else(release_build, Ok)?;
    raise_open_files();
    let sites = match (&*args.sites, args.quick) {
        ([], true) => vec![1_000, 10_000],
        ([], false) => vec![1_000, 10_000, 100_000],
        (sites, _) => sites.to_vec(),
    };
    let plan = if args.quick { Plan::QUICK } else { Plan::WHOLE };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let results = runtime.block_on(async {
        let empty_kib = measure::empty(&binary).await;
        let mut sizes = Vec::new();
        for sites in sites {
            eprintln!("{sites} sites: laying out files and certificates");
            let mut size = measure::size(&binary, sites, empty_kib, &plan).await?;
            for peer in &args.beside {
                size.beside.push(beside::measure(*peer, sites, plan.reloads).await?);
            }
            sizes.push(size);
        }
        Outcome::Ok(Results { empty_kib, sizes })
    })?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
    } else {
        println!("{results}");
    }
    Ok(())
}
