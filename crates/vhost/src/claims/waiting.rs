//! [`Waiting`]: who waits for what. A wait has a ticket, and the longest wait comes first.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use vestibule_names::{HostPattern, Hostname, SiteId, TenantId};

/// What must go away before a name can be had.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Obstacle {
    /// This claim.
    Claim(HostPattern),
    /// Room for one more name of this tenant.
    Room(TenantId),
    /// The proof that this tenant has this domain.
    Proof(TenantId, Hostname),
}

/// A site that waits for a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiter {
    pub(super) site: SiteId,
    pub(super) tenant: TenantId,
    pub(super) name: HostPattern,
}

/// A name that a site could not have, and why.
pub(super) type Wish = (Obstacle, HostPattern);

/// Who waits. What a call costs depends on the wishes of its site, and on the queues it asks for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    /// By obstacle and ticket. No queue is empty.
    queues: HashMap<Obstacle, BTreeMap<u64, Waiter>>,
    /// The other way around. No entry is empty.
    wishes: HashMap<SiteId, Box<[(Wish, u64)]>>,
    /// Tickets are not persisted: after a start, sites wait in the order in which they are settled.
    next_ticket: u64,
}

impl Waiting {
    /// Makes these the wishes of a site. Where it waits already it keeps its place.
    pub(super) fn replace(&mut self, site: &SiteId, tenant: TenantId, wishes: Vec<Wish>) {
        let mut tickets: HashMap<_, _> = self.wishes.remove(site).unwrap_or_default().into_iter().collect();
        let mut kept = Vec::with_capacity(wishes.len());
        for wish in wishes {
            let ticket = tickets.remove(&wish).unwrap_or_else(|| {
                self.next_ticket += 1;
                self.next_ticket
            });
            let (obstacle, name) = wish.clone();
            self.queues.entry(obstacle).or_default().insert(ticket, Waiter { site: site.clone(), tenant, name });
            kept.push((wish, ticket));
        }
        for ((obstacle, _), ticket) in tickets {
            self.leave(obstacle, ticket);
        }
        if !kept.is_empty() {
            self.wishes.insert(site.clone(), kept.into());
        }
    }

    /// A site waits for room no more; its other wishes stay. Says whose room it was.
    pub(super) fn forgo_room(&mut self, site: &SiteId) -> Option<TenantId> {
        let tenant = self.room_of(site)?;
        let wishes = self.wishes.remove(site)?;
        let (room, kept): (Vec<_>, Vec<_>) =
            wishes.into_iter().partition(|((obstacle, _), _)| *obstacle == Obstacle::Room(tenant));
        for ((obstacle, _), ticket) in room {
            self.leave(obstacle, ticket);
        }
        if !kept.is_empty() {
            self.wishes.insert(site.clone(), kept.into());
        }
        Some(tenant)
    }

    /// Whose room a site waits for, if it does.
    pub(super) fn room_of(&self, site: &SiteId) -> Option<TenantId> {
        self.wishes.get(site)?.iter().find_map(|((obstacle, _), _)| match obstacle {
            Obstacle::Room(tenant) => Some(*tenant),
            Obstacle::Claim(_) | Obstacle::Proof(..) => None,
        })
    }

    /// Who waits for this, the longest wait first.
    pub(super) fn at(&self, obstacle: &Obstacle) -> impl Iterator<Item = &Waiter> + use<'_> {
        self.queues.get(obstacle).into_iter().flat_map(BTreeMap::values)
    }

    fn leave(&mut self, obstacle: Obstacle, ticket: u64) {
        if let Entry::Occupied(mut queue) = self.queues.entry(obstacle) {
            queue.get_mut().remove(&ticket);
            if queue.get().is_empty() {
                queue.remove();
            }
        }
    }

    /// Every wait, in no order.
    pub(super) fn all(&self) -> impl Iterator<Item = (&Obstacle, &Waiter)> {
        self.queues.iter().flat_map(|(obstacle, queue)| queue.values().map(move |waiter| (obstacle, waiter)))
    }

    /// The proofs that are waited for, in no order.
    pub(super) fn proofs(&self) -> impl Iterator<Item = (TenantId, &Hostname)> {
        self.queues.keys().filter_map(|obstacle| match obstacle {
            Obstacle::Proof(tenant, name) => Some((*tenant, name)),
            Obstacle::Claim(_) | Obstacle::Room(_) => None,
        })
    }
}

#[cfg(test)]
impl Waiting {
    /// How many waits there are, counted both ways.
    pub(super) fn counts(&self) -> (usize, usize) {
        assert!(
            self.queues.values().all(|queue| !queue.is_empty()) && self.wishes.values().all(|held| !held.is_empty())
        );
        (self.queues.values().map(BTreeMap::len).sum(), self.wishes.values().map(|wishes| wishes.len()).sum())
    }
}
