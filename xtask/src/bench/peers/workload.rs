//! [`Workload`]: the loads, by name, and what makes each.

use vestibule_testkit::Protocol;

use super::{config::Job, open::visits::Visits};

/// What the proxies are put under, in the order of measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(in crate::bench) enum Workload {
    /// HTTP/1.1, kept alive, 1 KiB answers.
    H1,
    /// The same, every proxy at the same rate.
    H1Even,
    /// HTTP/2, 1 KiB answers.
    H2,
    /// The same, every proxy at the same rate.
    H2Even,
    /// HTTP/1.1, kept alive, 64 KiB answers.
    #[value(name = "64k")]
    Medium,
    /// The same, every proxy at the same rate.
    #[value(name = "64k-even")]
    MediumEven,
    /// HTTP/1.1, kept alive, 16 MiB answers.
    #[value(name = "16m")]
    Large,
    /// Bodies of 1 MiB with a length.
    #[value(name = "upload-1m")]
    Upload,
    /// Bodies of 1 MiB in chunks.
    UploadChunked,
    /// Bodies of 16 MiB with a length.
    #[value(name = "upload-16m")]
    UploadLarge,
    /// A connection and a full TLS handshake for each request.
    Handshake,
    /// A connection and a resumed TLS session for each request.
    HandshakeResumed,
    /// Small messages over many WebSockets.
    Websocket,
    /// Ten thousand names with a certificate each.
    Hosts,
    /// Two thousand slow clients, and a normal load beside them.
    Slow,
    /// One answer in a hundred is an error of the origin's.
    Errors,
    /// Memory of idle TLS connections.
    Idle,
    /// The same with HTTP/2.
    IdleH2,
}

/// What makes a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Load {
    /// wrk, as fast as the proxy answers.
    Wrk { connections: u32, ask: Ask },
    /// h2load with a duration, as fast as the proxy answers.
    H2load,
    /// Our own clients, on connections that stay open, at 70% of what the slowest proxy reached under the other load.
    Even { of: Workload, protocol: Protocol, connections: u32 },
    /// Our own clients, who come anew.
    Visits(Visits),
    /// Our own WebSockets.
    Messages,
    /// Our own clients, most of them slow.
    Slow,
    /// Our own clients, who ask once and stay.
    Idle(Protocol),
}

/// What wrk asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The file.
    File,
    /// The file, and one time in a hundred something that goes wrong.
    FileOrError,
    /// That somebody takes a body with a length.
    Whole,
    /// That somebody takes a body in chunks.
    Chunked,
}

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

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
            Self::H1Even => "the same at equal load, 70% of what the slowest reached",
            Self::H2 => "HTTP/2, 8 connections x 32 streams, 1 KiB",
            Self::H2Even => "the same at equal load, 70% of what the slowest reached",
            Self::Medium => "HTTP/1.1, 32 keep-alive connections, 64 KiB",
            Self::MediumEven => "the same at equal load, 70% of what the slowest reached",
            Self::Large => "HTTP/1.1, 4 keep-alive connections, 16 MiB",
            Self::Upload => "uploads, 16 keep-alive connections, 1 MiB with Content-Length",
            Self::UploadChunked => "uploads, 16 keep-alive connections, 1 MiB in chunks of 16 KiB",
            Self::UploadLarge => "uploads, 4 keep-alive connections, 16 MiB with Content-Length",
            Self::Handshake => "1,000 new TLS connections a second, full handshakes, one request each, 1 KiB",
            Self::HandshakeResumed => "1,000 new TLS connections a second, resumed, one request each, 1 KiB",
            Self::Websocket => "10,000 WebSocket messages of 64 bytes a second, echoed, on 250 connections",
            Self::Hosts => "10,000 hosts by Zipf's law, 300 new TLS connections a second, ten requests each, 1 KiB",
            Self::Slow => "1,000 slow readers and 1,000 slow writers beside 2,000 requests a second, 1 KiB",
            Self::Errors => "HTTP/1.1, 64 keep-alive connections, 1 KiB, one answer in a hundred fails at the origin",
            Self::Idle => "idle TLS connections of HTTP/1.1, after one request each",
            Self::IdleH2 => "idle TLS connections of HTTP/2, after one request each",
        }
    }

    /// How often: memory of idle connections hardly varies, and takes long.
    pub(in crate::bench) fn rounds(self, asked: u32) -> u32 {
        if matches!(self.load(), Load::Idle(_)) { 1 } else { asked }
    }

    /// What makes it.
    pub(super) fn load(self) -> Load {
        let wrk = |connections, ask| Load::Wrk { connections, ask };
        let even = |of, protocol, connections| Load::Even { of, protocol, connections };
        match self {
            Self::H1 => wrk(64, Ask::File),
            Self::H1Even => even(Self::H1, Protocol::Http1, 64),
            Self::H2 => Load::H2load,
            Self::H2Even => even(Self::H2, Protocol::Http2, 8),
            Self::Medium => wrk(32, Ask::File),
            Self::MediumEven => even(Self::Medium, Protocol::Http1, 32),
            Self::Large => wrk(4, Ask::File),
            Self::Upload => wrk(16, Ask::Whole),
            Self::UploadChunked => wrk(16, Ask::Chunked),
            Self::UploadLarge => wrk(4, Ask::Whole),
            Self::Handshake => Load::Visits(Visits::FULL),
            Self::HandshakeResumed => Load::Visits(Visits::RESUMED),
            Self::Websocket => Load::Messages,
            Self::Hosts => Load::Visits(Visits::HOSTS),
            Self::Slow => Load::Slow,
            Self::Errors => wrk(64, Ask::FileOrError),
            Self::Idle => Load::Idle(Protocol::Http1),
            Self::IdleH2 => Load::Idle(Protocol::Http2),
        }
    }

    /// Which hosts, and what is behind them.
    pub(super) fn job(self) -> Job {
        match self {
            Self::Upload | Self::UploadChunked | Self::UploadLarge | Self::Websocket | Self::Slow => Job::Exchanges,
            Self::Hosts => Job::Hosts,
            _ => Job::Files,
        }
    }

    /// What is asked for.
    pub(in crate::bench) fn path(self) -> &'static str {
        match self {
            Self::Medium | Self::MediumEven => "/64k",
            Self::Large => "/16m",
            Self::Upload | Self::UploadChunked | Self::UploadLarge => "/count",
            Self::Websocket => "/ws",
            Self::Slow => "/whole/1024",
            _ => "/1k",
        }
    }

    /// How long the answer's body is, or of an upload the request's.
    pub(in crate::bench) fn body_bytes(self) -> u64 {
        match self {
            Self::Medium | Self::MediumEven => 64 * KIB,
            Self::Large | Self::UploadLarge => 16 * MIB,
            Self::Upload | Self::UploadChunked => MIB,
            Self::Websocket => 64,
            _ => KIB,
        }
    }
}
