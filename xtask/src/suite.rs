//! `cargo xtask test`: the packages that tests need, then the binary, then every test of the workspace.

use clap::Args;

use crate::{Outcome, packages, step::succeed, workspace};

/// What to run.
#[derive(Args, Default)]
pub(crate) struct TestArgs {
    /// Handed to the test programs: a filter, or options such as `--nocapture`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    filter: Vec<String>,
}

/// Runs all of it.
pub(crate) fn run(args: &TestArgs) -> Outcome {
    packages::ensure()?;
    // The whole workspace's binaries, not `--package vestibule`: so the dependencies are built once, with the features
    // that the tests build them with.
    succeed(&mut workspace::cargo(&["build", "--locked", "--workspace", "--bins"]))?;
    if !rustix::process::geteuid().is_root() {
        println!("note: not root, so the tests with backends of several users run with one user only");
    }
    let mut command = workspace::cargo(&["test", "--locked", "--workspace"]);
    command.env("VESTIBULE_BIN", workspace::target_dir()?.join("debug/vestibule"));
    if !args.filter.is_empty() {
        command.arg("--").args(&args.filter);
    }
    succeed(&mut command)
}
