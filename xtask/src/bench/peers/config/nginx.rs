//! nginx's words.

use std::fmt::Write as _;

use super::{Job, KEPT, PLENTY, Setup, Terms};

/// Without its own temporary files for long bodies: on a slow disk they would be what is measured.
pub(in crate::bench) fn nginx(setup: &Setup<'_>) -> String {
    let (dir, origin) = (setup.dir.display().to_string(), setup.origin);
    let (connections, limits) = match setup.terms {
        Terms::Shipped => (768, ""),
        Terms::Load | Terms::Everything => (
            8192,
            "  keepalive_timeout 300s; keepalive_requests 1000000000;
  proxy_max_temp_file_size 0; proxy_request_buffering off; client_max_body_size 0;\n",
        ),
    };
    let access = if setup.everything() {
        format!("  access_log {dir}/access.log combined buffer=64k flush=1s;\n")
    } else {
        "  access_log off;\n".to_owned()
    };
    format!(
        "daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections {connections}; }}
http {{
  tcp_nodelay on; ssl_protocols TLSv1.3;
  server_names_hash_bucket_size 128; server_names_hash_max_size 65536;
{access}{limits}{upgrade}{everything}{temporary}
  upstream origin {{ server {origin}; keepalive {KEPT}; keepalive_requests 1000000000; }}
{servers}}}
",
        upgrade = upgrade(setup.job).0,
        everything = everything(setup),
        temporary = temporary(&dir),
        servers = servers(setup),
    )
}

/// The limits of a host in its words, and where it tells its figures.
fn everything(setup: &Setup<'_>) -> String {
    if !setup.everything() {
        return String::new();
    }
    format!(
        "  limit_req_zone $server_name zone=rate:4m rate={PLENTY}r/s; limit_req zone=rate burst={PLENTY} nodelay;
  limit_conn_zone $server_name zone=open:4m; limit_conn open {most};
  server {{ listen {metrics}; access_log off; location / {{ stub_status; }} }}
",
        most = u16::MAX,
        metrics = setup.metrics,
    )
}

/// What WebSockets need, beside the value of `Connection`.
fn upgrade(job: Job) -> (&'static str, &'static str) {
    match job {
        Job::Exchanges => (
            "  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }\n",
            "$connection_upgrade; proxy_set_header Upgrade $http_upgrade",
        ),
        Job::Files | Job::Hosts => ("", "\"\""),
    }
}

fn servers(setup: &Setup<'_>) -> String {
    let (listen, certificates) = (setup.listen, setup.certificates.display());
    let connection = upgrade(setup.job).1;
    let server = |name: &str, stem: &str, socket: &str| {
        format!(
            "  server {{
    listen {listen} ssl http2{socket}; server_name {name};
    ssl_certificate {certificates}/{stem}.crt; ssl_certificate_key {certificates}/{stem}.key;
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection {connection};
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
    }}
  }}
"
        )
    };
    if setup.job != Job::Hosts {
        return server("localhost", "one", " backlog=4096");
    }
    let mut servers = String::new();
    for (number, name) in setup.names.iter().enumerate() {
        // The options of a socket are said once.
        let socket = if number == 0 { " backlog=4096" } else { "" };
        let _ = write!(servers, "{}", server(name, &format!("hosts/{name}"), socket));
    }
    servers
}

/// nginx would make these folders where its package says.
pub(super) fn temporary(dir: &str) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    kinds.map(|kind| format!("  {kind}_temp_path {dir}/{kind};\n")).concat()
}
