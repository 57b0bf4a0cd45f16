//! [`Entrance`]: what stands in front of the fifty tenants: the gateway, or a peer with the same hosts and the limits that an
//! operator of a shared box would write in its own words.
//!
//! Not every limit has a word everywhere: neither peer bounds handshakes, connections or bandwidth of one host, or shares
//! what is left of a full box.

use std::{fs, net::SocketAddr, path::Path};

use tempfile::TempDir;
use vestibule_testkit::{
    Gateway,
    backend::free_port,
    certificate::{Authority, Validity},
    client::Trust,
    process::{Process, Program},
};

use super::house::{CONNECTIONS, IN_FLIGHT, SHARE, Tenant};
use crate::{
    Outcome,
    bench::{
        PROXY_CORE,
        peers::{peer::Peer, stage::listening},
    },
    packages::path_of,
};

/// See the module. Ends when dropped.
pub(super) enum Entrance {
    Ours(Box<Gateway>),
    Theirs {
        // First: it ends before its folder goes.
        _process: Process,
        address: SocketAddr,
        trust: Trust,
        _dir: TempDir,
    },
}

impl Entrance {
    /// Where TLS is served.
    pub(super) fn address(&self) -> SocketAddr {
        match self {
            Self::Ours(gateway) => gateway.https(),
            Self::Theirs { address, .. } => *address,
        }
    }

    /// What its clients believe.
    pub(super) fn trust(&self) -> &Trust {
        match self {
            Self::Ours(gateway) => gateway.trust(),
            Self::Theirs { trust, .. } => trust,
        }
    }

    /// A peer in front of these tenants.
    pub(super) async fn of_peer(peer: Peer, tenants: &[Tenant]) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("vestibule-bench").tempdir()?;
        let authority = Authority::default();
        let issued = authority.issue(&["*.bench.test"], Validity::Now);
        fs::write(dir.path().join("chain.pem"), &issued.chain)?;
        fs::write(dir.path().join("key.pem"), &issued.key)?;
        fs::write(dir.path().join("both.pem"), issued.chain + &issued.key)?;
        let address = free_port();
        let (file, text, words) = match peer {
            Peer::Nginx => ("nginx.conf", nginx(dir.path(), address, tenants), ["-e", "error.log", "-c", "nginx.conf"]),
            Peer::Haproxy => ("haproxy.cfg", haproxy(dir.path(), address, tenants), ["-db", "-q", "-f", "haproxy.cfg"]),
            Peer::Vestibule | Peer::Caddy | Peer::Apache => return Err("only beside nginx and HAProxy".into()),
        };
        fs::write(dir.path().join(file), text)?;
        let program = path_of(peer.name()).ok_or("not installed")?;
        let program = Program::new("taskset").args(["--cpu-list", PROXY_CORE]).args([program]);
        let program = if peer == Peer::Nginx { program.args(["-p".as_ref(), dir.path().as_os_str()]) } else { program };
        let mut process = program.args(words).dir(dir.path()).start(peer.name(), dir.path());
        listening(&mut process, address).await?;
        let trust = Trust::roots(&authority.root_pem());
        Ok(Self::Theirs { _process: process, address, trust, _dir: dir })
    }
}

/// `limit_req` and `limit_conn` for each host; in HTTP/2 the latter counts requests.
fn nginx(dir: &Path, listen: SocketAddr, tenants: &[Tenant]) -> String {
    let servers = tenants.iter().enumerate().map(|(number, tenant)| {
        let Tenant { host, upstream, .. } = tenant;
        let limits = if tenant.is_limited() {
            format!("limit_req zone=rate burst={SHARE} nodelay; limit_conn open {IN_FLIGHT};")
        } else {
            String::new()
        };
        format!(
            "  upstream u{number} {{ server {upstream}; keepalive 64; }}
  server {{ listen {listen} ssl http2; server_name {host}; {limits}
    location / {{ proxy_pass http://u{number}; proxy_http_version 1.1; proxy_set_header Connection $connection_upgrade;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}
"
        )
    });
    let servers: String = servers.collect();
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let dir = dir.display();
    let temporary = kinds.map(|kind| format!("  {kind}_temp_path {dir}/{kind};\n")).concat();
    format!(
        "daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log crit;
events {{ worker_connections {CONNECTIONS}; }}
http {{
  access_log off; tcp_nodelay on; client_max_body_size 0; server_names_hash_bucket_size 128;
{temporary}  ssl_certificate {dir}/chain.pem; ssl_certificate_key {dir}/key.pem;
  map $http_upgrade $connection_upgrade {{ default upgrade; \"\" \"\"; }}
  limit_req_zone $server_name zone=rate:1m rate={SHARE}r/s; limit_req_status 429;
  limit_conn_zone $server_name zone=open:1m; limit_conn_status 503;
{servers}}}
"
    )
}

/// `maxconn` of each host's server, and a stick table of requests by host.
fn haproxy(dir: &Path, listen: SocketAddr, tenants: &[Tenant]) -> String {
    let dir = dir.display();
    let mut uses = String::new();
    let mut backends = String::new();
    for (number, tenant) in tenants.iter().enumerate() {
        let Tenant { host, upstream, .. } = tenant;
        let limits = if tenant.is_limited() { format!(" maxconn {IN_FLIGHT}") } else { String::new() };
        if tenant.is_limited() {
            uses.push_str(&format!("  http-request track-sc0 req.hdr(host) if {{ req.hdr(host) -i {host} }}\n"));
        }
        backends.push_str(&format!("backend b{number}\n  server s {upstream}{limits}\n"));
    }
    uses.push_str(&format!("  http-request deny deny_status 429 if {{ sc0_http_req_rate gt {SHARE} }}\n"));
    for (number, tenant) in tenants.iter().enumerate() {
        uses.push_str(&format!("  use_backend b{number} if {{ req.hdr(host) -i {} }}\n", tenant.host));
    }
    format!(
        "global
  nbthread 1
  maxconn {CONNECTIONS}
defaults
  mode http
  timeout connect 5000
  timeout client 50000
  timeout server 50000
  timeout queue 1000
frontend tls
  bind {listen} ssl crt {dir}/both.pem alpn h2,http/1.1
  option forwardfor
  stick-table type string len 64 size 1k expire 10s store http_req_rate(1s)
{uses}{backends}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_its_place_and_its_limits_where_it_has_any() {
        let tenant = |host: &str, uid| Tenant { host: host.to_owned(), upstream: "127.0.0.1:1".to_owned(), uid };
        let tenants = [tenant("a.bench.test", 7), tenant("b.bench.test", 0)];
        let address = SocketAddr::from(([127, 0, 0, 1], 443));
        let nginx = nginx(Path::new("/d"), address, &tenants);
        assert_eq!((nginx.matches("; server_name ").count(), nginx.matches("limit_conn open").count()), (2, 1));
        let haproxy = haproxy(Path::new("/d"), address, &tenants);
        assert_eq!((haproxy.matches("use_backend").count(), haproxy.matches("track-sc0").count()), (2, 1));
    }
}
