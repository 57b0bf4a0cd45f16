//! sslyze: an OpenSSL of its own, old enough for every attack; it also judges by Mozilla's recommendations.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Finding, output};
use crate::{Outcome, workspace};

/// Pinned: another version asks other questions.
const VERSION: &str = "6.3.1";
/// Beside what belongs to Mozilla's check, which itself leaves these out.
const ALSO: &[&str] = &["--resum", "--early_data"];
/// Where in the report of a server, and what must stand there.
#[rustfmt::skip]
const WANTED: &[(&str, &str)] = &[
    ("/ssl_2_0_cipher_suites/result/is_tls_version_supported", "false"),
    ("/ssl_3_0_cipher_suites/result/is_tls_version_supported", "false"),
    ("/tls_1_0_cipher_suites/result/is_tls_version_supported", "false"),
    ("/tls_1_1_cipher_suites/result/is_tls_version_supported", "false"),
    ("/tls_1_2_cipher_suites/result/is_tls_version_supported", "true"),
    ("/tls_1_3_cipher_suites/result/is_tls_version_supported", "true"),
    ("/tls_1_3_early_data/result/supports_early_data", "false"),
    ("/tls_compression/result/supports_compression", "false"),
    ("/tls_fallback_scsv/result/supports_fallback_scsv", "true"),
    ("/tls_extended_master_secret/result/supports_ems_extension", "true"),
    ("/openssl_ccs_injection/result/is_vulnerable_to_ccs_injection", "false"),
    ("/heartbleed/result/is_vulnerable_to_heartbleed", "false"),
    ("/robot/result/robot_result", "\"NOT_VULNERABLE_RSA_NOT_SUPPORTED\""),
    ("/session_renegotiation/result/supports_secure_renegotiation", "true"),
    ("/session_renegotiation/result/is_vulnerable_to_client_renegotiation_dos", "false"),
    // No sessions are kept. Of tickets it says the same, because each resumption gives a fresh one, and it looks for the
    // old: so only our own tests tell that.
    ("/session_resumption/result/session_id_resumption_result", "\"NOT_SUPPORTED\""),
];

/// Its report, as far as it is read. (It also holds the numbers of RSA keys, which are beyond a reader of JSON.)
#[derive(Deserialize)]
struct Report {
    server_scan_results: [Server; 1],
}

#[derive(Deserialize)]
struct Server {
    scan_result: Option<Results>,
}

/// What [`WANTED`] looks into.
#[derive(Deserialize, Serialize)]
struct Results {
    ssl_2_0_cipher_suites: Supported,
    ssl_3_0_cipher_suites: Supported,
    tls_1_0_cipher_suites: Supported,
    tls_1_1_cipher_suites: Supported,
    tls_1_2_cipher_suites: Supported,
    tls_1_3_cipher_suites: Supported,
    tls_1_3_early_data: Value,
    tls_compression: Value,
    tls_fallback_scsv: Value,
    tls_extended_master_secret: Value,
    openssl_ccs_injection: Value,
    heartbleed: Value,
    robot: Value,
    session_renegotiation: Value,
    session_resumption: Value,
}

/// Of a version its suites are left out: Mozilla's check looks at them.
#[derive(Deserialize, Serialize)]
struct Supported {
    result: Option<Version>,
}

#[derive(Deserialize, Serialize)]
struct Version {
    is_tls_version_supported: bool,
}

/// Where it is.
pub(super) struct Program(PathBuf);

/// The program, in an environment of its own below cargo's target folder; fetched by the ordinary pip client.
pub(super) fn ensure() -> Outcome<Program> {
    let folder = workspace::target_dir()?.join("scan").join(format!("sslyze-{VERSION}"));
    let program = folder.join("bin/sslyze");
    if !program.is_file() {
        println!("fetching sslyze {VERSION} by pip");
        fs::create_dir_all(&folder)?;
        python(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let package = format!("sslyze=={VERSION}");
        python(Command::new(folder.join("bin/pip")).args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            &package,
        ]))?;
    }
    if program.is_file() { Ok(Program(program)) } else { Err(format!("there is no {}", program.display()).into()) }
}

fn python(command: &mut Command) -> Outcome {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Err(format!(
        "{said}\nthe scan needs sslyze from PyPI in a virtual environment; if Python has none, run\n    \
         sudo apt-get install --no-install-recommends python3-venv"
    )
    .into())
}

impl Program {
    /// Scans one site.
    pub(super) fn scan(&self, host: &str, address: SocketAddr, root: &Path) -> Outcome<Vec<Finding>> {
        let dir = tempfile::Builder::new().prefix("vestibule-sslyze").tempdir()?;
        let report = dir.path().join("report.json");
        let mut sslyze = Command::new(&self.0);
        sslyze.arg("--mozilla_config=intermediate").args(ALSO).arg(format!("--sni={host}"));
        sslyze.arg(format!("--certinfo_ca_file={}", root.display())).arg(format!("--json_out={}", report.display()));
        let said = output(sslyze.arg(address.to_string()))?;
        let text = fs::read_to_string(&report).map_err(|error| format!("sslyze left no report: {error}\n{said}"))?;
        let Report { server_scan_results: [server] } =
            serde_json::from_str(&text).map_err(|error| format!("the report of sslyze: {error}\n{said}"))?;
        let results = serde_json::to_value(server.scan_result)?;
        let mut found: Vec<_> = WANTED.iter().filter_map(|wanted| objection(host, &results, *wanted)).collect();
        if !said.contains("OK - Compliant.") {
            let text = said.split_once("COMPLIANCE AGAINST").map_or(said.as_str(), |(_, verdict)| verdict);
            found.push(finding(host, "mozilla_intermediate", text.trim()));
        }
        Ok(found)
    }
}

fn objection(host: &str, result: &Value, (place, wanted): (&str, &str)) -> Option<Finding> {
    let found = result.pointer(place).unwrap_or(&json!("nothing is said")).to_string();
    (found != wanted).then(|| finding(host, place, &format!("{found} instead of {wanted}")))
}

fn finding(host: &str, id: &str, text: &str) -> Finding {
    Finding { scanner: "sslyze", id: id.to_owned(), text: format!("{host}: {text}") }
}
