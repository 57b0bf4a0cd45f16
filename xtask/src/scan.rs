//! `cargo xtask scan`: what two scanners of TLS, testssl.sh and sslyze, say of the gateway as it starts without settings.
//! Every finding is a failure, but for those of [`expected`], each of which has its reason and must still be there.
//!
//! Not here: what our own tests hold of TLS (`crates/certs`, `tests/blackbox`). The scanners are the second opinion.

mod expected;
mod keys;
mod sslyze;
mod testssl;

use std::{path::PathBuf, process::Command, thread};

use vestibule_testkit::{Gateway, Site};

use crate::{
    Outcome,
    packages::{self, Package},
    step::{step, succeed},
    workspace,
};

/// What Debian has of it. testssl.sh needs `hexdump` and `dig`, which its package asks for.
const NEEDED: &[Package] = &[
    Package { name: "testssl.sh", programs: &["testssl"] },
    Package { name: "openssl", programs: &["openssl"] },
    Package { name: "python3", programs: &["python3"] },
];

/// A site with a certificate of the local CA, as every site has until there is a public one. It has the bare address too,
/// because scanners ask some questions without a server name.
const LOCAL: &str = "scan.test";
/// A site with an RSA certificate of its own: other suites, other attacks.
const RSA: &str = "rsa.test";

/// What a scanner objects to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    scanner: &'static str,
    /// As the scanner names it.
    id: String,
    text: String,
}

/// What is scanned. It ends with this value.
struct Target {
    gateway: Gateway,
    rsa: keys::RsaSite,
}

/// Installs, builds, starts, scans, judges.
pub(crate) fn run() -> Outcome {
    packages::install_missing("the scan needs", NEEDED)?;
    let sslyze = sslyze::ensure()?;
    // As the tests build it: after them nothing is left to build.
    step("build", || succeed(&mut workspace::cargo(&["build", "--locked", "--workspace", "--bins"])))?;
    let binary = workspace::target_dir()?.join("debug/vestibule");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let target = runtime.block_on(start(binary))?;
    let outcome = step("scan", || expected::judge(&scan(&target, &sslyze)?));
    let _guard = runtime.enter();
    drop(target);
    outcome
}

/// The gateway with nothing set, and a site for each kind of key.
async fn start(binary: PathBuf) -> Outcome<Target> {
    let rsa = keys::RsaSite::make(RSA)?;
    let gateway = Gateway::builder()
        .binary(binary)
        .site("local.yaml", &Site::new(&format!("{LOCAL}, 127.0.0.1")).respond("scan me"))
        .site("rsa.yaml", &Site::new(RSA).respond("scan me").line(&rsa.line()))
        .start()
        .await;
    for host in [LOCAL, RSA] {
        gateway.wait_live(host).await;
    }
    Ok(Target { gateway, rsa })
}

/// The scanners wait more than they work: all at once.
fn scan(target: &Target, sslyze: &sslyze::Program) -> Outcome<Vec<Finding>> {
    let address = target.gateway.https();
    let root = target.gateway.root_file();
    thread::scope(|scope| {
        let parts = testssl::PARTS.map(|part| scope.spawn(|| testssl::scan(LOCAL, address, &root, part)));
        let local = scope.spawn(|| sslyze.scan(LOCAL, address, &root));
        let rsa = scope.spawn(|| sslyze.scan(RSA, address, &target.rsa.root));
        let mut told = Vec::new();
        for part in parts {
            told.extend(part.join().expect("a scan does not panic")?);
        }
        let mut found = testssl::findings(&told)?;
        for scan in [local, rsa] {
            found.extend(scan.join().expect("a scan does not panic")?);
        }
        Ok(found)
    })
}

/// Runs a scanner to its end, quietly; how it ends is its own matter.
fn output(command: &mut Command) -> Outcome<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot start `{program}`: {error}"))?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}
