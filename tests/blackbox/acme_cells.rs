//! Promise: in every cell {challenge} × {kind of names} × {issue, renew, revoke, resume after a kill} a site has its
//! certificate of a real CA, and no order brings a second one.
//!
//! The full product of challenges, names and operations runs in each of four moods of pebble; together these show every
//! pair of {no, 30%} bad nonces, {0, 100%} reused authorizations and {no, required} account binding.
//!
//! Pebble may lock itself out for ever when it is asked about an order that it issues in that moment. That is known by its stacks,
//! and the story begins anew at another one.
//!
//! Not here: a CA that is down or refuses, and kills at every point on the disk.

mod cell;
mod operations;

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt as _;
use vestibule_testkit::{AcmeRig, process::note};

use cell::{ALSO_AT, CELLS};

/// Pebbles that may lock themselves out in front of one story.
const PEBBLES: usize = 3;

/// What pebble does to its clients.
struct Mood {
    bad_nonces: u8,
    reuse: u8,
    bound: bool,
}

impl Mood {
    async fn rig(&self) -> AcmeRig {
        let (bad_nonces, reuse) = (self.bad_nonces, self.reuse);
        let rig = AcmeRig::builder()
            .pebble(|pebble| pebble.bad_nonces(bad_nonces).authz_reuse(reuse))
            .gateway(|gateway| gateway.also_at(ALSO_AT));
        let hmac = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
        if self.bound { rig.eab("kid-1", hmac).start().await } else { rig.start().await }
    }
}

/// What happens at a CA in this mood.
async fn tell(mood: Mood, story: impl AsyncFn(&mut AcmeRig)) {
    for pebbles in 1.. {
        let mut rig = mood.rig().await;
        let Err(failure) = AssertUnwindSafe(story(&mut rig)).catch_unwind().await else { break };
        if pebbles == PEBBLES || !rig.pebble.ends_locked_out().await {
            resume_unwind(failure);
        }
        note("pebble has locked itself out (letsencrypt/pebble#554): once more, at another one");
    }
}

/// Every operation in every cell.
async fn matrix(mood: Mood) {
    tell(mood, async |rig| {
        operations::issue_all(rig).await;
        operations::renew_all(rig).await;
        operations::revoke_all(rig).await;
        for cell in CELLS {
            operations::resume_renewal(rig, cell).await;
        }
        assert_eq!(rig.pebble.issued(), 4 * CELLS.len(), "one certificate per cell and operation");
    })
    .await;
}

#[tokio::test]
async fn every_cell_at_a_ca_in_good_mood() {
    matrix(Mood { bad_nonces: 0, reuse: 0, bound: false }).await;
}

#[tokio::test]
async fn every_cell_at_a_ca_that_throws_nonces_away_and_keeps_authorizations() {
    matrix(Mood { bad_nonces: 30, reuse: 100, bound: false }).await;
}

#[tokio::test]
async fn every_cell_at_a_ca_that_throws_nonces_away_and_wants_accounts_bound() {
    matrix(Mood { bad_nonces: 30, reuse: 0, bound: true }).await;
}

#[tokio::test]
async fn every_cell_at_a_ca_that_keeps_authorizations_and_wants_accounts_bound() {
    matrix(Mood { bad_nonces: 0, reuse: 100, bound: true }).await;
}

#[tokio::test]
async fn first_orders_of_every_cell_are_resumed_after_a_kill() {
    tell(Mood { bad_nonces: 30, reuse: 0, bound: false }, async |rig| {
        for cell in CELLS {
            operations::resume_first(rig, cell).await;
        }
        assert_eq!(rig.pebble.issued(), CELLS.len());
    })
    .await;
}
