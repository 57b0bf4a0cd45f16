//! The same job in each proxy's own words: one worker, TLS 1.3, h2 and HTTP/1.1, the three `X-Forwarded-*` headers,
//! upstream connections kept; which [`Job`] it is, and on which [`Terms`].

mod apache;
mod caddy;
mod haproxy;
mod nginx;
mod origin;
mod vestibule;

use std::{net::SocketAddr, path::Path};

pub(in crate::bench) use self::{
    apache::apache,
    caddy::caddy,
    haproxy::{haproxy, map as haproxy_map},
    nginx::nginx,
    origin::origin,
    vestibule::{SiteFile, settings, sites},
};

/// Idle upstream connections that are kept: more than any workload has requests at once.
const KEPT: u32 = 512;
/// A limit that is counted and never reached.
const PLENTY: u32 = 1_000_000;

/// What a proxy may do beyond the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Terms {
    /// No limit that a load would meet, no access log.
    Load,
    /// Limits and waits as its package ships them.
    Shipped,
    /// What a box has on: the access log, a look at the metrics every second, the hosts those of a tenant whose limits are
    /// counted, or the nearest to it that the proxy has a word for.
    Everything,
}

/// Which hosts a proxy serves, and what is behind them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Job {
    /// `localhost`, and an nginx that serves files.
    Files,
    /// `localhost`, and an origin of ours, which reads bodies and echoes WebSocket messages.
    Exchanges,
    /// Ten thousand names with a certificate each, and the files.
    Hosts,
}

/// One proxy's place: what its configuration is made from.
pub(in crate::bench) struct Setup<'a> {
    pub(in crate::bench) terms: Terms,
    pub(in crate::bench) job: Job,
    /// Its own folder.
    pub(in crate::bench) dir: &'a Path,
    /// The folder of all certificates.
    pub(in crate::bench) certificates: &'a Path,
    /// The names of [`Job::Hosts`].
    pub(in crate::bench) names: &'a [String],
    /// Where it serves TLS.
    pub(in crate::bench) listen: SocketAddr,
    /// Where it tells its figures, with everything on.
    pub(in crate::bench) metrics: SocketAddr,
    /// What it forwards to.
    pub(in crate::bench) origin: SocketAddr,
}

impl Setup<'_> {
    fn everything(&self) -> bool {
        self.terms == Terms::Everything
    }

    /// `text` where everything is on.
    fn with<'a>(&self, text: &'a str) -> &'a str {
        if self.everything() { text } else { "" }
    }
}
