//! The ASP.NET Core application: the dashboard in Microsoft's npm package of the Aspire command line, fetched once.
//!
//! Fetched by the ordinary npm client into a folder below cargo's target folder, unpacked by the package's own `setup`.
//! The version is pinned; another version gets a folder of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Outcome, step::succeed, workspace};

/// The package; about 128 MB to fetch and 440 MB on disk.
const PACKAGE: &str = "@microsoft/aspire-cli-linux-x64";
/// Everything in `docs/kestrel.md` was measured with this one.
const VERSION: &str = "13.5.4";

/// The program that holds the dashboard, fetched and unpacked when it is not there yet.
pub(super) fn ensure() -> Outcome<PathBuf> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err(format!("{PACKAGE} is for Linux on x86-64 only").into());
    }
    let folder = workspace::target_dir()?.join("kestrel").join(VERSION);
    let program = folder.join("node_modules").join(PACKAGE).join("bundle/managed/aspire-managed");
    if !program.is_file() {
        fetch(&folder)?;
        unpack(&folder)?;
    }
    if program.is_file() { Ok(program) } else { Err(format!("there is no {}", program.display()).into()) }
}

/// npm's own cache and configuration are the user's; the package goes nowhere else.
fn fetch(folder: &Path) -> Outcome {
    fs::create_dir_all(folder)?;
    println!("fetching {PACKAGE}@{VERSION} by npm");
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    succeed(npm.arg("--prefix").arg(folder).arg(format!("{PACKAGE}@{VERSION}")).current_dir(folder))
}

/// The command line unpacks the dashboard beside itself. Its home is ours, so that it leaves nothing in the user's.
fn unpack(folder: &Path) -> Outcome {
    let home = folder.join("home");
    fs::create_dir_all(&home)?;
    let mut setup = Command::new(folder.join("node_modules").join(PACKAGE).join("bin/aspire"));
    setup.args(["setup", "--non-interactive"]).current_dir(folder).env("HOME", home);
    setup.env("ASPIRE_CLI_TELEMETRY_OPTOUT", "1").env("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1");
    succeed(&mut setup)
}
