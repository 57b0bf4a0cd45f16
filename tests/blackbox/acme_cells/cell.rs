//! [`Cell`]: one challenge for one kind of name set, as a site.

use std::net::Ipv4Addr;

use vestibule_testkit::Site;

/// One address cannot be two sites: that of TLS-ALPN-01.
pub(crate) const ALSO_AT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// See the module. All names lead to the loopback.
#[derive(Debug)]
pub(crate) struct Cell {
    /// By this and no other.
    pub(crate) challenge: &'static str,
    /// The site's hosts, sorted.
    pub(crate) hosts: &'static [&'static str],
    /// A host that only the last of them covers.
    pub(crate) last: &'static str,
}

const fn cell(challenge: &'static str, hosts: &'static [&'static str], last: &'static str) -> Cell {
    Cell { challenge, hosts, last }
}

/// All there are: DNS-01 proves no address (RFC 8738 section 7), and nothing else a wildcard (RFC 8555 section 7.1.3).
pub(crate) const CELLS: &[Cell] = &[
    cell("http-01", &["h.example.com"], "h.example.com"),
    cell("http-01", &["ha.example.com", "hb.example.net", "hc.example.org"], "hc.example.org"),
    cell("http-01", &["127.0.0.1"], "127.0.0.1"),
    cell("tls-alpn-01", &["t.example.com"], "t.example.com"),
    cell("tls-alpn-01", &["ta.example.com", "tb.example.net", "tc.example.org"], "tc.example.org"),
    cell("tls-alpn-01", &["127.0.0.2"], "127.0.0.2"),
    cell("dns-01", &["d.example.com"], "d.example.com"),
    cell("dns-01", &["da.example.com", "db.example.net", "dc.example.org"], "dc.example.org"),
    cell("dns-01", &["*.w.example.com", "w.example.com"], "any.w.example.com"),
];

impl Cell {
    /// The first host that is a name to visit.
    pub(crate) fn first(&self) -> &'static str {
        self.hosts.iter().find(|host| !host.starts_with('*')).unwrap()
    }

    /// The name of its site file.
    pub(crate) fn file(&self) -> String {
        format!("{}.yaml", self.first())
    }

    /// Its site. `acme`, since an address of the loopback is not public.
    pub(crate) fn site(&self) -> Site {
        let tls = format!("tls: {{certificate: acme, challenge: {}}}", self.challenge);
        Site::new(&self.hosts.join(", ")).respond(self.first()).line(&tls)
    }
}
