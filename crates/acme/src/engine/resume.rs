//! Orders that an earlier run left behind: gone on with where they may still bring a certificate for somebody who wants
//! it, given up otherwise. What was paid for is used: nothing is ordered twice.
//!
//! Not here: what an earlier attempt of this run left. The client goes on with that when it is asked for the same again.

use std::collections::HashMap;

use futures_util::FutureExt as _;
use vestibule_certs::store::{Draft, IssuanceId, Pending};
use vestibule_names::{HostPattern, TenantId};

use super::{
    Ca, Event,
    desk::{Desk, ORDER_GRACE},
    lanes::{Ended, guarded},
    outcome::list,
};
use crate::{
    config::{CaConfig, Need, Profile, SiteOptions},
    plan::{self, Order},
};

/// Of which sites it is known what they want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// The first scan goes on: nothing can be said of what nobody seems to want.
    Some,
    All,
}

/// What becomes of an order of an earlier run.
enum Fate {
    Resume(Box<Order>),
    /// An order of this run has one of its names: it stays for the next attempt, or the next run.
    Leave,
    /// For this reason.
    GiveUp(String),
}

impl<C: Ca, T: Fn(&Event)> Desk<C, T> {
    /// Goes on with the orders of earlier runs. Gives orders up only when it is known who wants what.
    pub(super) fn resume_pending(&mut self, known: Known) {
        let wanted = self.wanted();
        let judged = self.store.pending().into_iter().map(|pending| (self.fate(&pending, &wanted), pending));
        for (fate, pending) in judged.collect::<Vec<_>>() {
            match fate {
                // Looked at again: of two left for one name, the first has just gone on.
                Fate::Resume(order) if !self.lanes.orders_any(order.tenant, &order.names) => {
                    self.resume(pending, *order);
                }
                Fate::GiveUp(why) if known == Known::All => {
                    let (Draft { ca, tenant, names, .. }, now) = (pending.draft(), self.clock.now());
                    match pending.order_url() {
                        None => self.planner.unconfirmed(ca, *tenant, names, now),
                        Some(_) => self.planner.cut_short(ca, *tenant, names, now),
                    }
                    give_up(pending, &why);
                }
                Fate::Resume(_) | Fate::GiveUp(_) | Fate::Leave => {}
            }
        }
    }

    fn resume(&mut self, pending: Pending, order: Order) {
        let Some((ca, config)) = self.ca(&order.ca) else { return };
        let limit = crate::client::longest_order(config, &order) + ORDER_GRACE;
        tracing::info!(names = %list(&order.names), ca = %order.ca, issuance = %pending.id(), "an order goes on");
        let job = self.planner.resumed(order.clone(), self.clock.now());
        let in_flight = self.in_flight(&order);
        let work = async move {
            let outcome = guarded(&order.ca, limit, ca.resume(pending, &order)).await;
            Ended::Order { job, outcome }
        };
        self.lanes.order(job, in_flight, work.boxed_local());
    }

    /// The names have their certificate: what other attempts left is of no use.
    pub(super) fn drop_leftovers(&self, order: &Order) {
        for pending in self.store.pending().into_iter().filter(|pending| is_for(pending.draft(), order)) {
            give_up(pending, "its names have a certificate by now");
        }
    }

    fn fate(&self, pending: &Pending, wanted: &HashMap<&HostPattern, (TenantId, &SiteOptions)>) -> Fate {
        let draft = pending.draft();
        let Some((_, ca)) = self.ca(&draft.ca) else {
            return Fate::GiveUp(self.unknown_ca(&draft.ca).sentence);
        };
        if self.lanes.orders_any(draft.tenant, &draft.names) {
            return Fate::Leave;
        }
        // Without a URL the CA may know of an order, but of none that could bring a certificate. The planner orders anew,
        // within the CA's limits.
        if pending.order_url().is_none() {
            return Fate::GiveUp("the CA had not confirmed it".to_owned());
        }
        let holders = || draft.names.iter().filter_map(|name| wanted.get(name));
        if holders().any(|(tenant, _)| *tenant != draft.tenant) {
            return Fate::GiveUp("another tenant holds one of its names by now".to_owned());
        }
        let Some((_, options)) = holders().next() else {
            return Fate::GiveUp("no site wants its names any more".to_owned());
        };
        if draft.names.iter().all(|name| self.has_newer(draft.tenant, name, pending.id())) {
            return Fate::GiveUp("its names have a certificate by now".to_owned());
        }
        Fate::Resume(Box::new(order_of(draft, ca, options)))
    }

    fn has_newer(&self, tenant: TenantId, name: &HostPattern, id: &IssuanceId) -> bool {
        self.store.find(tenant, name).is_some_and(|issued| issued.id > *id)
    }

    fn wanted(&self) -> HashMap<&HostPattern, (TenantId, &SiteOptions)> {
        self.planner.wanted_names().map(|wanted| (wanted.name, (wanted.tenant, wanted.options))).collect()
    }
}

/// Is this the same tenant's order of the same names? While one is in flight the planner begins no other.
fn is_for(draft: &Draft, order: &Order) -> bool {
    draft.tenant == order.tenant && draft.names == order.names
}

/// The order that left this draft, as the site and the settings have it now.
fn order_of(draft: &Draft, ca: &CaConfig, options: &SiteOptions) -> Order {
    let known = [options.profile.as_ref(), ca.profile.as_ref()].into_iter().flatten();
    let (challenges, dns) = plan::proofs(ca, draft.tenant, &draft.names, options);
    let profile = draft.profile.as_ref().map(|name| {
        let known = known.clone().find(|profile| profile.name == *name).cloned();
        known.unwrap_or_else(|| Profile { name: name.clone(), need: Need::Preferred })
    });
    Order {
        ca: draft.ca.clone(),
        tenant: draft.tenant,
        names: draft.names.clone(),
        renews: draft.renews.clone().map(|id| (id, None)),
        profile,
        key_type: draft.key_type,
        challenges,
        dns,
    }
}

fn give_up(pending: Pending, why: &str) {
    let (id, names) = (pending.id().clone(), list(&pending.draft().names));
    tracing::info!(issuance = %id, names, why, "an order of an earlier attempt is given up");
    if let Err(error) = pending.abandon() {
        tracing::warn!(issuance = %id, %error, "what is left of an order cannot be removed");
    }
}
