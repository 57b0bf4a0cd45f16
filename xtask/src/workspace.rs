//! Where the workspace lies, and cargo as a command in it.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use cargo_metadata::{Metadata, MetadataCommand};

use crate::Outcome;

/// The root of the workspace: the folder above this crate.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().expect("xtask lies one folder below the root").to_path_buf()
}

/// `cargo ARGS…` at the root: the cargo that runs us, so that the toolchain is the same.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(args);
    command
}

/// Where cargo builds.
pub(crate) fn target_dir() -> Outcome<PathBuf> {
    Ok(metadata()?.target_directory.into_std_path_buf())
}

/// The packages and their resolved dependencies, for the platform we build for.
pub(crate) fn metadata() -> Outcome<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml"));
    command.other_options(vec!["--filter-platform".to_owned(), host_triple()?, "--locked".to_owned()]);
    Ok(command.exec()?)
}

/// As `rustc -vV` says it.
pub(crate) fn host_triple() -> Outcome<String> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).arg("-vV").output()?;
    let text = String::from_utf8(output.stdout)?;
    let triple = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(triple.ok_or("`rustc -vV` names no host")?.to_owned())
}
