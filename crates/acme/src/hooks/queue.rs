//! [`Queue`]: events that wait for hooks, in their order. Each kind has a bound of its own, and each tenant a part of it:
//! however many names of one tenant fail, neither the alarm of another nor news of certificates is pushed out.

use std::collections::VecDeque;

use super::told::Told;

/// Events of one kind that wait; beyond it the oldest of that kind is dropped.
const KIND_LIMIT: usize = 256;
/// Events of one kind and one tenant that wait; beyond it the oldest of them is dropped.
const TENANT_LIMIT: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<Told>);

impl Queue {
    /// Notes one. Returns what had to go for it.
    pub(super) fn push(&mut self, told: Told) -> Option<Told> {
        let is_of_kind = |other: &Told| other.word == told.word;
        let is_of_tenant = |other: &Told| other.word == told.word && other.tenant == told.tenant;
        let dropped = self
            .oldest_beyond(TENANT_LIMIT, is_of_tenant)
            .or_else(|| self.oldest_beyond(KIND_LIMIT, is_of_kind))
            .and_then(|place| self.0.remove(place));
        self.0.push_back(told);
        dropped
    }

    /// The one that came first.
    pub(super) fn pop(&mut self) -> Option<Told> {
        self.0.pop_front()
    }

    /// The place of the oldest such, if there is no room for another.
    fn oldest_beyond(&self, limit: usize, is_such: impl Fn(&Told) -> bool) -> Option<usize> {
        let mut places = self.0.iter().enumerate().filter(|(_, told)| is_such(told)).map(|(place, _)| place);
        let oldest = places.next()?;
        (places.count() + 1 >= limit).then_some(oldest)
    }
}

#[cfg(test)]
mod tests {
    use vestibule_names::TenantId;

    use super::*;

    fn told(word: &'static str, tenant: u32) -> Told {
        Told { word, tenant: TenantId(tenant), variables: Vec::new(), document: Vec::new() }
    }

    fn count(queue: &Queue, word: &str, tenant: u32) -> usize {
        queue.0.iter().filter(|told| told.word == word && told.tenant == TenantId(tenant)).count()
    }

    #[test]
    fn a_flood_of_one_tenant_pushes_out_only_its_own() {
        let mut queue = Queue::default();
        assert!(queue.push(told("expiring", 1)).is_none() && queue.push(told("failed", 1)).is_none());
        for _ in 0..10_000 {
            for word in ["failed", "quarantined", "obtained"] {
                let dropped = queue.push(told(word, 2));
                assert!(dropped.is_none_or(|dropped| (dropped.word, dropped.tenant) == (word, TenantId(2))));
            }
        }
        assert_eq!((count(&queue, "expiring", 1), count(&queue, "failed", 1)), (1, 1));
        assert_eq!(count(&queue, "failed", 2), TENANT_LIMIT);
        assert_eq!(queue.pop().unwrap().word, "expiring", "the first comes first");
    }

    #[test]
    fn a_flood_of_many_tenants_pushes_out_only_its_own_kind() {
        let mut queue = Queue::default();
        queue.push(told("renewed", 1));
        for tenant in 0..10_000 {
            queue.push(told("failed", tenant));
        }
        assert_eq!(count(&queue, "renewed", 1), 1);
        assert_eq!(queue.0.len(), KIND_LIMIT + 1);
        assert_eq!(queue.0.back().unwrap().tenant, TenantId(9_999), "the oldest goes");
    }
}
