//! `cargo xtask dist`: the gateway as it is best shipped. Built once with counters, trained by the loads of
//! `cargo xtask bench`, and built again with what the counters say of which code is hot.
//!
//! Not here: the loads themselves (`bench/peers/train.rs`).

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::Args;

use crate::{
    Outcome,
    packages::{install_named, path_of},
    step::{step, succeed},
    workspace,
};

/// How long it is trained.
#[derive(Args)]
pub(crate) struct DistArgs {
    /// How long each of the loads lasts that it is trained with.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
}

/// Builds it, and says where it is.
pub(crate) fn run(args: &DistArgs) -> Outcome {
    let profdata = profdata()?;
    let dist = workspace::target_dir()?.join("dist");
    let (counts, profile) = (dist.join("counts"), dist.join("trained.profdata"));
    // Counters of another build would be refused, or worse, believed; and cargo does not see that a profile is another one.
    for old in [&counts, &dist.join("trained")] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    step("a build that counts", || build(&dist.join("counting"), "generate", &counts))?;
    let trainee = binary(&dist.join("counting"))?;
    step("training", || train(&trainee, args.seconds))?;
    step("what it has learnt", || merge(&profdata, &counts, &profile))?;
    step("the build that ships", || build(&dist.join("trained"), "use", &profile))?;
    let shipped = dist.join("vestibule");
    fs::copy(binary(&dist.join("trained"))?, &shipped)?;
    println!("{}", shipped.display());
    Ok(())
}

/// A release build of the gateway that makes or uses a profile. With the target named, build scripts and macros do neither.
fn build(target: &Path, what: &str, profile: &Path) -> Outcome {
    let given = std::env::var("RUSTFLAGS").unwrap_or_default();
    let ours = format!("-Cprofile-{what}={}", profile.display());
    let flags: Vec<&str> = given.split_whitespace().chain([&*ours]).collect();
    let mut cargo = workspace::cargo(&["build", "--quiet", "--locked", "--release", "--package", "vestibule"]);
    cargo.args(["--target", &workspace::host_triple()?, "--target-dir"]).arg(target);
    // Of both variables the one in which a path may have spaces.
    succeed(cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")))
}

fn binary(target: &Path) -> Outcome<PathBuf> {
    Ok(target.join(workspace::host_triple()?).join("release/vestibule"))
}

/// In a process of its own: the load generators want an optimised build and a core to themselves.
fn train(trainee: &Path, seconds: u32) -> Outcome {
    let mut cargo = workspace::cargo(&["xtask", "bench", "train", "--seconds", &seconds.to_string(), "--binary"]);
    succeed(cargo.arg(trainee))
}

fn merge(profdata: &Path, counts: &Path, profile: &Path) -> Outcome {
    let mut files = Vec::new();
    for entry in fs::read_dir(counts)? {
        files.push(entry?.path().into_os_string());
    }
    if files.is_empty() {
        return Err("the training left no counts".into());
    }
    let words: [OsString; 3] = ["merge".into(), "-o".into(), profile.into()];
    succeed(Command::new(profdata).args(words).args(files))
}

/// `llvm-profdata` of the compiler's LLVM: no other reads what it writes. rustup's `llvm-tools` have it, and Debian's package of
/// that version.
fn profdata() -> Outcome<PathBuf> {
    let (version, sysroot) = (rustc(&["-vV"])?, rustc(&["--print", "sysroot"])?);
    let llvm = llvm_version(&version).ok_or("`rustc -vV` names no version of LLVM")?;
    let tools = format!("lib/rustlib/{}/bin/llvm-profdata", workspace::host_triple()?);
    let debian = PathBuf::from(format!("/usr/lib/llvm-{llvm}/bin/llvm-profdata"));
    let known = [Path::new(sysroot.trim()).join(tools), debian.clone()];
    if let Some(found) =
        known.into_iter().find(|file| file.is_file()).or_else(|| path_of(&format!("llvm-profdata-{llvm}")))
    {
        return Ok(found);
    }
    install_named("a trained build needs", &format!("llvm-{llvm}"))?;
    Ok(debian)
}

fn rustc(words: &[&str]) -> Outcome<String> {
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())).args(words).output()?;
    Ok(String::from_utf8(output.stdout)?)
}

/// `LLVM version: 22.1.2` → `22`.
fn llvm_version(text: &str) -> Option<&str> {
    let version = text.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next().filter(|major| !major.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compiler_says_which_llvm_it_has() {
        assert_eq!(llvm_version("rustc 1.95.0\nhost: x86_64-unknown-linux-gnu\nLLVM version: 22.1.2\n"), Some("22"));
        assert_eq!(llvm_version("rustc 1.95.0\n"), None);
        let own = rustc(&["-vV"]).unwrap();
        assert!(llvm_version(&own).is_some_and(|major| major.parse::<u32>().is_ok()), "{own}");
    }
}
