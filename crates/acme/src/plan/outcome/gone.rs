//! Orders that are of no use any more though nothing is wrong: the CA has forgotten them, they ran out between two runs, or
//! they rested on a proof that was not their tenant's.
//!
//! Not here: how that is found out (`client`).

use std::time::Duration;

use super::Flight;
use crate::{
    Timestamp,
    failure::{Failure, FailureKind},
    plan::{Planner, name::wait_after_setback, work::Randomness},
};

impl Planner {
    /// Nothing is wrong, so that its names go at once again, as any new order and within its budgets. After a second one in
    /// a row they wait as after any setback: a CA at which no order lasts is not asked for ever. A proof that failed between
    /// two runs says nothing of the CA, however often it happens: what bounds it is the budget of failed proofs, and that a
    /// run resumes an order once.
    pub(super) fn gone(
        &mut self,
        flight: &Flight,
        failure: &Failure,
        retry_after: Option<Duration>,
        now: Timestamp,
        random: &mut dyn Randomness,
    ) {
        let wait = retry_after.unwrap_or_else(|| wait_after_setback(self.setbacks_of(flight) + 1, random));
        for &ix in &flight.names {
            let name = &mut self.names[ix];
            let is_second = matches!(name.fate.last, Some((FailureKind::Gone, ..)));
            let unheard = failure.names.iter().any(|failed| failed.name == name.pattern);
            name.tell(FailureKind::Gone, &failure.sentence, now);
            if is_second && !(unheard && flight.resumed) {
                name.set_back(wait, now);
            }
            if unheard {
                self.authorization_failed(ix, flight, now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{CaConfig, CaLimits, ChallengeKind, Config, SiteOptions},
        failure::NameFailure,
        plan::{Job, JobId, Order, Work},
    };
    use vestibule_certs::store::CaId;
    use vestibule_names::{HostPattern, SiteId, TenantId};

    const START: Timestamp = Timestamp(1_800_000_000_000);
    const DAY: Duration = Duration::from_hours(24);

    struct Half;

    impl Randomness for Half {
        fn fraction(&mut self) -> f64 {
            0.5
        }
    }

    /// Of a CA that takes so many orders a week, and with what was durable of an earlier run.
    fn planner(orders: u32, before: Option<Planner>) -> Planner {
        let mut ca = CaConfig::new(CaId::new("ca").unwrap(), "https://ca.example/directory");
        ca.limits = CaLimits::lets_encrypt();
        (ca.limits.orders.count, ca.limits.orders.window) = (orders, DAY * 7);
        let config = Config { advisory_checks: false, ..Config::new(vec![ca]) };
        let records = before.map(|mut before| before.records()).unwrap_or_default();
        Planner::restore(config, records, &[], START)
    }

    fn want(planner: &mut Planner, tenant: u32, name: &str) {
        let names = [HostPattern::parse(name).unwrap()];
        planner.want(&SiteId::new(name), TenantId(tenant), &names, &SiteOptions::default(), START);
    }

    fn next(planner: &mut Planner, now: Timestamp) -> Option<(JobId, Order)> {
        match planner.next(now, &mut Half)? {
            Job { id, work: Work::Order(order) } => Some((id, order)),
            _ => None,
        }
    }

    fn gone() -> Failure {
        Failure::new(FailureKind::Gone, "gone")
    }

    #[test]
    fn an_order_that_ran_out_between_two_runs_costs_just_one_new_order() {
        let mut before = planner(2, None);
        want(&mut before, 1, "a.com");
        let (_, order) = next(&mut before, START).expect("a first order");
        let mut planner = planner(2, Some(before));
        want(&mut planner, 1, "a.com");
        let resumed = planner.resumed(order, START);
        assert!(next(&mut planner, START).is_none(), "it is in flight");
        planner.ordered(resumed, Err(gone()), START, &mut Half);
        let status = planner.status_of(&HostPattern::parse("a.com").unwrap(), START).expect("it is wanted");
        assert_eq!((status.failures, status.failure.map(|(kind, ..)| kind)), (0, Some(FailureKind::Gone)));
        assert!(next(&mut planner, START).is_some(), "at once");
        want(&mut planner, 2, "b.com");
        assert!(next(&mut planner, START).is_none(), "both orders were counted");
    }

    #[test]
    fn a_ca_at_which_no_order_lasts_is_not_asked_for_ever_and_holds_up_nobody_else() {
        let mut planner = planner(1000, None);
        want(&mut planner, 1, "a.com");
        let (mut now, mut orders) = (START, Vec::new());
        while now < START.after(DAY) {
            match next(&mut planner, now) {
                Some((job, _)) => {
                    orders.push(now.since(START).as_secs());
                    planner.ordered(job, Err(gone()), now, &mut Half);
                }
                None => now = planner.wake_at().expect("something to wait for").max(Timestamp(now.0 + 1)),
            }
        }
        assert_eq!(orders[..4], [0, 0, 60, 660], "the second at once, then as after any setback: {orders:?}");
        assert!(orders.len() <= 7, "{orders:?}");
        want(&mut planner, 2, "b.com");
        assert!(next(&mut planner, now).is_some_and(|(_, order)| order.tenant == TenantId(2)));
    }

    fn unheard(order: &Order) -> Failure {
        let failed = NameFailure {
            name: order.names[0].clone(),
            kind: FailureKind::ValidationConnection,
            challenge: Some(ChallengeKind::Http01),
            sentence: "nobody answered".to_owned(),
        };
        Failure { names: vec![failed], ..gone() }
    }

    #[test]
    fn a_proof_that_failed_unheard_is_counted_and_its_name_is_not_blamed() {
        let mut planner = planner(1000, None);
        want(&mut planner, 1, "a.com");
        let (job, order) = next(&mut planner, START).expect("a first order");
        planner.ordered(job, Err(unheard(&order)), START, &mut Half);
        assert!(planner.cas[0].failed.contains_key("a.com"));
        let (job, order) = next(&mut planner, START).expect("at once");
        planner.ordered(job, Err(unheard(&order)), START, &mut Half);
        assert!(next(&mut planner, START).is_none(), "no restart explains the second one");
    }

    #[test]
    fn proofs_that_restarts_cut_short_are_repeated_at_once_as_long_as_the_ca_allows_it() {
        let mut before = planner(1000, None);
        want(&mut before, 1, "a.com");
        for run in 1..=4 {
            let (_, order) = next(&mut before, START).unwrap_or_else(|| panic!("an order of run {run}"));
            let mut after = planner(1000, Some(before));
            want(&mut after, 1, "a.com");
            let resumed = after.resumed(order.clone(), START);
            after.ordered(resumed, Err(unheard(&order)), START, &mut Half);
            before = after;
        }
        assert!(next(&mut before, START).is_none(), "one failed proof less than the CA's five an hour");
        let wait = before.wake_at().expect("it goes on").since(START);
        assert!(wait <= Duration::from_mins(15), "{wait:?}");
    }
}
