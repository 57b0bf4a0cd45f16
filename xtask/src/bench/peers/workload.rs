//! [`Workload`]: the loads, and the command line that makes each.

use std::path::Path;

/// What the proxies are put under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(in crate::bench) enum Workload {
    /// HTTP/1.1, kept alive, 1 KiB answers.
    H1,
    /// HTTP/2, 1 KiB answers.
    H2,
    /// HTTP/1.1, kept alive, 64 KiB answers.
    #[value(name = "64k")]
    Medium,
    /// HTTP/1.1, kept alive, 16 MiB answers.
    #[value(name = "16m")]
    Large,
    /// A connection and a full TLS handshake for each request.
    Handshake,
    /// Memory of idle TLS connections.
    Idle,
}

/// Which program loads, for its output differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Generator {
    /// wrk, as fast as the proxy answers.
    Wrk,
    /// h2load with a duration, as fast as the proxy answers.
    H2load,
    /// h2load with so many new connections a second.
    H2loadRate,
}

/// New connections a second. Every client of h2load handshakes once and in full; wrk, and h2load when it reconnects,
/// would resume the session instead, which is another, cheaper job.
const CONNECTIONS_PER_SECOND: u32 = 1_000;

/// h2load sets its own lists over those of the OpenSSL settings, which wrk obeys.
const H2LOAD_TLS: &str = "--tls13-ciphers=TLS_AES_128_GCM_SHA256 --groups=X25519";

impl Workload {
    /// As the command line and the JSON name it.
    pub(in crate::bench) fn name(self) -> String {
        use clap::ValueEnum as _;
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// For people.
    pub(in crate::bench) fn title(self) -> &'static str {
        match self {
            Self::H1 => "HTTP/1.1, 64 keep-alive connections, 1 KiB",
            Self::H2 => "HTTP/2, 8 connections x 32 streams, 1 KiB",
            Self::Medium => "HTTP/1.1, 32 keep-alive connections, 64 KiB",
            Self::Large => "HTTP/1.1, 4 keep-alive connections, 16 MiB",
            Self::Handshake => "1,000 new TLS connections a second, one request each, 1 KiB",
            Self::Idle => "idle TLS connections, after one request each",
        }
    }

    /// How often: memory of idle connections hardly varies, and takes long.
    pub(in crate::bench) fn rounds(self, asked: u32) -> u32 {
        if self == Self::Idle { 1 } else { asked }
    }

    /// The file of the origin that is asked for.
    pub(in crate::bench) fn path(self) -> &'static str {
        match self {
            Self::H1 | Self::H2 | Self::Handshake | Self::Idle => "/1k",
            Self::Medium => "/64k",
            Self::Large => "/16m",
        }
    }

    /// How long that file is.
    pub(in crate::bench) fn body_bytes(self) -> u64 {
        match self {
            Self::H1 | Self::H2 | Self::Handshake | Self::Idle => 1 << 10,
            Self::Medium => 64 << 10,
            Self::Large => 16 << 20,
        }
    }

    /// What makes this load.
    pub(in crate::bench) fn generator(self) -> Generator {
        match self {
            Self::H1 | Self::Medium | Self::Large => Generator::Wrk,
            Self::H2 => Generator::H2load,
            Self::Handshake | Self::Idle => Generator::H2loadRate,
        }
    }

    /// The command line for so many seconds; `script` for wrk, `log` for h2load.
    pub(in crate::bench) fn command(self, url: &str, seconds: u32, script: &Path, log: &Path) -> Vec<String> {
        let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let (script, log) = (script.display(), log.display());
        match self.generator() {
            Generator::Wrk => {
                let connections = match self {
                    Self::Large => 4,
                    Self::Medium => 32,
                    _ => 64,
                };
                words(format!("wrk -t1 -c{connections} -d{seconds}s --timeout 10s -s {script} {url}"))
            }
            Generator::H2load => words(format!("h2load {H2LOAD_TLS} -t1 -c8 -m32 -D{seconds} --log-file={log} {url}")),
            Generator::H2loadRate => {
                let total = CONNECTIONS_PER_SECOND * seconds;
                let rate = CONNECTIONS_PER_SECOND / 100;
                let pace = format!("-r{rate} --rate-period=10ms");
                words(format!("h2load {H2LOAD_TLS} --h1 -t1 -c{total} -n{total} {pace} --log-file={log} {url}"))
            }
        }
    }
}
