//! [`Door`]: what the gateway's workers ask before anything of a tenant's has a say: the answer to a CA's challenge, and
//! whether an order for a name is in flight. Shared by the workers and the engine; look-ups never wait for the engine.
//!
//! Two orders may cover one host at different times and overlap for a moment, so everything open is counted or numbered:
//! the end of one never closes what the other opened.
//!
//! Not here: whose names these are. The engine opens challenges only for names that the planner was told of, and the
//! gateway tells it only names that their tenant holds.

use std::{
    fmt::Write as _,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use dashmap::{DashMap, Entry};
use rustls::ServerConfig;
use tokio::sync::Notify;
use vestibule_names::HostPattern;

/// Challenges open at once, of each kind. Far beyond what a full set of orders in flight opens: only a leak comes here.
pub const OPEN_LIMIT: usize = 65_536;
/// Challenges open at once for one host, of each kind.
pub const OPEN_PER_HOST_LIMIT: usize = 32;
/// Bytes of a token. RFC 8555 section 8.3 asks for 128 bits at least, and CAs use 256.
pub const TOKEN_LIMIT: usize = 256;

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Door {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    next_number: AtomicU64,
    /// By host.
    http: DashMap<Box<str>, Vec<HttpChallenge>>,
    /// By server name.
    alpn: DashMap<Box<str>, Vec<AlpnChallenge>>,
    /// By host.
    flights: DashMap<Box<str>, Flight>,
    /// By the suffix of a wildcard.
    wildcard_flights: DashMap<Box<str>, Flight>,
}

#[derive(Debug)]
struct HttpChallenge {
    number: u64,
    token: Box<str>,
    answer: Arc<str>,
}

#[derive(Debug)]
struct AlpnChallenge {
    number: u64,
    config: Arc<ServerConfig>,
}

/// Orders in flight that cover one host.
#[derive(Debug, Default)]
struct Flight {
    orders: usize,
    ended: Arc<Notify>,
}

impl Door {
    /// The body of `/.well-known/acme-challenge/TOKEN` for this host (normal form: [`vestibule_names::HostRef::key`]), if a
    /// challenge for just this host is open (RFC 8555 section 8.3).
    pub fn key_authorization(&self, host: &str, token: &str) -> Option<Arc<str>> {
        let open = self.shared.http.get(host)?;
        open.iter().rev().find(|challenge| *challenge.token == *token).map(|challenge| Arc::clone(&challenge.answer))
    }

    /// The configuration for a handshake that offers exactly `acme-tls/1` for this server name (normal form; for an address
    /// its name under `in-addr.arpa` or `ip6.arpa`, RFC 8738 section 6), if a challenge for it is open (RFC 8737). Of
    /// several the latest: a server name is all that a handshake tells.
    pub fn alpn_config(&self, server_name: &str) -> Option<Arc<ServerConfig>> {
        self.shared.alpn.get(server_name)?.last().map(|challenge| Arc::clone(&challenge.config))
    }

    /// Is an order for this host in flight, by its name or by a wildcard above it?
    pub fn is_ordering(&self, host: &str) -> bool {
        self.flight(host).is_some()
    }

    /// Ends when no order for this host is in flight any more.
    pub async fn settled(&self, host: &str) {
        while let Some(ended) = self.flight(host) {
            // What wakes all waiters reaches this one from here on, polled or not; an order that ended before is seen by
            // the second look, so no end is missed.
            let end = ended.notified();
            if self.flight(host).is_some_and(|still| Arc::ptr_eq(&still, &ended)) {
                end.await;
            }
        }
    }

    /// Opens an HTTP-01 challenge until the guard is dropped. Nothing is opened for a token that is not base64url
    /// (RFC 8555 section 8.3), or beyond the limits of this module: see [`Opened::is_open`].
    pub fn open_http(&self, host: &str, token: &str, key_authorization: &str) -> Opened {
        if !is_token(token) {
            tracing::warn!(host, "the CA gave a token that is not base64url: its challenge stays closed");
            return self.nothing();
        }
        let number = self.number();
        let challenge = HttpChallenge { number, token: token.into(), answer: key_authorization.into() };
        match open(&self.shared.http, host, challenge) {
            Room::Left => self.guard(Closes::Http { host: host.into(), number }),
            Room::Full => self.nothing(),
        }
    }

    /// Opens a TLS-ALPN-01 challenge until the guard is dropped; nothing beyond the limits of this module.
    pub fn open_alpn(&self, server_name: &str, config: Arc<ServerConfig>) -> Opened {
        let number = self.number();
        match open(&self.shared.alpn, server_name, AlpnChallenge { number, config }) {
            Room::Left => self.guard(Closes::Alpn { server_name: server_name.into(), number }),
            Room::Full => self.nothing(),
        }
    }

    /// Names have an order in flight until the guard is dropped; `*.example.com` for every host that it matches.
    pub fn ordering(&self, hosts: Vec<String>) -> Opened {
        for host in &hosts {
            let (flights, key) = self.flights(host);
            flights.entry(key.into()).or_default().orders += 1;
        }
        self.guard(Closes::Flights(hosts))
    }

    fn flight(&self, host: &str) -> Option<Arc<Notify>> {
        let ended = |flight: dashmap::mapref::one::Ref<'_, Box<str>, Flight>| Arc::clone(&flight.ended);
        let exact = self.shared.flights.get(host).map(ended);
        exact.or_else(|| self.shared.wildcard_flights.get(host.split_once('.')?.1).map(ended))
    }

    fn flights<'a>(&self, host: &'a str) -> (&DashMap<Box<str>, Flight>, &'a str) {
        match host.strip_prefix("*.") {
            Some(suffix) => (&self.shared.wildcard_flights, suffix),
            None => (&self.shared.flights, host),
        }
    }

    fn number(&self) -> u64 {
        self.shared.next_number.fetch_add(1, Ordering::Relaxed)
    }

    fn guard(&self, closes: Closes) -> Opened {
        Opened { door: self.clone(), closes: Some(closes) }
    }

    fn nothing(&self) -> Opened {
        Opened { door: self.clone(), closes: None }
    }

    fn close(&self, closes: Closes) {
        match closes {
            Closes::Http { host, number } => close(&self.shared.http, &host, |open| open.number == number),
            Closes::Alpn { server_name, number } => {
                close(&self.shared.alpn, &server_name, |open| open.number == number)
            }
            Closes::Flights(hosts) => hosts.iter().for_each(|host| self.land(host)),
        }
    }

    fn land(&self, host: &str) {
        let (flights, key) = self.flights(host);
        let Entry::Occupied(mut flight) = flights.entry(key.into()) else { return };
        flight.get_mut().orders -= 1;
        if flight.get().orders == 0 {
            // Gone from the map before anybody is woken: whoever looks again sees that it has ended.
            let ended = flight.remove().ended;
            ended.notify_waiters();
        }
    }
}

/// Ends on drop what it was given for.
#[derive(Debug)]
#[must_use = "what was opened ends when this is dropped"]
pub struct Opened {
    door: Door,
    closes: Option<Closes>,
}

#[derive(Debug)]
enum Closes {
    Http { host: Box<str>, number: u64 },
    Alpn { server_name: Box<str>, number: u64 },
    Flights(Vec<String>),
}

impl Opened {
    /// False when nothing was opened: a malformed token, or a limit of this module.
    pub fn is_open(&self) -> bool {
        self.closes.is_some()
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        if let Some(closes) = self.closes.take() {
            self.door.close(closes);
        }
    }
}

/// The host under which a challenge over HTTP comes for this identifier: a name, or the text of an address (RFC 8738
/// section 4). What a wildcard stands for cannot be proved so (RFC 8555 section 8.3); its suffix is given.
pub fn http_host(name: &HostPattern) -> String {
    match name {
        HostPattern::Exact(host) | HostPattern::Wildcard(host) => host.as_str().to_owned(),
        HostPattern::Address(address) => address.to_string(),
    }
}

/// The server name with which a CA's handshake of `acme-tls/1` comes for this identifier: a name, or the reverse name of an
/// address (RFC 8738 section 6), since SNI carries no addresses.
pub fn alpn_server_name(name: &HostPattern) -> String {
    match name {
        HostPattern::Exact(host) | HostPattern::Wildcard(host) => host.as_str().to_owned(),
        HostPattern::Address(address) => reverse_name(*address),
    }
}

/// `7.2.0.192.in-addr.arpa` (RFC 1035 section 3.5), or 32 nibbles under `ip6.arpa` (RFC 3596 section 2.5).
fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let mut name = String::with_capacity(72);
            for octet in v6.octets().iter().rev() {
                // Writing to a `String` cannot fail.
                let _ = write!(name, "{:x}.{:x}.", octet & 0xf, octet >> 4);
            }
            name + "ip6.arpa"
        }
    }
}

enum Room {
    Left,
    Full,
}

/// The look at the size is not exact among threads, which a bound against leaks need not be; the engine is one thread.
fn open<T>(map: &DashMap<Box<str>, Vec<T>>, key: &str, challenge: T) -> Room {
    if map.len() >= OPEN_LIMIT {
        tracing::error!(key, "{OPEN_LIMIT} challenges are open: one more stays closed");
        return Room::Full;
    }
    let mut open = map.entry(key.into()).or_default();
    if open.len() >= OPEN_PER_HOST_LIMIT {
        tracing::warn!(key, "{OPEN_PER_HOST_LIMIT} challenges are open for one host: one more stays closed");
        return Room::Full;
    }
    open.push(challenge);
    Room::Left
}

fn close<T>(map: &DashMap<Box<str>, Vec<T>>, key: &str, is_it: impl Fn(&T) -> bool) {
    let Entry::Occupied(mut open) = map.entry(key.into()) else { return };
    open.get_mut().retain(|challenge| !is_it(challenge));
    if open.get().is_empty() {
        open.remove();
    }
}

/// RFC 8555 section 8.3: a token has only characters of base64url, without padding.
fn is_token(token: &str) -> bool {
    (1..=TOKEN_LIMIT).contains(&token.len())
        && token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests;
