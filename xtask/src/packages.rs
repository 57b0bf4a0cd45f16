//! What tests need of the system, by Debian package name: found, installed as root, or asked for.
//!
//! Nothing is compiled or downloaded by other means, and nothing present is upgraded.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{Outcome, step::succeed};

/// A package, and the programs that show it is there.
pub(crate) struct Package {
    /// What gets installed.
    pub(crate) name: &'static str,
    /// All of them are there when it is.
    pub(crate) programs: &'static [&'static str],
}

/// Any package that brings the program will do: the name is only what gets installed when it is missing.
const NEEDED: &[Package] = &[
    Package { name: "curl", programs: &["curl"] },
    Package { name: "ca-certificates", programs: &["update-ca-certificates"] },
    Package { name: "nginx-light", programs: &["nginx"] },
    Package { name: "python3", programs: &["python3"] },
    Package { name: "openssl", programs: &["openssl"] },
    Package { name: "pebble", programs: &["pebble", "pebble-challtestsrv"] },
    Package { name: "caddy", programs: &["caddy"] },
    Package { name: "bind9", programs: &["named"] },
    Package { name: "strace", programs: &["strace"] },
];

/// Sees to it that every program that the tests need is there.
pub(crate) fn ensure() -> Outcome {
    install_missing("the tests need", NEEDED)?;
    curl_speaks_http2()
}

/// Installs what is missing; an ordinary user is told the line to run, and `who` needs it.
pub(crate) fn install_missing(who: &str, needed: &[Package]) -> Outcome {
    let missing = needed.iter().filter(|package| !package.programs.iter().all(|program| found(program)));
    let names: Vec<&str> = missing.map(|package| package.name).collect();
    if names.is_empty() { Ok(()) } else { install(who, &names) }
}

/// Installs one package whose name is only known now, and which is missing.
pub(crate) fn install_named(who: &str, name: &str) -> Outcome {
    install(who, &[name])
}

fn install(who: &str, names: &[&str]) -> Outcome {
    if !rustix::process::geteuid().is_root() {
        let list = names.join(" ");
        return Err(format!(
            "{who} packages that are not installed; run\n    sudo apt-get install --no-install-recommends {list}"
        )
        .into());
    }
    println!("installing {}", names.join(" "));
    succeed(apt_get().arg("update"))?;
    succeed(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(names))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet");
    command
}

fn found(program: &str) -> bool {
    path_of(program).is_some()
}

/// In the search path, or where Debian keeps the programs of the administrator, which ordinary users' paths leave out.
pub(crate) fn path_of(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrator = ["/usr/sbin", "/sbin"].map(|dir| Path::new(dir).to_path_buf());
    std::env::split_paths(&path).chain(administrator).map(|dir| dir.join(program)).find(|file| file.is_file())
}

/// A curl without HTTP/2 (a home-made one in the path) would turn every HTTP/2 test into an HTTP/1.1 test.
fn curl_speaks_http2() -> Outcome {
    let output = Command::new("curl").arg("--version").output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let features = text.lines().find_map(|line| line.strip_prefix("Features:")).unwrap_or_default();
    if features.split_whitespace().any(|feature| feature == "HTTP2") {
        Ok(())
    } else {
        Err("the `curl` in the path has no HTTP/2; use Debian's package `curl`".into())
    }
}
