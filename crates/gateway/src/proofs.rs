//! The `proofs` thread: looks in DNS for the records that prove that a tenant has a domain (`claims: {proof: dns-txt}`). It runs
//! only where the settings ask for proofs, and nothing waits for it.
//!
//! Not here: what needs a proof (`vestibule_vhost::claims`), and how DNS is asked (`vestibule_acme`).

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    net::SocketAddr,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;
use vestibule_acme::dns::Texts;
use vestibule_names::{Hostname, TenantId};
use vestibule_vhost::claims::proof_text;

use crate::house::House;

/// Between two looks at what is waited for.
const TICK: Duration = Duration::from_secs(2);
/// After a first look in vain; doubled each time.
const RETRY: Duration = Duration::from_secs(5);
/// Between two looks at one name at most.
const RETRY_MAX: Duration = Duration::from_secs(600);
/// Names looked up in one round, shared by the tenants in turns.
const ROUND_LIMIT: usize = 32;

/// One name that one tenant is to prove.
type Proof = (TenantId, Hostname);

/// A running thread; it ends when this is dropped.
pub(crate) struct ProofThread {
    _alive: Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl ProofThread {
    pub(crate) fn end(self) {
        drop(self._alive);
        // A look-up takes seconds at most; whoever stops does not wait for it.
        drop(self.thread);
    }
}

/// Starts the thread.
pub(crate) fn spawn(house: House, resolvers: Vec<SocketAddr>) -> io::Result<ProofThread> {
    let (alive, ended) = channel();
    let body = move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return tracing::error!(%error, "the proofs thread has no run time"),
        };
        runtime.block_on(async {
            match Texts::new(&resolvers) {
                Ok(texts) => watch(&house, &texts, &ended).await,
                Err(error) => tracing::error!(%error, "no proof can be looked for"),
            }
        });
        runtime.shutdown_background();
    };
    let thread = thread::Builder::new().name("proofs".to_owned()).spawn(body)?;
    Ok(ProofThread { _alive: alive, thread })
}

async fn watch(house: &House, texts: &Texts, ended: &Receiver<()>) {
    let mut calendar = Calendar::default();
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(TICK) {
        for (tenant, domain) in house.sites().proven_by_zone() {
            house.change(|sites| (sites.prove(tenant, &domain), ()));
        }
        let due = calendar.due(house.sites().unproven(), Instant::now());
        let mut round = JoinSet::new();
        for (tenant, domain) in due {
            let texts = texts.clone();
            round.spawn(async move {
                let found = texts.at(&format!("_vestibule.{domain}")).await;
                (tenant, domain, found)
            });
        }
        while let Some(done) = round.join_next().await {
            let Ok((tenant, domain, found)) = done else { continue };
            if is_proof(tenant, found.as_deref().unwrap_or_default()) {
                tracing::info!(%domain, %tenant, "a domain was proved");
                house.change(|sites| (sites.prove(tenant, &domain), ()));
            } else {
                let told = found.map_or_else(|why| why, |texts| format!("there is only: {}", texts.join(", ")));
                house.sites().note_proof((tenant, domain), told);
            }
        }
    }
}

/// One text of them must say it, exactly.
fn is_proof(tenant: TenantId, texts: &[String]) -> bool {
    let wanted = proof_text(tenant);
    texts.iter().any(|text| text.trim() == wanted)
}

/// When each name is looked up next.
#[derive(Default)]
struct Calendar {
    entries: HashMap<Proof, (Instant, Duration)>,
    /// Whose turn it was last: the next round begins with the tenant after it.
    last: Option<TenantId>,
}

impl Calendar {
    /// What is due now, of each tenant in turns; what is not waited for any more is forgotten.
    fn due(&mut self, waited_for: Vec<Proof>, now: Instant) -> Vec<Proof> {
        let mut known = std::mem::take(&mut self.entries);
        let mut by_tenant: BTreeMap<TenantId, Vec<(Instant, Proof)>> = BTreeMap::new();
        for proof in waited_for {
            let entry = known.remove(&proof).unwrap_or((now, RETRY));
            if entry.0 <= now {
                by_tenant.entry(proof.0).or_default().push((entry.0, proof.clone()));
            }
            self.entries.insert(proof, entry);
        }
        // The longest due first.
        by_tenant.values_mut().for_each(|due| due.sort_unstable_by(|a, b| b.cmp(a)));
        let mut turns: VecDeque<_> = by_tenant.into_iter().collect();
        let served = turns.iter().filter(|(tenant, _)| Some(*tenant) <= self.last).count();
        turns.rotate_left(served);
        let mut round = Vec::new();
        while round.len() < ROUND_LIMIT
            && let Some((tenant, mut due)) = turns.pop_front()
        {
            if let Some((_, proof)) = due.pop() {
                self.last = Some(tenant);
                round.push(proof);
                turns.push_back((tenant, due));
            }
        }
        for proof in &round {
            if let Some((next, wait)) = self.entries.get_mut(proof) {
                *next = now + *wait;
                *wait = (*wait * 2).min(RETRY_MAX);
            }
        }
        round
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(tenant: u32, name: &str) -> Proof {
        (TenantId(tenant), Hostname::parse(name).expect("a name"))
    }

    #[test]
    fn only_the_tenants_own_number_proves() {
        for (texts, expected) in [
            (&["uid=1000"][..], true),
            (&["v=spf1", " uid=1000 "], true),
            (&["uid=10000"], false),
            (&["uid=1000 uid=1001"], false),
            (&[], false),
        ] {
            let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(is_proof(TenantId(1000), &texts), expected, "{texts:?}");
        }
    }

    #[test]
    fn tenants_take_turns_and_looks_grow_rarer() {
        let (mut calendar, now) = (Calendar::default(), Instant::now());
        let mut all: Vec<_> = (0..100).map(|number| proof(1, &format!("n{number}.example"))).collect();
        all.push(proof(2, "only.example"));
        let first = calendar.due(all.clone(), now);
        assert_eq!((first.len(), first.contains(&proof(2, "only.example"))), (ROUND_LIMIT, true));
        let second = calendar.due(all.clone(), now);
        assert!(second.iter().all(|proof| !first.contains(proof)), "everybody comes round");
        let one = vec![proof(2, "only.example")];
        assert_eq!(calendar.due(one.clone(), now + RETRY - Duration::from_millis(1)), []);
        assert_eq!(calendar.due(one.clone(), now + RETRY), one);
        assert_eq!(calendar.due(one.clone(), now + RETRY * 2), []);
        assert_eq!(calendar.entries.len(), 1, "what nobody waits for is forgotten");
    }

    #[test]
    fn more_tenants_than_places_in_a_round_come_round_all_the_same() {
        let (mut calendar, now) = (Calendar::default(), Instant::now());
        // Forty tenants who always have a name that is due, and one behind them.
        let crowd = (1..=40).flat_map(|tenant| (0..50).map(move |number| proof(tenant, &format!("n{number}.example"))));
        let all: Vec<_> = crowd.chain([proof(9999, "only.example")]).collect();
        let rounds: Vec<_> = (0..3).map(|_| calendar.due(all.clone(), now)).collect();
        assert!(rounds.iter().all(|round| round.len() == ROUND_LIMIT));
        let of = |tenant| rounds.iter().flatten().filter(|proof| proof.0 == TenantId(tenant)).count();
        assert_eq!(of(9999), 1);
        assert!((1..=40).all(|tenant| (2..=3).contains(&of(tenant))), "everybody's turn comes as often");
    }
}
