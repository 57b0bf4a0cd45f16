//! The loads as a training for a build that counts: all that boxes see often, none of it measured.

use std::path::PathBuf;

use clap::Args;

use super::{check, config::Terms, load, load::Dose, peer::Peer, stage::Stage, workload::Workload};
use crate::{
    Outcome,
    bench::{LOAD_CORE, optimised, pin, raise_open_files},
    packages::install_missing,
};

/// What the build is trained with, with as much on as such a load has on a box.
const LESSONS: &[(Workload, Terms)] = &[
    (Workload::H1, Terms::Load),
    (Workload::H1, Terms::Everything),
    (Workload::H2, Terms::Load),
    (Workload::H2, Terms::Everything),
    (Workload::Medium, Terms::Load),
    (Workload::Large, Terms::Load),
    (Workload::Upload, Terms::Load),
    (Workload::UploadChunked, Terms::Load),
    (Workload::Handshake, Terms::Everything),
    (Workload::HandshakeResumed, Terms::Load),
    (Workload::Websocket, Terms::Load),
    (Workload::Errors, Terms::Load),
];

/// Who is trained, and how long.
#[derive(Args)]
pub(crate) struct TrainArgs {
    /// A build that counts.
    #[arg(long)]
    binary: PathBuf,
    /// How long one load lasts.
    #[arg(long)]
    seconds: u32,
}

/// Gives every lesson. The build writes its counts when it ends in good order, so it must.
pub(crate) fn run(args: &TrainArgs) -> Outcome {
    optimised()?;
    install_missing("the training needs", super::NEEDED)?;
    let binary = args.binary.canonicalize()?;
    pin(std::process::id(), LOAD_CORE)?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stage = Stage::start(binary, Vec::new()).await?;
        for (workload, terms) in LESSONS {
            eprintln!("==> {}: {}", workload.name(), workload.title());
            let mut running = check::start(Peer::Vestibule, &stage, *workload, *terms).await?;
            let dose = Dose { seconds: args.seconds, even: 0.0 };
            load::measure(&stage, &mut running, *workload, dose).await?;
            running.end().await?;
        }
        Ok(())
    })
}
