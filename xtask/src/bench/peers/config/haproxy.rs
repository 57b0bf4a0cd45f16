//! HAProxy's words.

use super::{Job, PLENTY, Setup, Terms};

/// `http-reuse always`: otherwise the first request of each client connection opens one upstream.
pub(in crate::bench) fn haproxy(setup: &Setup<'_>) -> String {
    let (listen, origin, certificates) = (setup.listen, setup.origin, setup.certificates.display());
    let (connections, waits) = match setup.terms {
        Terms::Shipped => ("", "  timeout connect 5000\n  timeout client 50000\n  timeout server 50000\n"),
        Terms::Load | Terms::Everything => (
            "  maxconn 8000\n",
            "  timeout connect 5s\n  timeout client 300s\n  timeout server 60s\n  timeout http-keep-alive 300s
  timeout tunnel 300s\n",
        ),
    };
    let (certificate, route) = match setup.job {
        Job::Files | Job::Exchanges => ("one.pem".to_owned(), "default_backend origin".to_owned()),
        Job::Hosts => {
            let map = format!("{}/hosts.map", setup.dir.display());
            ("both".to_owned(), format!("use_backend %[req.hdr(host),field(1,:),lower,map_str({map})]"))
        }
    };
    let (log, limits, metrics) = everything(setup);
    format!(
        "global
{connections}  nbthread 1
  ssl-default-bind-options ssl-min-ver TLSv1.3
{log}defaults
  mode http
{waits}frontend tls
  bind {listen} backlog 4096 ssl crt {certificates}/{certificate} alpn h2,http/1.1
  option forwardfor
  http-request set-header X-Forwarded-Proto https
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
{limits}  {route}
backend origin
  http-reuse always
  server origin {origin}
{metrics}"
    )
}

/// The lines of `global`, of the frontend, and a frontend for its figures. The log goes to standard output, which is a file.
fn everything(setup: &Setup<'_>) -> (&'static str, String, String) {
    if !setup.everything() {
        return ("", String::new(), String::new());
    }
    let limits = format!(
        "  log global
  option httplog
  stick-table type string len 64 size 20k expire 10s store http_req_rate(1s),conn_cur
  http-request track-sc0 req.hdr(host)
  http-request deny deny_status 429 if {{ sc0_http_req_rate gt {PLENTY} }}
  http-request deny deny_status 503 if {{ sc0_conn_cur gt {PLENTY} }}
"
    );
    let metrics =
        format!("frontend metrics\n  bind {}\n  http-request use-service prometheus-exporter\n", setup.metrics);
    ("  log stdout format raw local0\n", limits, metrics)
}

/// Which backend a name leads to.
pub(in crate::bench) fn map(setup: &Setup<'_>) -> String {
    setup.names.iter().map(|name| format!("{name} origin\n")).collect()
}
