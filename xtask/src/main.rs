//! `cargo xtask`: the one door to automation. Each subcommand is a file; nothing of it ships.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool for developers")]

mod arrows;
mod bench;
mod ci;
mod dist;
mod fuzz;
mod kestrel;
mod licences;
mod packages;
mod scan;
mod soak;
mod step;
mod suite;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What a subcommand gives; the text is for the person at the terminal.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// All automation of the workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything a change must pass: format, arrows, licences, duplicates, lints, tests, scan, docs.
    Ci,
    /// Installs the packages that tests need, builds, and runs every test.
    Test(suite::TestArgs),
    /// Holds the tables of ARCHITECTURE.md against the dependencies as they are.
    Arrows,
    /// Holds the licences of all dependencies against deny.toml.
    Licences,
    /// Holds crates that come in several versions against deny.toml.
    Duplicates,
    /// Measures the release build: without a name, the same job beside other proxies.
    Bench(Box<bench::BenchArgs>),
    /// Holds the case of `docs/kestrel.md`: an ASP.NET Core application behind the gateway, in a real browser.
    Kestrel(kestrel::KestrelArgs),
    /// Tries the readers of hostile bytes with libFuzzer.
    Fuzz(fuzz::FuzzArgs),
    /// Good, slow, broken and hostile clients, edits and crashes at once; then looks whether anything is left.
    Soak(soak::SoakArgs),
    /// A backend of the soak.
    #[command(hide = true)]
    SoakBackend(soak::BackendArgs),
    /// Two scanners of TLS, testssl.sh and sslyze, against the gateway as it starts without settings.
    Scan,
    /// Builds the gateway as it is best shipped: trained by the loads of `bench`. Two release builds and a minute.
    Dist(dist::DistArgs),
    /// Starts the demonstration: three backends and the gateway on free ports.
    Demo,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Ci => ci::run(),
        Command::Test(args) => suite::run(&args),
        Command::Arrows => arrows::run(),
        Command::Licences => licences::run(),
        Command::Duplicates => licences::run_duplicates(),
        Command::Bench(args) => bench::run(&args),
        Command::Kestrel(args) => kestrel::run(&args),
        Command::Fuzz(args) => fuzz::run(&args),
        Command::Soak(args) => soak::run(&args),
        Command::SoakBackend(args) => soak::serve(&args),
        Command::Scan => scan::run(),
        Command::Dist(args) => dist::run(&args),
        Command::Demo => demo(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Replaces this process, so that Ctrl-C reaches the demonstration itself.
fn demo() -> Outcome {
    use std::os::unix::process::CommandExt as _;
    let error = workspace::cargo(&["run", "--release", "--package", "vestibule", "--", "demo"]).exec();
    Err(format!("cannot start cargo: {error}").into())
}
