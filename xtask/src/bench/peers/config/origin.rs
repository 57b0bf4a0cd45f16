//! The origin of most workloads.

use std::{net::SocketAddr, path::Path};

use super::nginx::temporary;

/// What answers in the end: files from memory, what it was told, and two ways to go wrong. `tcp_nopush` has it send a head and a
/// small body in one segment, as most application servers do: each segment more is one that the proxy's core acknowledges.
pub(in crate::bench) fn origin(dir: &Path, listen: SocketAddr) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/origin.pid; error_log {dir}/origin.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;
  open_file_cache max=16 inactive=1h; open_file_cache_valid 1h;
  keepalive_timeout 1h; keepalive_requests 1000000000;
{temporary}
  server {{
    listen {listen} backlog=4096; root {dir};
    location = /seen {{
      return 200 \"$connection_requests $http_x_forwarded_for $http_x_forwarded_proto $http_x_forwarded_host\";
    }}
    location = /fails {{ return 502; }}
    location = /closes {{ return 444; }}
  }}
}}
",
        temporary = temporary(&dir.to_string())
    )
}
