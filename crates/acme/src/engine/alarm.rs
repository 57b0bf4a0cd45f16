//! [`Alarm`]: names whose certificate is near its end though a renewal should have come long before. CAs send no mail about
//! it any more, so this is the last word before visitors see it.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;
use vestibule_certs::store::{Entry, IssuanceId};

use super::{Ca, Event, desk::Desk};

const LOOK_EVERY: Duration = Duration::from_hours(1);
/// One issuance is told of once in this time.
const TELL_EVERY: Duration = Duration::from_hours(24);

#[derive(Debug)]
pub(super) struct Alarm {
    /// The part of a lifetime below which it is told.
    part: f64,
    look_at: Option<Instant>,
    told: HashMap<IssuanceId, Instant>,
}

impl Alarm {
    pub(super) fn new(part: f64) -> Self {
        Self { part, look_at: None, told: HashMap::new() }
    }

    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        if self.look_at.is_some_and(|at| now < at) {
            return false;
        }
        self.look_at = Some(now + LOOK_EVERY);
        self.told.retain(|_, at| now.saturating_duration_since(*at) < TELL_EVERY);
        true
    }

    fn is_near(&self, issued: &Entry, now: SystemTime) -> bool {
        let lifetime = issued.not_after().duration_since(issued.not_before()).unwrap_or_default();
        let left = issued.not_after().duration_since(now).unwrap_or_default();
        left.as_secs_f64() < lifetime.as_secs_f64() * self.part
    }

    fn is_news(&mut self, id: &IssuanceId) -> bool {
        let is_known = self.told.contains_key(id);
        if !is_known {
            self.told.insert(id.clone(), Instant::now());
        }
        !is_known
    }
}

impl<C: Ca, T: Fn(&Event)> Desk<C, T> {
    /// At the start and every hour: which wanted names are near the end of what they show?
    pub(super) fn look_for_alarms(&mut self) {
        if !self.alarm.is_due() {
            return;
        }
        let now = self.clock.time();
        let near: HashMap<IssuanceId, Arc<Entry>> = self
            .store
            .shared()
            .into_iter()
            .filter(|issued| self.alarm.is_near(issued, now))
            .map(|issued| (issued.id(), issued))
            .collect();
        if near.is_empty() {
            return;
        }
        for status in self.all().collect::<Vec<_>>() {
            let Some(issued) = status.issuance.and_then(|id| near.get(&id)) else { continue };
            if !self.alarm.is_news(&issued.id()) {
                continue;
            }
            let why = status.failure.map(|(_, sentence, _)| sentence);
            self.tell(&Event::Expiring { issued: issued.issued(), why });
        }
    }
}

#[cfg(test)]
mod tests {
    use vestibule_certs::{
        Fingerprint,
        store::{CaId, Draft, Issued, KeyType},
    };
    use vestibule_names::TenantId;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn issued(days: u32) -> Issued {
        let draft = Draft {
            tenant: TenantId(1),
            names: vec!["a.test".parse().unwrap()],
            ca: CaId::new("ca").unwrap(),
            profile: None,
            key_type: KeyType::default(),
            renews: None,
        };
        Issued {
            id: IssuanceId::new("0000000001-a.test"),
            draft,
            not_before: SystemTime::UNIX_EPOCH,
            not_after: SystemTime::UNIX_EPOCH + DAY * days,
            obtained: SystemTime::UNIX_EPOCH,
            ari: None,
            issuer: "".into(),
            fingerprint: Fingerprint::default(),
        }
    }

    #[test]
    fn near_is_a_part_of_the_lifetime() {
        let alarm = Alarm::new(0.2);
        for (lifetime, age, expected) in [(90, 71, false), (90, 73, true), (6, 4, false), (6, 5, true), (6, 7, true)] {
            let now = SystemTime::UNIX_EPOCH + DAY * age;
            assert_eq!(alarm.is_near(&issued(lifetime).into(), now), expected, "{lifetime} {age}");
        }
    }

    #[test]
    fn one_issuance_is_news_once() {
        let mut alarm = Alarm::new(0.2);
        let id = IssuanceId::new("0000000001-a");
        assert!(alarm.is_due() && !alarm.is_due());
        assert!(alarm.is_news(&id) && !alarm.is_news(&id));
        assert!(alarm.is_news(&IssuanceId::new("0000000002-a")));
    }
}
