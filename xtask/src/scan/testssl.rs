//! testssl.sh: hand-made handshakes over raw sockets, and what the machine's OpenSSL can ask.

use std::{net::SocketAddr, path::Path, process::Command};

use serde::Deserialize;

use super::{Finding, output};
use crate::Outcome;

/// Of its tests those about the server, in parts of about the same length. Left out is what it lists rather than judges:
/// every cipher one by one, and how the browsers of ten years fare.
pub(super) const PARTS: [&[&str]; 2] =
    [&["--protocols", "--std", "--fs", "--server-preference"], &["--server-defaults", "--header", "--vulnerable"]];

/// It must have told these, whatever it thinks of them: a scan that met nobody finds nothing.
const ASKED: &[&str] = &[
    "SSLv2",
    "SSLv3",
    "TLS1",
    "TLS1_1",
    "TLS1_2",
    "TLS1_3",
    "ALPN_HTTP2",
    "cipher_order",
    "cert_trust",
    "heartbleed",
    "CCS",
    "ticketbleed",
    "ROBOT",
    "secure_renego",
    "secure_client_renego",
    "CRIME_TLS",
    "BREACH",
    "POODLE_SSL",
    "fallback_SCSV",
    "SWEET32",
    "FREAK",
    "DROWN",
    "LOGJAM",
    "BEAST",
    "LUCKY13",
    "RC4",
];

/// One line of its report.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    id: String,
    severity: String,
    finding: String,
}

/// Runs one part.
pub(super) fn scan(host: &str, address: SocketAddr, root: &Path, part: &[&str]) -> Outcome<Vec<Told>> {
    let dir = tempfile::Builder::new().prefix("vestibule-testssl").tempdir()?;
    let report = dir.path().join("report.json");
    let mut testssl = Command::new("testssl");
    testssl.args(["--quiet", "--color", "0", "--warnings", "off", "--nodns", "none"]).args(part);
    testssl.args(["--ip", &address.ip().to_string()]).arg("--add-ca").arg(root).arg("--jsonfile").arg(&report);
    let said = output(testssl.arg(format!("https://{host}:{}/", address.port())))?;
    let text =
        std::fs::read_to_string(&report).map_err(|error| format!("testssl.sh left no report: {error}\n{said}"))?;
    serde_json::from_str(&text).map_err(|error| format!("the report of testssl.sh: {error}\n{said}").into())
}

/// What it objects to, or could not find out.
pub(super) fn findings(told: &[Told]) -> Outcome<Vec<Finding>> {
    let missing: Vec<_> = ASKED.iter().filter(|id| !told.iter().any(|told| told.id == **id)).collect();
    if !missing.is_empty() {
        return Err(format!("testssl.sh says nothing of {missing:?}").into());
    }
    let objections = told.iter().filter(|told| !matches!(told.severity.as_str(), "OK" | "INFO" | "DEBUG"));
    Ok(objections
        .map(|told| Finding {
            scanner: "testssl.sh",
            id: told.id.clone(),
            text: format!("{}: {}", told.severity, told.finding),
        })
        .collect())
}
