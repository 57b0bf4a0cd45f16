//! Promise: the cells hold at a second real CA, which shares no code with pebble: Debian's caddy.
//!
//! What must be borne there: caddy answers a new order with an internal error (500) now and then, while other orders of the
//! same account go on. For each new order its library looks at all open orders of the account and stores what has become
//! of them; where the state of one changes in between because somebody else looks at it (we poll our orders, as RFC 8555
//! section 7.4 wants), the order is refused. An account may have many orders at a time, so that is caddy's defect, and
//! asking again after half a minute is all that is to be done.
//!
//! Left out, because caddy 2.6.2 has no such thing: bad nonces at will, reuse of authorizations, and account binding. Left
//! out, because its relays lead to one address only: a second site on an address by TLS-ALPN-01.

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use futures_util::future::join_all;
use tempfile::TempDir;
use tokio::time::sleep;
use vestibule_testkit::{
    ChallTestServer, Gateway, Site, caddy_ca::CaddyCa, certificate::Shown, client::Trust, ports::Reserved,
    rig::dns_hook, wait::within,
};

/// What the gateway says after such an answer: of the name that met it, and of those that wait for the next try.
const PASSING: [&str; 2] = ["The server experienced an internal error", "is not asked again before"];
/// For a few of them in a row: the gateway waits half a minute after the first one, and longer after the next.
const AFTER_TROUBLE: Duration = Duration::from_secs(240);

/// Name server, CA and gateway.
struct Ground {
    gateway: Gateway,
    caddy: CaddyCa,
    trust: Trust,
    _names: ChallTestServer,
    _dir: TempDir,
}

impl Ground {
    async fn start() -> Option<Self> {
        let (names, dir) = (ChallTestServer::start().await, tempfile::tempdir().unwrap());
        let (http, https) = (Reserved::tcp(), Reserved::tcp());
        let caddy = CaddyCa::start(&names, http.port(), https.port()).await?;
        let hook = dir.path().join("dns-hook");
        fs::write(&hook, dns_hook(&names.url())).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        let settings = format!(
            "acme:\n  agree: true\n  directory: \"{}\"\n  root: \"{}\"\n  resolvers: [\"{}\"]\n  \
             dns: {{default: {{exec: \"{}\"}}}}\n",
            caddy.directory(),
            caddy.root_file().display(),
            names.dns(),
            hook.display(),
        );
        let gateway = Gateway::builder().ports(&http, &https).settings(&settings).start().await;
        let trust = Trust::roots(&caddy.issuing_root());
        Some(Self { gateway, caddy, trust, _names: names, _dir: dir })
    }

    async fn shows_another_than(&self, hosts: &[&str], before: Option<&Shown>) -> Shown {
        let first = visited(hosts);
        let look = || async { self.gateway.shown(&self.trust, first).await.ok().filter(|shown| Some(shown) != before) };
        let shown = within(AFTER_TROUBLE, look).await;
        let shown = shown.unwrap_or_else(|| panic!("no other certificate of {first}: {}", self.caddy.log()));
        assert_eq!(shown.names(), hosts);
        shown
    }

    async fn all_show_another_than(&self, before: &[Option<Shown>]) -> Vec<Option<Shown>> {
        let each = CELLS
            .iter()
            .zip(before)
            .map(async |((_, hosts), old)| Some(self.shows_another_than(hosts, old.as_ref()).await));
        join_all(each).await
    }

    /// `vestibule certs VERB HOST …` for all cells at once.
    async fn command_all(&self, verb: &[&str]) {
        join_all(CELLS.iter().map(async |(_, hosts)| self.command(verb, visited(hosts)).await)).await;
    }

    /// As an operator does: while the CA's own trouble is the answer, it is said again a moment later. Nothing else is borne.
    async fn command(&self, verb: &[&str], host: &str) {
        let args = [&["certs"], verb, &[host, "--state", "state"]].concat();
        let say = || async {
            let output = self.gateway.commanded(&args).await;
            let refusal = String::from_utf8_lossy(&output.stderr);
            let passing = PASSING.iter().any(|words| refusal.contains(words)) && output.status.code() == Some(75);
            assert!(output.status.success() || passing, "{args:?}: {output:?}");
            if !output.status.success() {
                sleep(Duration::from_secs(1)).await;
            }
            output.status.success().then_some(())
        };
        assert!(within(AFTER_TROUBLE, say).await.is_some(), "{args:?}: the CA's trouble does not end");
    }

    /// Cuts a renewal of that cell off while it is in flight.
    async fn cut(&mut self, hosts: &[&str]) -> bool {
        let is_in_flight = |gateway: &Gateway| gateway.in_flight().iter().any(|names| names == hosts);
        let args = ["certs", "renew", visited(hosts), "--state", "state"];
        let look = || std::future::ready(is_in_flight(&self.gateway).then_some(()));
        let caught = tokio::select! {
            _ = self.gateway.commanded(&args) => false,
            caught = within(Duration::from_secs(20), look) => caught.is_some(),
        };
        if !caught {
            return false;
        }
        self.caddy.freeze();
        self.gateway.kill();
        let caught = is_in_flight(&self.gateway);
        self.gateway.restart().await;
        self.caddy.thaw();
        caught
    }
}

const CELLS: &[(&str, &[&str])] = &[
    ("http-01", &["h.example.com"]),
    ("http-01", &["ha.example.com", "hb.example.net", "hc.example.org"]),
    ("http-01", &["127.0.0.1"]),
    ("tls-alpn-01", &["t.example.com"]),
    ("tls-alpn-01", &["ta.example.com", "tb.example.net", "tc.example.org"]),
    ("dns-01", &["d.example.com"]),
    ("dns-01", &["da.example.com", "db.example.net", "dc.example.org"]),
    ("dns-01", &["*.w.example.com", "w.example.com"]),
];

/// The first host that is a name to visit.
fn visited<'a>(hosts: &[&'a str]) -> &'a str {
    hosts.iter().find(|host| !host.starts_with('*')).unwrap()
}

#[tokio::test]
async fn every_cell_at_a_second_ca() {
    let Some(mut ground) = Ground::start().await else { return };
    for (challenge, hosts) in CELLS {
        let tls = format!("tls: {{certificate: acme, challenge: {challenge}}}");
        let site = Site::new(&hosts.join(", ")).respond("a").line(&tls);
        ground.gateway.write(&format!("{}.yaml", visited(hosts)), &site);
    }
    let issued = ground.all_show_another_than(&[const { None }; CELLS.len()]).await;
    ground.command_all(&["renew"]).await;
    let renewed = ground.all_show_another_than(&issued).await;
    ground.command_all(&["revoke", "--yes"]).await;
    let replaced = ground.all_show_another_than(&renewed).await;
    for ((_, hosts), old) in CELLS.iter().zip(&replaced) {
        let mut caught = false;
        for _ in 0..10 {
            let before = ground.caddy.issued();
            caught = ground.cut(hosts).await;
            if caught {
                ground.shows_another_than(hosts, old.as_ref()).await;
                assert_eq!(ground.caddy.issued(), before + 1, "{hosts:?}");
                break;
            }
        }
        assert!(caught, "no order of {hosts:?} was caught in flight");
    }
}
