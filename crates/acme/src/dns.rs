//! DNS: look-ups that advise, and TXT records that prove.
//!
//! | module | in reading order |
//! |---|---|
//! | `lookup` | recursive resolvers: bounded look-ups, nothing remembered for long |
//! | `facts` | [`Facts`]: what advice needs to know of a name |
//! | `sight` | does a name point here? Asked twice, lest an old answer be believed |
//! | `texts` | TXT records that prove something to the gateway itself |
//! | `txt` | the record of DNS-01, and where it must stand |
//! | `way` | [`Way`]: whose provider it is, and for whom it works |
//! | `provider` | puts it in place, and takes it away |
//! | `exec` | by a program of the operator |
//! | `turns` | and those of one tenant one after the other |
//! | `rfc2136` | by dynamic update |
//! | `acme_dns`, `post` | by acme-dns |
//! | `secret` | reads keys and credentials |
//! | `exchange` | one message to one server |
//! | `authority` | the servers of a zone |
//! | `propagation` | waits until they show the record |
//! | `reach` | where something that a tenant chose may lead |
//!
//! Whatever comes from DNS is hostile: counts and lengths are bounded, and what is shown is printable. Nothing here is
//! validated by DNSSEC: look-ups advise, and it is the CA that decides.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use tokio::time::{Instant, timeout};
use vestibule_certs::Vault;
use vestibule_names::{HostPattern, Hostname};

use crate::{
    config::Config,
    failure::{Asked, Failure, FailureKind},
    plan::Sight,
};

mod acme_dns;
mod authority;
mod exchange;
mod exec;
mod facts;
mod lookup;
mod post;
mod propagation;
mod provider;
pub(crate) mod reach;
mod rfc2136;
mod secret;
mod sight;
mod texts;
mod turns;
mod txt;
mod way;

pub use facts::{Facts, Resolution};
pub use texts::Texts;
pub use way::Way;

use authority::authorities;
use lookup::Lookups;
use propagation::{Seen, Witnesses, settle};
use provider::WayBack;
use reach::Reach;
use turns::Turns;
use txt::Txt;

/// How long a TXT record may take to be seen.
const PROPAGATION_LIMIT: Duration = Duration::from_secs(120);
/// How long the servers of its zone are searched for.
const SEARCH_LIMIT: Duration = Duration::from_secs(15);
/// Where servers of zones listen.
const DNS_PORT: u16 = 53;

/// Cheap to clone.
#[derive(Clone)]
pub struct Dns {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    lookups: Lookups,
    vault: Vault,
    gateway_uid: u32,
    authoritative_port: u16,
    /// How far the servers of zones may be that sights lead to: whoever has a name chooses them.
    sight_reach: Reach,
    propagation_limit: Duration,
    /// Programs run one at a time for each tenant.
    turns: Arc<Turns>,
}

/// A TXT record that is in place; [`Dns::withdraw`] takes it away. Dropped without that, it is left behind, and the log
/// says so.
#[derive(Debug)]
#[must_use]
pub struct Presented {
    txt: Txt,
    /// [`WayBack::None`]: withdrawn, or nothing that could be taken away.
    back: WayBack,
}

impl Dns {
    /// With the resolvers of the configuration, or the system's. Nobody is asked yet. Files of tenants are read, and TLS
    /// towards providers is made, through the vault.
    ///
    /// # Errors
    /// When no resolver can be set up at all.
    pub fn new(config: &Config, vault: Vault) -> Result<Self, Failure> {
        let lookups = Lookups::new(&config.resolvers).map_err(|error| {
            failed(FailureKind::Configuration, format!("the DNS resolvers cannot be used: {error}"))
        })?;
        let inner = Inner {
            lookups,
            vault,
            gateway_uid: rustix::process::geteuid().as_raw(),
            authoritative_port: DNS_PORT,
            sight_reach: Reach::Internet,
            propagation_limit: PROPAGATION_LIMIT,
            turns: Arc::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Asks the servers of zones at another port than 53: for networks that are made up.
    #[must_use]
    pub fn with_authoritative_port(mut self, port: u16) -> Self {
        Arc::make_mut(&mut self.inner).authoritative_port = port;
        self
    }

    /// Sights lead to servers of zones at any address, not only on the Internet: for networks that are made up.
    #[must_use]
    pub fn with_sights_anywhere(mut self) -> Self {
        Arc::make_mut(&mut self.inner).sight_reach = Reach::Anywhere;
        self
    }

    /// Waits at most this long until a record is seen, instead of two minutes.
    #[must_use]
    pub fn with_propagation_limit(mut self, limit: Duration) -> Self {
        Arc::make_mut(&mut self.inner).propagation_limit = limit;
        self
    }

    pub(crate) fn vault(&self) -> &Vault {
        &self.inner.vault
    }

    /// Everything that advice needs.
    pub async fn facts(&self, name: &Hostname) -> Facts {
        facts::collect(&self.inner.lookups, name).await
    }

    /// Does the name point here, as far as one can tell? (Hairpin NAT and split DNS make this lie: advice only.)
    ///
    /// A wildcard is looked up by a name below it. It needs no address to be proved, so it is never said to point elsewhere.
    ///
    /// Of a name on the Internet that seems not to point here, the servers of its zone are asked too: resolvers may remember
    /// for hours what was true before its owner mended it.
    pub async fn sight(&self, name: &HostPattern, ours: &[IpAddr]) -> Sight {
        sight::look(&self.inner, name, ours).await
    }

    /// Puts `_acme-challenge.NAME TXT VALUE` in place and waits until the authoritative servers show it, as long as that may
    /// take. Several values for one name (apex and wildcard) stand side by side.
    ///
    /// What a tenant chose leads only to servers on the Internet, and to files of that tenant.
    ///
    /// A CNAME at `_acme-challenge.NAME` is followed: the record is put where it leads. Whoever holds NAME decides that, so
    /// with a key of the operator's it may only lead to where [`Way`] says.
    ///
    /// # Errors
    /// `Configuration` for what must be corrected in the provider, `ValidationDns` for what DNS does not do; the sentence
    /// says what. Nothing is left in place then, as far as that can be seen to.
    pub async fn present(&self, way: Way<'_>, name: &Hostname, value: &str) -> Result<Presented, Failure> {
        let mut txt = Txt::new(name, value).map_err(|_| {
            failed(FailureKind::Rejected, format!("{name} is too long for a name with `_acme-challenge.` in front"))
        })?;
        if way.is_over() {
            return Err(no_time(name));
        }
        match self.inner.lookups.canonical(&txt.asked).await {
            Ok(target) => txt.target = target,
            Err(problem) => tracing::debug!(%name, %problem, "the alias of a challenge cannot be looked up"),
        }
        if !txt.is_plain() {
            let (name, target) = (txt.host, lookup::shown(&txt.target));
            let sentence =
                format!("the CNAME of _acme-challenge.{name} leads to {target}, which is no name for a TXT record");
            return Err(failed(FailureKind::ValidationDns, sentence));
        }
        way.check(&txt, self.inner.gateway_uid)?;
        let back = provider::put(&self.inner, &way, &txt).await?;
        let presented = Presented { txt, back };
        match self.propagate(&presented.txt, &way).await {
            Ok(()) => Ok(presented),
            Err(failure) => {
                self.withdraw(presented).await;
                Err(failure)
            }
        }
    }

    /// Takes it away again; best effort, told in the log.
    pub async fn withdraw(&self, mut presented: Presented) {
        let taken = provider::take(&self.inner, &presented.back, &presented.txt).await;
        presented.back = WayBack::None;
        if let Err(failure) = taken {
            tracing::warn!(name = presented.txt.shown(), %failure, "a TXT record of a challenge stays behind");
        }
    }

    async fn propagate(&self, txt: &Txt, way: &Way<'_>) -> Result<(), Failure> {
        let started = Instant::now();
        let deadline = way.end(started + self.inner.propagation_limit);
        let waited = deadline.saturating_duration_since(started);
        // The zone is the tenant's who holds the name, and so is the choice of its servers, whoever owns the provider.
        let reach = Reach::of(way.tenant, self.inner.gateway_uid);
        let search = authorities(&self.inner.lookups, &txt.target, reach, self.inner.authoritative_port);
        let found = timeout(SEARCH_LIMIT, search).await.unwrap_or_default();
        let (witnesses, asked) = if found.is_empty() {
            (Witnesses::Resolvers(self.inner.lookups.servers().to_vec()), &txt.asked)
        } else {
            (Witnesses::Authorities(found), &txt.target)
        };
        match settle(&witnesses, asked, &txt.value, deadline).await {
            Seen::Everywhere => Ok(()),
            Seen::Unknown => {
                tracing::warn!(
                    name = txt.shown(),
                    "no DNS server could confirm the TXT record: the CA is asked all the same"
                );
                Ok(())
            }
            Seen::Missing(server) => Err(failed(
                FailureKind::ValidationDns,
                format!(
                    "the TXT record at {} was put in place, but the zone's name server {} does not show it after {} s: \
                     check that the DNS provider changes the zone that is served there",
                    txt.shown(),
                    server.ip(),
                    waited.as_secs()
                ),
            )),
        }
    }
}

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dns").field("resolvers", &self.inner.lookups.servers()).finish_non_exhaustive()
    }
}

impl Drop for Presented {
    fn drop(&mut self) {
        if !matches!(self.back, WayBack::None) {
            let (name, value) = (self.txt.shown(), &self.txt.value);
            tracing::warn!(name, value, "a TXT record of a challenge stays behind");
        }
    }
}

fn failed(kind: FailureKind, sentence: String) -> Failure {
    Failure { asked: Asked::Nobody, ..Failure::new(kind, sentence) }
}

/// The records of an order before this one took all the time that there is.
fn no_time(name: &Hostname) -> Failure {
    let sentence = format!(
        "there was no time left to put the TXT record of {name} in place: the DNS provider, or the name servers of other \
         names in its order, are slow"
    );
    failed(FailureKind::ValidationDns, sentence)
}
