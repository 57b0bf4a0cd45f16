//! The gateway's words.

use std::path::{Path, PathBuf};

use super::{Job, KEPT, PLENTY, Setup, Terms};

/// A site file: its name and text, and the certificate and key that it names, without `.crt` and `.key`.
pub(in crate::bench) struct SiteFile {
    pub(in crate::bench) name: String,
    pub(in crate::bench) text: String,
    pub(in crate::bench) certificate: PathBuf,
}

/// Its site files, with certificates below `certificates`.
pub(in crate::bench) fn sites(setup: &Setup<'_>, certificates: &Path) -> Vec<SiteFile> {
    let site = |name: String, host: &str, stem: &str, limits: &str| {
        let certificate = certificates.join(stem);
        let (shown, origin) = (certificate.display(), setup.origin);
        let text =
            format!("hosts: {host}\nupstream: {origin}\ntls: {{chain: {shown}.crt, key: {shown}.key}}\n{limits}");
        SiteFile { name, text, certificate }
    };
    let one = |limits| vec![site("bench.yaml".to_owned(), "localhost", "one", limits)];
    match setup.job {
        Job::Files => one(""),
        Job::Exchanges => one("limits: {request_body: 1GiB}\n"),
        Job::Hosts => {
            let names = setup.names.iter();
            names.map(|name| site(format!("{name}.yaml"), name, &format!("hosts/{name}"), "")).collect()
        }
    }
}

/// Its settings. An ordinary user's sites are a tenant's: so the tenant's limits are out of the way of every load.
pub(in crate::bench) fn settings(setup: &Setup<'_>) -> String {
    if setup.terms == Terms::Shipped {
        return "log: {access: off}\n".to_owned();
    }
    let access = if setup.everything() { format!("{}/access.log", setup.dir.display()) } else { "off".to_owned() };
    format!(
        "log: {{access: {access}}}
limits: {{connections_per_client: 100000, idle_upstream_connections: {KEPT}}}
tenants:
  default:
    owners: [root]
    limits: {{connections: {PLENTY}, requests_in_flight: {PLENTY}, requests_per_second: {PLENTY},
      handshakes_per_second: {PLENTY}, bandwidth: 1TiB, buffered: 64GiB, tunnels: {PLENTY},
      upstream_connections: {PLENTY}, sites: {PLENTY}, names: {PLENTY}}}
"
    )
}
