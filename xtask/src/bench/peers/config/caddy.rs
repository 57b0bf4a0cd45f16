//! Caddy's words.

use super::{Job, KEPT, Setup};

/// Its proxy sets the forwarded headers by itself, and passes WebSockets. It has no limits for a host.
pub(in crate::bench) fn caddy(setup: &Setup<'_>) -> String {
    let (certificates, port, origin) = (setup.certificates.display(), setup.listen.port(), setup.origin);
    let (hosts, certificate) = match setup.job {
        Job::Files | Job::Exchanges => {
            (format!("https://localhost:{port}"), format!("tls {certificates}/one.crt {certificates}/one.key {{"))
        }
        Job::Hosts => {
            let hosts: Vec<_> = setup.names.iter().map(|name| format!("https://{name}:{port}")).collect();
            (hosts.join(", "), format!("tls {{\n\t\tload {certificates}/both"))
        }
    };
    // By it a host comes and goes.
    let admin =
        if setup.everything() || setup.job == Job::Hosts { setup.metrics.to_string() } else { "off".to_owned() };
    let log = format!("\tlog {{\n\t\toutput file {}/access.log\n\t}}\n", setup.dir.display());
    format!(
        "{{
	admin {admin}
	auto_https off
	servers {{
		protocols h1 h2
{metrics}	}}
}}
{hosts} {{
	bind {ip}
	{certificate}
		protocols tls1.3
	}}
{log}	reverse_proxy {origin} {{
		transport http {{
			keepalive_idle_conns {KEPT}
			keepalive_idle_conns_per_host {KEPT}
			compression off
		}}
	}}
}}
",
        ip = setup.listen.ip(),
        metrics = setup.with("\t\tmetrics\n"),
        log = setup.with(&log),
    )
}
