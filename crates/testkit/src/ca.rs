//! A CA of the test's own, in process: it speaks ACME (RFC 8555, RFC 8737, RFC 8738, RFC 9773) as Let's Encrypt does, on
//! a clock of its own, within Let's Encrypt's limits, and goes wrong on order.
//!
//! ```no_run
//! # async fn example() {
//! use vestibule_testkit::ca::{Endpoint, Fault, RetryAfter, SimulatedCa};
//! let ca = SimulatedCa::start().await;
//! ca.inject(Endpoint::NewOrder, Fault::RateLimited(RetryAfter::Seconds(5)), 1);
//! // … a client is told `ca.directory()` and `ca.root_file()` …
//! assert_eq!(ca.most_per_set(), 1);
//! assert!(ca.violations().is_empty());
//! # }
//! ```
//!
//! It deliberately has no memory of a client beyond RFC 8555, no orders listed per account, no pre-authorization, no CAA
//! look-ups (a script says `caa`), and it does not give an unfinished order back for the same names.
//!
//! | module | what |
//! |---|---|
//! | [`rules`] | Let's Encrypt's limits as a pure model: what is refused, until when, how often somebody ran into them |
//! | `builder` | how it is started, and what it offers |
//! | `server`, `target`, `reply` | HTTPS, paths, responses and problem documents |
//! | `gate`, `jws` | who may have a request served |
//! | `account`, `orders`, `validate`, `issue`, `ari` | the resources |
//! | `state`, `clock` | what it knows, and what time it has |
//! | `inject`, `observe` | faults on order; what it saw |

mod account;
mod ari;
mod builder;
mod clock;
mod gate;
mod inject;
mod issue;
mod jws;
mod observe;
mod orders;
mod reply;
pub mod rules;
mod server;
mod state;
mod target;
mod validate;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use tempfile::TempDir;
use tokio::task::JoinHandle;

pub use builder::CaBuilder;
pub use clock::Clock;
pub use inject::{ALWAYS, Endpoint, Fault, Flaw, RetryAfter};
pub use observe::{Certificate, Order, Request};
pub use rules::Limits;
pub use validate::{Outcome, Validation};

use builder::Settings;
use issue::Authority;
pub use issue::identifier as renewal_identifier;
use jws::Key;
use orders::sorted;
use rules::Rule;

use state::{State, Status};

/// A running CA; ends on drop.
#[derive(Debug)]
pub struct SimulatedCa {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    dir: TempDir,
}

/// What requests are answered from.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    clock: Clock,
    /// `https://ADDRESS`.
    base: String,
    authority: Authority,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Drop for SimulatedCa {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What a client is told, and how the CA is changed while it runs.
impl SimulatedCa {
    /// With Let's Encrypt's limits and profiles, trusting every challenge, on the real clock.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// With something else.
    pub fn builder() -> CaBuilder {
        CaBuilder::default()
    }

    /// The URL of its directory.
    pub fn directory(&self) -> String {
        format!("{}/directory", self.shared.base)
    }

    /// PEM file of the root that its API's certificate is from.
    pub fn root_file(&self) -> PathBuf {
        self.dir.path().join("root.pem")
    }

    /// What a client of the certificates that it issues must trust: all its roots, PEM.
    pub fn issuing_roots(&self) -> String {
        self.shared.authority.roots_pem()
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// The next `times` requests to `endpoint` (or connections) get `fault`; [`ALWAYS`]: until [`SimulatedCa::heal`].
    /// Several for one endpoint come one after the other.
    pub fn inject(&self, endpoint: Endpoint, fault: Fault, times: usize) {
        self.shared.state().faults.add(endpoint, fault, times);
    }

    /// No more faults.
    pub fn heal(&self) {
        self.shared.state().faults.clear();
    }

    /// How many faults are still to come.
    pub fn faults_left(&self) -> usize {
        self.shared.state().faults.left()
    }

    /// What the validations of that name come to, one after the other; the last one stays. Empty: as [`Validation`] has it.
    pub fn script(&self, name: &str, outcomes: &[Outcome]) {
        self.shared.state().scripts.insert(name.to_owned(), outcomes.to_vec());
    }

    /// How challenges are validated from now on.
    pub fn validate(&self, validation: Validation) {
        self.shared.state().settings.validation = validation;
    }

    /// One more TXT value of that name (`_acme-challenge.a.test`), for [`Validation::Real`].
    pub fn set_txt(&self, name: &str, value: &str) {
        self.shared.state().txt.entry(name.to_owned()).or_default().insert(value.to_owned());
    }

    /// All TXT values of that name go.
    pub fn clear_txt(&self, name: &str) {
        self.shared.state().txt.remove(name);
    }

    /// How long certificates live from now on, with every profile and without.
    pub fn set_lifetime(&self, lifetime: Duration) {
        self.shared.state().settings.set_lifetime(lifetime);
    }

    /// The renewal window of one certificate, by its identifier.
    pub fn set_window(&self, certificate: &str, start: SystemTime, end: SystemTime) {
        self.shared.state().windows.insert(certificate.to_owned(), (start, end));
    }

    /// Every certificate so far shall be renewed at once: what a CA says before a mass revocation.
    pub fn renew_all_now(&self) {
        let now = self.shared.clock.now();
        let window = (now - Duration::from_secs(3600), now);
        let state = &mut *self.shared.state();
        let ids = state.certificates.iter().map(|issued| issued.seen.id.clone());
        state.windows.extend(ids.map(|id| (id, window)));
    }

    /// Every account is deactivated.
    pub fn deactivate_accounts(&self) {
        for account in &mut self.shared.state().accounts {
            account.status = Status::Deactivated;
        }
    }

    /// Every account is forgotten, with all its objects: a CA that was set up anew. Limits and observations stay.
    pub fn forget_accounts(&self) {
        for account in &mut self.shared.state().accounts {
            account.key = Key::nobodys();
        }
    }

    /// Orders that are not finished become invalid, as if their time had passed.
    pub fn expire_orders(&self) {
        let state = &mut *self.shared.state();
        let now = self.shared.clock.now();
        state.orders.iter_mut().for_each(|order| order.expires = now);
        state.sweep(now);
    }

    /// Of 100 good nonces, so many are refused.
    pub fn set_bad_nonces(&self, percent: u32) {
        self.shared.state().nonces.bad_percent = percent;
    }
}

/// What it saw.
impl SimulatedCa {
    /// All certificates, in order of issue.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.shared.state().certificates.iter().map(|issued| issued.seen.clone()).collect()
    }

    /// All orders, in order of arrival.
    pub fn orders(&self) -> Vec<Order> {
        let state = self.shared.state();
        let seen = |order: &state::Order| Order {
            account: format!("{}/account/{}", self.shared.base, order.account),
            names: sorted(&order.names),
            at: order.at,
            replaces: order.replaces.clone(),
            profile: order.profile.clone(),
            status: order.status.word(),
        };
        state.orders.iter().map(seen).collect()
    }

    /// How many certificates each exact set of names has.
    pub fn per_set(&self) -> BTreeMap<Vec<String>, usize> {
        let mut counts = BTreeMap::new();
        for certificate in self.certificates() {
            *counts.entry(certificate.names).or_default() += 1;
        }
        counts
    }

    /// The most that any set has.
    pub fn most_per_set(&self) -> usize {
        self.per_set().into_values().max().unwrap_or(0)
    }

    /// How many accounts were made.
    pub fn accounts(&self) -> usize {
        self.shared.state().accounts.len()
    }

    /// How often each limit was run into. Refusals on order do not count.
    pub fn violations(&self) -> BTreeMap<Rule, u64> {
        self.shared.state().rules.violations().clone()
    }

    /// All requests, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.state().log.clone()
    }

    /// How many requests an endpoint had.
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.shared.state().log.iter().filter(|request| request.endpoint == endpoint).count()
    }
}
