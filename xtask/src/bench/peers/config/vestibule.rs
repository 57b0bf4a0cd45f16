//! The gateway's words.

use super::{Job, KEPT, PLENTY, Setup, Terms};

/// Its site files, by name.
pub(in crate::bench) fn sites(setup: &Setup<'_>) -> Vec<(String, String)> {
    let (certificates, origin) = (setup.certificates.display(), setup.origin);
    let site = |host: &str, stem: &str| {
        format!(
            "hosts: {host}\nupstream: {origin}\ntls: {{chain: {certificates}/{stem}.crt, key: {certificates}/{stem}.key}}\n"
        )
    };
    match setup.job {
        Job::Files => vec![("bench.yaml".to_owned(), site("localhost", "one"))],
        Job::Exchanges => {
            vec![("bench.yaml".to_owned(), site("localhost", "one") + "limits: {request_body: 1GiB}\n")]
        }
        Job::Hosts => {
            let file = |name: &String| (format!("{name}.yaml"), site(name, &format!("hosts/{name}")));
            setup.names.iter().map(file).collect()
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
