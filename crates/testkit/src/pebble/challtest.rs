//! [`ChallTestServer`]: a name server whose answers a test sets, for pebble and for our own look-ups.
//!
//! Only its DNS side is used; its own challenge servers stay off, because the gateway answers challenges. It gives no SOA
//! or NS, and no NXDOMAIN: an unknown name has the default address, and [`ChallTestServer::servfail`] is the way to fail.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::folder;
use crate::{
    Connection,
    client::whole,
    ports::Reserved,
    process::{Process, Program, require},
    wait::{PATIENCE, within},
};

/// A running `pebble-challtestsrv`. Every name has the address 127.0.0.1, and none for IPv6, until told otherwise.
/// Names are given without the trailing dot.
#[derive(Debug)]
pub struct ChallTestServer {
    process: Process,
    dns: SocketAddr,
    management: SocketAddr,
    _dir: TempDir,
}

impl ChallTestServer {
    /// Starts it.
    pub async fn start() -> Self {
        require("pebble-challtestsrv", "pebble");
        // The port must be free for UDP too, which only the start shows.
        for _ in 0..20 {
            if let Some(server) = Self::attempt().await {
                return server;
            }
        }
        panic!("pebble-challtestsrv found its ports taken again and again");
    }

    async fn attempt() -> Option<Self> {
        let (dns, management, dir) = (Reserved::tcp(), Reserved::tcp(), folder("vestibule-dns"));
        let (dns_address, management_address) = (dns.address().to_string(), management.address().to_string());
        let program = Program::new("pebble-challtestsrv")
            .args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv4", "127.0.0.1", "-defaultIPv6", ""])
            .args(["-dns01", &dns_address, "-management", &management_address]);
        dns.release();
        management.release();
        let process = program.start("challtestsrv", dir.path());
        let server = Self { process, dns: dns.address(), management: management.address(), _dir: dir };
        let ready = within(PATIENCE, || async {
            let ended = server.process.has_ended();
            (ended || server.is_ready().await).then_some(!ended)
        });
        ready.await.expect("pebble-challtestsrv in time").then_some(server)
    }

    async fn is_ready(&self) -> bool {
        // The management interface may be there before the DNS one.
        tokio::net::TcpStream::connect(self.dns).await.is_ok()
            && self.post("set-default-ipv4", &json!({ "ip": "127.0.0.1" })).await.is_some()
    }

    /// The address of its DNS, UDP and TCP.
    pub fn dns(&self) -> SocketAddr {
        self.dns
    }

    /// The URL of its management interface, for hooks of DNS-01: `POST URL/set-txt` with `{"host": "_acme-challenge.a.test.",
    /// "value": "…"}`, `POST URL/clear-txt` with `{"host": …}`.
    pub fn url(&self) -> String {
        format!("http://{}", self.management)
    }

    /// The address of names that have none of their own; empty: none.
    pub async fn default_ipv4(&self, address: &str) {
        self.tell("set-default-ipv4", json!({ "ip": address })).await;
    }

    /// The same for IPv6.
    pub async fn default_ipv6(&self, address: &str) {
        self.tell("set-default-ipv6", json!({ "ip": address })).await;
    }

    /// A records.
    pub async fn add_a(&self, name: &str, addresses: &[&str]) {
        self.tell("add-a", json!({ "host": absolute(name), "addresses": addresses })).await;
    }

    /// Back to the default.
    pub async fn clear_a(&self, name: &str) {
        self.tell("clear-a", json!({ "host": absolute(name) })).await;
    }

    /// AAAA records.
    pub async fn add_aaaa(&self, name: &str, addresses: &[&str]) {
        self.tell("add-aaaa", json!({ "host": absolute(name), "addresses": addresses })).await;
    }

    /// Back to the default.
    pub async fn clear_aaaa(&self, name: &str) {
        self.tell("clear-aaaa", json!({ "host": absolute(name) })).await;
    }

    /// CAA records: tag and value. Pebble itself does not look at them.
    pub async fn add_caa(&self, name: &str, records: &[(&str, &str)]) {
        let policies: Vec<_> = records.iter().map(|(tag, value)| json!({ "tag": tag, "value": value })).collect();
        self.tell("add-caa", json!({ "host": absolute(name), "policies": policies })).await;
    }

    /// None any more.
    pub async fn clear_caa(&self, name: &str) {
        self.tell("clear-caa", json!({ "host": absolute(name) })).await;
    }

    /// An alias, of one step.
    pub async fn set_cname(&self, name: &str, target: &str) {
        self.tell("set-cname", json!({ "host": absolute(name), "target": absolute(target) })).await;
    }

    /// No alias any more.
    pub async fn clear_cname(&self, name: &str) {
        self.tell("clear-cname", json!({ "host": absolute(name) })).await;
    }

    /// One more TXT record of that name.
    pub async fn set_txt(&self, name: &str, value: &str) {
        self.tell("set-txt", json!({ "host": absolute(name), "value": value })).await;
    }

    /// All TXT records of that name go.
    pub async fn clear_txt(&self, name: &str) {
        self.tell("clear-txt", json!({ "host": absolute(name) })).await;
    }

    /// Every question about that name fails.
    pub async fn servfail(&self, name: &str) {
        self.tell("set-servfail", json!({ "host": absolute(name) })).await;
    }

    /// No more.
    pub async fn clear_servfail(&self, name: &str) {
        self.tell("clear-servfail", json!({ "host": absolute(name) })).await;
    }

    /// The types (RFC 1035 section 3.2.2) of the questions asked about that name so far, in order.
    pub async fn asked(&self, name: &str) -> Vec<u64> {
        let text = self.tell("dns-request-history", json!({ "host": absolute(name).trim_end_matches('.') })).await;
        let history: Value = serde_json::from_str(&text).unwrap();
        let rows = history.as_array().into_iter().flatten();
        rows.filter_map(|row| row["Question"]["Qtype"].as_u64()).collect()
    }

    async fn tell(&self, command: &str, body: Value) -> String {
        self.post(command, &body).await.unwrap_or_else(|| panic!("pebble-challtestsrv refused {command} {body}"))
    }

    async fn post(&self, command: &str, body: &Value) -> Option<String> {
        let mut connection = Connection::clear(self.management, "localhost").await.ok()?;
        let request = connection.request(&format!("/{command}")).method("POST").body(whole(body.to_string())).unwrap();
        let answer = connection.answer(request).await.ok()?;
        (answer.status == 200).then(|| answer.text())
    }
}

fn absolute(name: &str) -> String {
    format!("{}.", name.trim_end_matches('.'))
}
