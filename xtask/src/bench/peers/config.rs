//! The same job in each proxy's own words: one worker, TLS 1.3 with one certificate, h2 and HTTP/1.1, the three
//! `X-Forwarded-*` headers, upstream connections kept, no access log; and the [`Terms`] it is on.

use std::{net::SocketAddr, path::Path};

/// Idle upstream connections that are kept: more than any workload has requests at once.
const KEPT: u32 = 512;

/// What a proxy may do beyond the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Terms {
    /// No limit that a load would meet.
    Load,
    /// Limits and waits as its package ships them.
    Shipped,
}

/// What answers in the end: files from memory, and what it was told.
pub(in crate::bench) fn origin(dir: &Path, listen: SocketAddr) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/origin.pid; error_log {dir}/origin.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; sendfile on; tcp_nodelay on;
  open_file_cache max=16 inactive=1h; open_file_cache_valid 1h;
  keepalive_timeout 1h; keepalive_requests 1000000000;
{temporary}
  server {{
    listen {listen} backlog=4096; root {dir};
    location = /seen {{
      return 200 \"$connection_requests $http_x_forwarded_for $http_x_forwarded_proto $http_x_forwarded_host\";
    }}
  }}
}}
",
        temporary = temporary(&dir.to_string())
    )
}

/// nginx would make these folders where its package says.
fn temporary(dir: &str) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    kinds.map(|kind| format!("  {kind}_temp_path {dir}/{kind};\n")).concat()
}

/// The site file of the gateway.
pub(in crate::bench) fn site(certificate: &Path, origin: SocketAddr) -> String {
    let certificate = certificate.display();
    format!(
        "hosts: localhost\nupstream: {origin}\ntls: {{chain: {certificate}/chain.pem, key: {certificate}/key.pem}}\n"
    )
}

/// The settings of the gateway.
pub(in crate::bench) fn settings(terms: Terms) -> String {
    if terms == Terms::Shipped {
        return "log: {access: off}\n".to_owned();
    }
    format!("log: {{access: off}}\nlimits: {{connections_per_client: 100000, idle_upstream_connections: {KEPT}}}\n")
}

/// Without its own temporary files for long answers: on a slow disk they would be what is measured.
pub(in crate::bench) fn nginx(
    terms: Terms,
    dir: &Path,
    certificate: &Path,
    listen: SocketAddr,
    origin: SocketAddr,
) -> String {
    let (dir, certificate) = (dir.display(), certificate.display());
    let (connections, limits) = match terms {
        Terms::Load => {
            (8192, "  keepalive_timeout 300s; keepalive_requests 1000000000;\n  proxy_max_temp_file_size 0;\n")
        }
        Terms::Shipped => (768, ""),
    };
    format!(
        "daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections {connections}; }}
http {{
  access_log off; tcp_nodelay on;
{limits}{temporary}
  upstream origin {{ server {origin}; keepalive {KEPT}; keepalive_requests 1000000000; }}
  server {{
    listen {listen} ssl http2 backlog=4096; server_name localhost;
    ssl_certificate {certificate}/chain.pem; ssl_certificate_key {certificate}/key.pem; ssl_protocols TLSv1.3;
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection \"\";
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
}}
",
        temporary = temporary(&dir.to_string())
    )
}

/// `http-reuse always`: otherwise the first request of each client connection opens one upstream.
pub(in crate::bench) fn haproxy(terms: Terms, certificate: &Path, listen: SocketAddr, origin: SocketAddr) -> String {
    let certificate = certificate.display();
    let (connections, waits) = match terms {
        Terms::Load => (
            "  maxconn 4000\n",
            "  timeout connect 5s\n  timeout client 300s\n  timeout server 60s\n  timeout http-keep-alive 300s\n",
        ),
        Terms::Shipped => ("", "  timeout connect 5000\n  timeout client 50000\n  timeout server 50000\n"),
    };
    format!(
        "global
{connections}  nbthread 1
  ssl-default-bind-options ssl-min-ver TLSv1.3
defaults
  mode http
{waits}frontend tls
  bind {listen} backlog 4096 ssl crt {certificate}/both.pem alpn h2,http/1.1
  option forwardfor
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend origin
backend origin
  http-reuse always
  server origin {origin}
"
    )
}

/// Its proxy sets the forwarded headers by itself.
pub(in crate::bench) fn caddy(certificate: &Path, listen: SocketAddr, origin: SocketAddr) -> String {
    let (certificate, port) = (certificate.display(), listen.port());
    format!(
        "{{
	admin off
	auto_https off
	servers {{
		protocols h1 h2
	}}
}}
https://localhost:{port} {{
	bind {ip}
	tls {certificate}/chain.pem {certificate}/key.pem {{
		protocols tls1.3
	}}
	reverse_proxy {origin} {{
		transport http {{
			keepalive_idle_conns {KEPT}
			keepalive_idle_conns_per_host {KEPT}
			compression off
		}}
	}}
}}
",
        ip = listen.ip()
    )
}

/// The event MPM in one process; its proxy sets `X-Forwarded-For` and `-Host` by itself.
pub(in crate::bench) fn apache(dir: &Path, certificate: &Path, listen: SocketAddr, origin: SocketAddr) -> String {
    let (dir, certificate) = (dir.display(), certificate.display());
    let modules = ["mpm_event", "authz_core", "socache_shmcb", "ssl", "http2", "headers", "proxy", "proxy_http"];
    let modules = modules.map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"));
    format!(
        "{modules}ServerName localhost
ServerRoot {dir}
DefaultRuntimeDir {dir}
PidFile {dir}/apache.pid
ErrorLog {dir}/error.log
Listen {listen}
ListenBacklog 4096
StartServers 1
ServerLimit 1
ThreadLimit 128
ThreadsPerChild 128
MaxRequestWorkers 128
AsyncRequestWorkerFactor 32
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 300
Protocols h2 http/1.1
SSLEngine on
SSLProtocol -all +TLSv1.3
SSLCertificateFile {certificate}/chain.pem
SSLCertificateKeyFile {certificate}/key.pem
ProxyPreserveHost On
RequestHeader set X-Forwarded-Proto https
ProxyPass / http://{origin}/
",
        modules = modules.concat()
    )
}
