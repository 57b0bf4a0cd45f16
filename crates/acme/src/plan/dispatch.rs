//! `next` and `wake_at`: what is to be done now, and when to ask again.

use vestibule_names::TenantId;

use super::{
    Planner, Timer,
    ca::{Gate, Holds, LIMIT_BEFORE_FAILOVER},
    group::{Group, Route},
    journal::Key,
    lanes::Lane,
    name::Waits,
    outcome::Flight,
    slab::NameIx,
    work::{Job, Order, Randomness, Work},
};
use crate::{Timestamp, failure::FailureKind};

impl Planner {
    /// The next thing to do now, if any. To be called until it says `None`; what it changed is in [`Planner::records`].
    pub fn next(&mut self, now: Timestamp, _random: &mut dyn Randomness) -> Option<Job> {
        self.tick(now);
        self.give_up_orphans(now);
        self.fire_timers(now);
        if let Some(job) = self.next_order(now) {
            return Some(job);
        }
        self.next_poll(now).or_else(|| self.next_look(now))
    }

    /// When to call [`Planner::next`] again, if nothing else happens.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let lanes = if self.lanes.is_empty() { None } else { self.lanes_wait };
        let orphans = (!self.orphans.is_empty()).then(Timestamp::default);
        let timer = self.timers.first().map(|(at, _)| *at);
        [lanes, orphans, timer, self.polls_wait(), self.looks_wait()].into_iter().flatten().min()
    }

    fn fire_timers(&mut self, now: Timestamp) {
        while let Some((at, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            match timer {
                Timer::Name(ix) => {
                    self.names[ix].quest.timer = None;
                    self.settle(ix, now);
                }
                Timer::Cert(ix) => self.phase_changed(ix, now),
                Timer::Sweep => self.sweep(now),
            }
        }
    }

    /// The most urgent order that every limit lets through. What is tried and stopped by a limit of its own is parked, so that
    /// nothing is tried twice.
    fn next_order(&mut self, now: Timestamp) -> Option<Job> {
        self.lanes_wait = None;
        if self.lanes.is_empty() {
            return None;
        }
        let slots = self.config.orders_at_once.max(1);
        if self.flights.len() >= slots {
            return None; // `ordered` comes
        }
        let share = (slots / 2).max(1);
        let alone = (slots - 1).max(1); // one stays free for whoever comes next
        for lane in Lane::ALL {
            if self.lanes.size(lane) == 0 {
                continue;
            }
            match self.lane_gate(lane, now) {
                Ok(()) => {}
                Err(wait) => {
                    self.lanes_wait = [self.lanes_wait, wait].into_iter().flatten().min();
                    continue;
                }
            }
            while let Some(tenant) = self.lanes.turn(lane, share, alone) {
                if let Some(job) = self.first_of(lane, tenant, now) {
                    self.lanes_wait = Some(Timestamp::default());
                    return Some(job);
                }
                if self.lane_gate(lane, now).is_err() {
                    break;
                }
            }
        }
        None
    }

    /// Is any CA open for what waits in this lane? Otherwise when to look again; `None`: when an order has ended.
    fn lane_gate(&self, lane: Lane, now: Timestamp) -> Result<(), Option<Timestamp>> {
        let mut wait: Option<Timestamp> = None;
        for (number, ca) in self.cas.iter().enumerate() {
            let (until, goes_on) = match ca.gate(lane.is_exempt(), now) {
                Gate::Open => return Ok(()),
                Gate::Down(until) => {
                    let given_up_at = (lane.is_first() && ca.health.outages > 0).then(|| ca.given_up_at());
                    let until = [until, given_up_at.filter(|at| *at > now)].into_iter().flatten().min();
                    (until, self.fails_over(number, lane, None, now))
                }
                Gate::Limited(until, _) => (Some(until), until.since(now) > LIMIT_BEFORE_FAILOVER),
            };
            wait = [wait, until].into_iter().flatten().min();
            if !goes_on {
                break;
            }
        }
        Err(wait)
    }

    /// What holds up what waits in a lane, and until when as far as known: the first CA's word, as lanes ask it.
    pub(super) fn lane_waits_for(&self, now: Timestamp) -> Option<(Waits, Timestamp)> {
        match self.cas.first()?.gate(false, now) {
            Gate::Open => None,
            Gate::Down(until) => Some((Waits::Ca, until.unwrap_or(now))),
            Gate::Limited(until, by) => Some((by.into(), until)),
        }
    }

    /// The first order of this tenant in this lane that can be placed.
    fn first_of(&mut self, lane: Lane, tenant: TenantId, now: Timestamp) -> Option<Job> {
        loop {
            let lead = self.lanes.of(lane, tenant).next()?;
            let route = match self.route(lead, lane, now) {
                Ok(route) => route,
                Err(wait) => {
                    if let Some(sentence) = &wait.sentence {
                        self.names[lead].tell(FailureKind::Configuration, sentence, now);
                        self.touch_name(lead);
                    }
                    self.park(lead, wait.until.max(Timestamp(now.0 + 1)), wait.why, now);
                    continue;
                }
            };
            let mates = self.mates_on_their_way(lead, lane, now);
            if let Some(wait) = mates.or_else(|| self.wildcard_on_its_way(lead, &route, now)) {
                self.park(lead, wait.until, wait.why, now);
                continue;
            }
            if let Some(job) = self.place(lead, lane, &route, now) {
                return Some(job);
            }
        }
    }

    /// Places the order that `lead` leads, unless its set of names was certified too often.
    fn place(&mut self, lead: NameIx, lane: Lane, route: &Route, now: Timestamp) -> Option<Job> {
        let Group { mut names, waiting } = self.group(lead, lane, route, now);
        names.sort_by(|a, b| self.names[*a].pattern.cmp(&self.names[*b].pattern));
        let (domains, set) = self.counted_under(&names);
        if !route.exempt {
            let free = self.cas[route.ca].certificates_free_at(&domains, set, now);
            if free > now {
                names.iter().for_each(|ix| self.park(*ix, free, Waits::Set, now));
                if !names.contains(&lead) {
                    self.park(lead, free, Waits::Set, now);
                }
                return None;
            }
        }
        for ix in waiting {
            let wait = Self::wait_for_wildcard(now);
            self.park(ix, wait.until, wait.why, now);
        }
        let id = self.job_id();
        let order = self.order_of(&names, lead, route);
        let holds = Holds { job: id, counted: !route.exempt, order: !route.exempt, domains, set };
        let flight = Flight { order: order.clone(), names, ca: Some(route.ca), holds, started: now, resumed: false };
        self.take_off(flight, now);
        self.cas[route.ca].probes(id, now);
        Some(Job { id, work: Work::Order(order) })
    }

    fn order_of(&self, names: &[NameIx], lead: NameIx, route: &Route) -> Order {
        let first = &self.names[lead];
        let patterns: Vec<_> = names.iter().map(|ix| self.names[*ix].pattern.clone()).collect();
        let learned = names.iter().find_map(|ix| self.names[*ix].fate.learned);
        let failed = if names.len() == 1 { first.fate.failed_with.as_slice() } else { &[] };
        // Of a name below a wildcard the wildcard's certificate is no predecessor.
        let renewed = first.cert.filter(|ix| names.iter().any(|of| self.certs[*ix].names(&self.names[*of])));
        let renews = renewed.map(|ix| {
            let cert = &self.certs[ix];
            let replaces = route.exempt && self.is_replaceable(cert, route.ca);
            (cert.issued.id(), if replaces { cert.issued.ari() } else { None })
        });
        Order {
            ca: self.cas[route.ca].id().clone(),
            tenant: first.tenant,
            challenges: route.terms.challenges_for(&patterns, learned, failed),
            names: patterns,
            renews,
            profile: route.terms.profile.clone(),
            key_type: route.terms.key_type,
            dns: route.terms.dns.clone(),
        }
    }

    /// An order is in flight from now on.
    pub(super) fn take_off(&mut self, flight: Flight, now: Timestamp) {
        let job = flight.holds.job;
        if let Some((issuance, Some(_))) = &flight.order.renews
            && let Some(ix) = self.cert_of(issuance)
        {
            self.certs[ix].replacing = true;
        }
        for &ix in &flight.names {
            self.unplace(ix);
            self.looks.cancel(&mut self.names[ix], ix);
            if self.only_differs(&self.names[ix], now) {
                self.names[ix].fate.change_ordered_at = Some(now);
                self.touch_name(ix);
            }
            let name = &mut self.names[ix];
            name.quest.flight = Some(job);
            name.unseen = false;
            name.quest.parked = None;
            name.fate.last_attempt = now;
        }
        if let Some(ca) = flight.ca {
            self.cas[ca].hold(&flight.holds);
        }
        self.lanes.start(flight.order.tenant);
        self.journal.touch(Key::Flight(job));
        self.flights.insert(job, flight);
    }
}
