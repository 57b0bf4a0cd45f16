//! [`Engine`]: cargo-fuzz, installed below `target/`, and the programs that it has built.
//!
//! No nightly toolchain and no `RUSTC_BOOTSTRAP`: the instrumentation for coverage is made of stable options. What needs
//! unstable ones are the sanitizers, and there is little for them to find: the workspace forbids unsafe code, and overflow
//! and debug assertions are on.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Outcome, packages,
    packages::Package,
    step::{step, succeed},
    workspace,
};

/// Of cargo-fuzz. The engine itself, `libfuzzer-sys`, is pinned in the workspace.
const VERSION: &str = "0.13.2";

/// libFuzzer is C++.
const NEEDED: &[Package] = &[Package { name: "g++", programs: &["c++"] }];

/// The programs, and where they may write.
pub(super) struct Engine {
    root: PathBuf,
    programs: PathBuf,
}

impl Engine {
    /// Installs what is missing, and builds all targets.
    pub(super) fn ready() -> Outcome<Self> {
        packages::install_missing("the fuzzer needs", NEEDED)?;
        let root = workspace::target_dir()?.join("fuzz");
        let tools = root.join("tools");
        let cargo_fuzz = tools.join("bin/cargo-fuzz");
        if !is_installed(&cargo_fuzz) {
            step("install cargo-fuzz", || {
                let arguments = ["install", "--locked", "cargo-fuzz", "--version", VERSION, "--root"];
                succeed(workspace::cargo(&arguments).arg(&tools))
            })?;
        }
        let host = workspace::host_triple()?;
        step("build the targets", || succeed(&mut build(&cargo_fuzz, &root, &host)))?;
        Ok(Self { programs: root.join(host).join("release"), root })
    }

    /// For everything that a run writes: below `target/`.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The program of a target.
    pub(super) fn program(&self, target: &str) -> PathBuf {
        self.programs.join(target)
    }
}

fn is_installed(cargo_fuzz: &Path) -> bool {
    let output = Command::new(cargo_fuzz).arg("--version").output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim().ends_with(VERSION))
}

fn build(cargo_fuzz: &Path, root: &Path, host: &str) -> Command {
    let mut command = Command::new(cargo_fuzz);
    command.current_dir(workspace::root()).args(["build", "--fuzz-dir", "tests/fuzz", "--features", "libfuzzer"]);
    // `cfg(fuzzing)` would switch dependencies to code that does not ship.
    command.args(["--sanitizer", "none", "--no-cfg-fuzzing", "--codegen-units", "16", "--target", host]);
    command.arg("--target-dir").arg(root);
    // Link-time optimisation makes these programs little faster, and their build much slower.
    command.env("CARGO_PROFILE_RELEASE_LTO", "off");
    command
}
