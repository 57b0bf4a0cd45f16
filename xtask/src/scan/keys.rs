//! [`RsaSite`]: a certificate with an RSA key, and the root that signed it. What the testkit makes has elliptic curves.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::Outcome;

/// Certificates of servers are valid for no longer than public CAs give them.
const DAYS: &str = "90";

/// See the module.
pub(super) struct RsaSite {
    dir: TempDir,
    /// The root that signed it, PEM.
    pub(super) root: PathBuf,
}

impl RsaSite {
    /// For one name.
    pub(super) fn make(name: &str) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("vestibule-scan").tempdir()?;
        let path = dir.path();
        let root = path.join("root.pem");
        let may_sign = "keyUsage=critical,keyCertSign,cRLSign";
        let subject = "/CN=Root of the scan";
        request(path, &["-out", "root.pem", "-keyout", "root.key", "-subj", subject, "-addext", may_sign])?;
        request(
            path,
            &[
                "-out",
                "chain.pem",
                "-keyout",
                "key.pem",
                "-CA",
                "root.pem",
                "-CAkey",
                "root.key",
                "-subj",
                &format!("/CN={name}"),
                "-addext",
                &format!("subjectAltName=DNS:{name}"),
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-addext",
                "extendedKeyUsage=serverAuth",
            ],
        )?;
        fs::set_permissions(path.join("key.pem"), fs::Permissions::from_mode(0o600))?;
        Ok(Self { dir, root })
    }

    /// For the site file.
    pub(super) fn line(&self) -> String {
        let [chain, key] = ["chain.pem", "key.pem"].map(|file| self.dir.path().join(file));
        format!("tls: {{chain: {}, key: {}}}", chain.display(), key.display())
    }
}

fn request(dir: &Path, args: &[&str]) -> Outcome {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-noenc", "-sha256", "-days", DAYS]).args(args);
    let output = openssl.current_dir(dir).stdin(Stdio::null()).output()?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("openssl made no certificate: {}", String::from_utf8_lossy(&output.stderr)).into())
    }
}
