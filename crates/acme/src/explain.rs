//! [`Explanation`]: what stands between a name and its certificate, step by step, each with what to do.
//!
//! [`look`] collects what can be seen from here (DNS, CAA, a connection to the name itself); [`judge`] makes sentences of it,
//! without asking anybody. All of it is advice: what a CA sees is another matter (hairpin NAT, split DNS), so that a
//! connection from here that fails is never more than a doubt.
//!
//! | module | in reading order |
//! |---|---|
//! | `probe` | what answers at the name's own addresses |
//! | `judge` | the steps, in the order in which things must work |
//! | `address` | the steps about DNS and IPv6 |
//! | `caa` | which CAs the name's CAA records allow |

use std::net::IpAddr;

use vestibule_certs::store::CaId;
use vestibule_names::HostPattern;

use crate::{
    Timestamp,
    client::Directory,
    config::ChallengeKind,
    dns::{Dns, Facts},
    plan::NameStatus,
};

mod address;
mod caa;
mod judge;
mod probe;

pub use judge::judge;
pub use probe::{Probe, Reached};

/// The whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The name asked about.
    pub name: String,
    /// In the order in which things must work.
    pub steps: Vec<Step>,
    /// In one sentence: what to do next, or that nothing is to be done.
    pub verdict: String,
}

/// One thing that must work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was looked at: `claim`, `dns`, `ipv6`, `caa`, `port 80`, `port 443`, `limits`, `ca`, `last attempt`.
    pub subject: &'static str,
    /// How it stands.
    pub standing: Standing,
    /// One sentence: what was found, and what to do if it is not good.
    pub sentence: String,
}

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it must be.
    Good,
    /// Not known, or may be a problem.
    Unclear,
    /// This stands in the way.
    Bad,
}

/// What the engine knows of a name that is to be explained.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The name.
    pub name: HostPattern,
    /// How it stands with the planner; `None`: no site wants a certificate of a CA for it.
    pub status: Option<NameStatus>,
    /// Which challenges may prove it, best first.
    pub challenges: Vec<ChallengeKind>,
    /// Can its site set TXT records?
    pub provider: Provider,
    /// The gateway's public addresses; empty: unknown.
    pub public_addresses: Vec<IpAddr>,
    /// The CA that is asked first.
    pub ca: CaId,
    /// What its directory says, or why it cannot be had, in words.
    pub directory: Result<Directory, String>,
    /// Our account there (its URL), for CAA records that name one (RFC 8657).
    pub account: Option<String>,
    /// Which limit of the CA the name waits for, in words.
    pub limit: Option<String>,
    /// For what is said of times.
    pub now: Timestamp,
}

/// Is there a provider of DNS-01?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Yes.
    Present,
    /// No.
    Missing,
}

/// What was seen from here.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// What DNS says; `None` where it does not matter (addresses).
    pub facts: Option<Facts>,
    /// What answered for HTTP at port 80, by address; nothing where no challenge of the name needs it.
    pub http: Vec<Probe>,
    /// What answered for TLS at port 443, by address; likewise.
    pub tls: Vec<Probe>,
}

/// Looks, and judges. Takes as long as DNS takes, and a few seconds more; never fails.
pub async fn look(dns: &Dns, subject: &Subject) -> Explanation {
    let mut findings = Findings::default();
    let (host, addresses) = match &subject.name {
        HostPattern::Address(address) => (address.to_string(), vec![*address]),
        // Only for its CAA records: a wildcard has no address of its own, and needs none.
        HostPattern::Wildcard(suffix) => {
            findings.facts = Some(dns.facts(suffix).await);
            return judge(subject, &findings);
        }
        HostPattern::Exact(name) => {
            let facts = dns.facts(name).await;
            let addresses = facts.addresses();
            findings.facts = Some(facts);
            (name.to_string(), addresses)
        }
    };
    let targets = probe::targets(&addresses, &subject.public_addresses);
    // A port that the CA does not come to says nothing.
    let targets_of = |kind| if subject.challenges.contains(&kind) { &*targets } else { &[] };
    let (clear, secure) = (targets_of(ChallengeKind::Http01), targets_of(ChallengeKind::TlsAlpn01));
    (findings.http, findings.tls) = tokio::join!(
        probe::all(clear, |address| probe::http(address, probe::HTTP_PORT, &host)),
        probe::all(secure, |address| probe::tls(address, probe::HTTPS_PORT, &host, dns.vault())),
    );
    judge(subject, &findings)
}

impl Step {
    fn new(subject: &'static str, standing: Standing, sentence: String) -> Self {
        Self { subject, standing, sentence }
    }
}
