//! What tests need of the system, by Debian package name: found, installed as root, or asked for.
//!
//! Nothing is compiled or downloaded by other means, and nothing present is upgraded.

use std::{path::Path, process::Command};

use crate::{Outcome, step::succeed};

/// A package, and the programs that show it is there.
struct Package {
    name: &'static str,
    programs: &'static [&'static str],
}

/// Any package that brings the program will do: the name is only what gets installed when it is missing.
const NEEDED: &[Package] = &[
    Package { name: "curl", programs: &["curl"] },
    Package { name: "ca-certificates", programs: &["update-ca-certificates"] },
    Package { name: "nginx-light", programs: &["nginx"] },
    Package { name: "python3", programs: &["python3"] },
    Package { name: "openssl", programs: &["openssl"] },
];

/// Sees to it that every needed program is there.
pub(crate) fn ensure() -> Outcome {
    let missing: Vec<&str> = NEEDED.iter().filter(|p| !p.programs.iter().all(|b| found(b))).map(|p| p.name).collect();
    if !missing.is_empty() {
        install(&missing)?;
    }
    curl_speaks_http2()
}

fn install(names: &[&str]) -> Outcome {
    if !rustix::process::geteuid().is_root() {
        let list = names.join(" ");
        return Err(format!(
            "the tests need packages that are not installed; run\n    sudo apt-get install --no-install-recommends {list}"
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

/// In the search path, or where Debian keeps the programs of the administrator, which ordinary users' paths leave out.
fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrator = ["/usr/sbin", "/sbin"].map(|dir| Path::new(dir).to_path_buf());
    std::env::split_paths(&path).chain(administrator).any(|dir| dir.join(program).is_file())
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
