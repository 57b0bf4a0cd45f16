//! `cargo xtask kestrel`: the case the project starts from. A real ASP.NET Core application on Kestrel, twice, beside
//! two other servers on one port, behind the gateway, with a real browser in front; a table of claims is held
//! against it (see `docs/kestrel.md`).
//!
//! Everything started here ends with it. Nothing outside cargo's target folder and temporary folders is written, but
//! for the packages that root installs.

mod browser;
mod checks;
mod dashboard;
mod inside;
mod package;
mod report;
mod stage;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use self::{report::Report, stage::Stage};
use crate::{
    Outcome,
    packages::{self, Package},
    step::{step, succeed},
    workspace,
};

/// Against which build.
#[derive(Args)]
pub(crate) struct KestrelArgs {
    /// The build of the gateway.
    #[arg(long, value_enum, default_value_t = Build::Dev)]
    build: Build,
}

#[derive(Clone, Copy, ValueEnum)]
enum Build {
    /// Soon there.
    Dev,
    /// As shipped.
    Release,
}

const NEEDED: &[Package] = &[
    Package { name: "chromium", programs: &["chromium"] },
    Package { name: "libnss3-tools", programs: &["certutil"] },
    Package { name: "npm", programs: &["npm"] },
    Package { name: "python3", programs: &["python3"] },
    Package { name: "curl", programs: &["curl"] },
];

/// Prepares, then holds the claims.
pub(crate) fn run(args: &KestrelArgs) -> Outcome {
    packages::install_missing("the Kestrel case needs", NEEDED)?;
    let program = package::ensure()?;
    let (profile, folder) = match args.build {
        Build::Dev => ("dev", "debug"),
        Build::Release => ("release", "release"),
    };
    step("build", || {
        succeed(&mut workspace::cargo(&[
            "build",
            "--quiet",
            "--locked",
            "--profile",
            profile,
            "--package",
            "vestibule",
        ]))
    })?;
    let target = workspace::target_dir()?;
    let binary = target.join(folder).join("vestibule");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let pictures = target.join("kestrel");
    runtime.block_on(async {
        tokio::select! {
            outcome = hold_all(binary, &program, &pictures) => outcome,
            // Everything that was started ends here, in order.
            _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
        }
    })
}

/// Starts everything and holds the claims.
async fn hold_all(binary: PathBuf, program: &Path, pictures: &Path) -> Outcome {
    let stage = Stage::start(binary, program).await?;
    let mut report = Report::default();
    checks::page::run(&mut report, &stage, pictures).await;
    checks::view::run(&mut report, &stage).await;
    checks::spoof::run(&mut report, &stage).await;
    checks::neighbours::run(&mut report, &stage).await;
    checks::streams::run(&mut report, &stage).await;
    report.judge()
}
