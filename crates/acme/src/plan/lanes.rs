//! [`Lanes`]: names that may be ordered now, in the order in which they should be: by urgency, then the tenant that was
//! served least, then the oldest.
//!
//! Each tenant has a virtual time that grows by one with each order. Whoever comes back from a pause starts at the
//! present, so nobody saves up turns and nobody loses them: ten thousand names of one tenant delay the first name of
//! another by at most the order that is being placed.

use std::collections::{BTreeSet, HashMap};

use vestibule_names::TenantId;

use super::slab::NameIx;
use crate::Timestamp;

/// How urgent a name is, and whether its order counts against the CA's limits. Earlier ones go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Lane {
    /// Little is left of its certificate, and `replaces` exempts it from the limits.
    UrgentExempt,
    /// Little or nothing is left of its certificate.
    Urgent,
    /// Its renewal is due and exempt.
    DueExempt,
    /// Its renewal is due.
    Due,
    /// It has no certificate yet.
    Fresh,
    /// Its certificate does not do what its site asks for now, and another one is not exempt.
    Changed,
    /// It has none and fails again and again, or DNS says that it will.
    Doubtful,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes {
    queues: [BTreeSet<(u64, TenantId)>; Lane::COUNT],
    sizes: [usize; Lane::COUNT],
    tenants: HashMap<TenantId, Turns>,
    /// The virtual time of whoever was served last.
    present: u64,
}

#[derive(Clone, Debug, Default)]
struct Turns {
    served: u64,
    in_flight: usize,
    ready: [BTreeSet<(Timestamp, NameIx)>; Lane::COUNT],
}

impl Lane {
    pub(super) const COUNT: usize = 7;
    pub(super) const ALL: [Self; Self::COUNT] =
        [Self::UrgentExempt, Self::Urgent, Self::DueExempt, Self::Due, Self::Fresh, Self::Changed, Self::Doubtful];

    /// Does what waits here wait for no budget?
    pub(super) fn is_exempt(self) -> bool {
        matches!(self, Self::UrgentExempt | Self::DueExempt)
    }

    /// Has what waits here no certificate that could be renewed?
    pub(super) fn is_first(self) -> bool {
        matches!(self, Self::Fresh | Self::Doubtful)
    }

    /// Is little left, so that another CA may be asked?
    pub(super) fn is_urgent(self) -> bool {
        matches!(self, Self::UrgentExempt | Self::Urgent)
    }
}

impl Lanes {
    pub(super) fn insert(&mut self, lane: Lane, tenant: TenantId, since: Timestamp, name: NameIx) {
        let turns = self.tenants.entry(tenant).or_default();
        let idle = turns.in_flight == 0 && turns.ready.iter().all(BTreeSet::is_empty);
        if idle {
            turns.served = turns.served.max(self.present);
        }
        if turns.ready[lane as usize].insert((since, name)) {
            self.sizes[lane as usize] += 1;
            self.queues[lane as usize].insert((turns.served, tenant));
        }
    }

    pub(super) fn remove(&mut self, lane: Lane, tenant: TenantId, since: Timestamp, name: NameIx) {
        let Some(turns) = self.tenants.get_mut(&tenant) else { return };
        if turns.ready[lane as usize].remove(&(since, name)) {
            self.sizes[lane as usize] -= 1;
            if turns.ready[lane as usize].is_empty() {
                self.queues[lane as usize].remove(&(turns.served, tenant));
            }
            self.forget_if_idle(tenant);
        }
    }

    /// How many names wait here.
    pub(super) fn size(&self, lane: Lane) -> usize {
        self.sizes[lane as usize]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sizes.iter().all(|size| *size == 0)
    }

    /// Whose turn it is in this lane. A tenant with `share` orders in flight stands back while others wait, and has no more than
    /// `alone` when nobody does.
    pub(super) fn turn(&self, lane: Lane, share: usize, alone: usize) -> Option<TenantId> {
        let queue = &self.queues[lane as usize];
        let mut at_their_share = 0;
        for (_, tenant) in queue {
            if self.tenants.get(tenant).is_some_and(|turns| turns.in_flight < share) {
                return Some(*tenant);
            }
            at_their_share += 1;
        }
        // All that wait here have their share. Only somebody who is alone in all lanes may have more.
        let tenant = queue.first().map(|(_, tenant)| *tenant).filter(|_| at_their_share == 1)?;
        let others = self.queues.iter().any(|queue| queue.iter().any(|(_, other)| *other != tenant));
        let few = self.tenants.get(&tenant).is_some_and(|turns| turns.in_flight < alone);
        (!others && few).then_some(tenant)
    }

    /// The oldest names of a tenant in a lane.
    pub(super) fn of(&self, lane: Lane, tenant: TenantId) -> impl Iterator<Item = NameIx> + '_ {
        self.tenants
            .get(&tenant)
            .into_iter()
            .flat_map(move |turns| turns.ready[lane as usize].iter().map(|(_, ix)| *ix))
    }

    /// An order of this tenant starts.
    pub(super) fn start(&mut self, tenant: TenantId) {
        let turns = self.tenants.entry(tenant).or_default();
        let (before, after) = (turns.served, turns.served.max(self.present) + 1);
        for (queue, ready) in self.queues.iter_mut().zip(&turns.ready) {
            if !ready.is_empty() {
                queue.remove(&(before, tenant));
                queue.insert((after, tenant));
            }
        }
        self.present = self.present.max(before);
        turns.served = after;
        turns.in_flight += 1;
    }

    /// An order of this tenant has ended.
    pub(super) fn end(&mut self, tenant: TenantId) {
        if let Some(turns) = self.tenants.get_mut(&tenant) {
            turns.in_flight = turns.in_flight.saturating_sub(1);
        }
        self.forget_if_idle(tenant);
    }

    /// A tenant without names and orders is remembered only while it is ahead of the present.
    fn forget_if_idle(&mut self, tenant: TenantId) {
        let Some(turns) = self.tenants.get(&tenant) else { return };
        let idle = turns.in_flight == 0 && turns.ready.iter().all(BTreeSet::is_empty);
        if idle && turns.served <= self.present {
            self.tenants.remove(&tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::slab::Number, *};

    const A: TenantId = TenantId(1);
    const B: TenantId = TenantId(2);

    fn fill(lanes: &mut Lanes, lane: Lane, tenant: TenantId, names: std::ops::Range<u32>) {
        for place in names {
            lanes.insert(lane, tenant, Timestamp(u64::from(place)), NameIx::from_place(place));
        }
    }

    /// Serves one name of a lane to its end.
    fn serve(lanes: &mut Lanes, lane: Lane) -> Option<(TenantId, NameIx)> {
        let tenant = lanes.turn(lane, usize::MAX, usize::MAX)?;
        let name = lanes.of(lane, tenant).next()?;
        lanes.remove(lane, tenant, Timestamp(name.place() as u64), name);
        lanes.start(tenant);
        lanes.end(tenant);
        Some((tenant, name))
    }

    #[test]
    fn tenants_take_turns_and_each_ones_oldest_goes_first() {
        let mut lanes = Lanes::default();
        fill(&mut lanes, Lane::Fresh, A, 0..1000);
        for _ in 0..500 {
            serve(&mut lanes, Lane::Fresh);
        }
        fill(&mut lanes, Lane::Fresh, B, 1000..1003);
        let order: Vec<u32> =
            (0..6).filter_map(|_| serve(&mut lanes, Lane::Fresh)).map(|(tenant, _)| tenant.0).collect();
        assert_eq!(order.iter().filter(|tenant| **tenant == 2).count(), 3);
        assert!(order[..2].contains(&2), "a newcomer waits for one turn at most: {order:?}");
    }

    #[test]
    fn whoever_has_a_share_stands_back_only_for_others() {
        let mut lanes = Lanes::default();
        fill(&mut lanes, Lane::Fresh, A, 0..10);
        lanes.start(A);
        lanes.start(A);
        assert_eq!(lanes.turn(Lane::Fresh, 2, 3), Some(A), "alone");
        assert_eq!(lanes.turn(Lane::Fresh, 2, 2), None, "alone, but what is left is for others");
        fill(&mut lanes, Lane::Due, B, 10..11);
        assert_eq!(lanes.turn(Lane::Fresh, 2, 3), None);
        assert_eq!(lanes.turn(Lane::Due, 2, 3), Some(B));
    }

    #[test]
    fn nothing_is_kept_of_tenants_that_are_gone() {
        let mut lanes = Lanes::default();
        for tenant in 0..100 {
            lanes.insert(Lane::Due, TenantId(tenant), Timestamp(u64::from(tenant)), NameIx::from_place(tenant));
        }
        while serve(&mut lanes, Lane::Due).is_some() {}
        assert!(lanes.is_empty());
        assert!(lanes.tenants.len() <= 100);
        fill(&mut lanes, Lane::Due, A, 0..5);
        while serve(&mut lanes, Lane::Due).is_some() {}
        assert!(lanes.tenants.len() <= 101);
    }
}
