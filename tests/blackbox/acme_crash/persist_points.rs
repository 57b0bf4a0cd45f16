//! kill -9 at every persist point: a first run lists every step that the store takes on the disk; then the gateway is
//! killed before each of them, started again, and must come to its certificate without asking for a second one.

use std::future::ready;

use futures_util::{StreamExt as _, stream};
use vestibule_testkit::{SimulatedRig, Site, ca::Clock, eventually};

use super::{OLD, age, assert_in_order, listed, strace};

pub(super) const HOST: &str = "shop.example.net";
/// Gateways side by side: most of a run is waiting.
pub(super) const AT_ONCE: usize = 5;
/// A run has some dozens; more means that the loop itself has run away.
const STEPS_LIMIT: usize = 300;

/// What the gateway is about to do when it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// It has an empty state folder.
    FirstCertificate,
    /// It has a certificate that is due.
    Renewal,
}

impl Work {
    /// Everything is ready; the gateway has ended.
    pub(super) async fn prepared(self) -> SimulatedRig {
        let site = Site::new(HOST).respond("here");
        let builder = SimulatedRig::builder();
        match self {
            Self::FirstCertificate => {
                let mut rig = builder.start().await;
                rig.gateway.kill();
                std::fs::remove_dir_all(rig.gateway.state_dir()).unwrap();
                rig.gateway.write("shop.yaml", &site);
                rig
            }
            Self::Renewal => {
                let builder = builder.ca(|ca| ca.clock(Clock::behind(OLD)));
                let mut rig = builder.gateway(|gateway| gateway.site("shop.yaml", &site)).start().await;
                rig.served(HOST, "here").await;
                rig.gateway.kill();
                age(&rig);
                rig
            }
        }
    }

    /// How many certificates there are in the end.
    pub(super) fn certificates(self) -> usize {
        match self {
            Self::FirstCertificate => 1,
            Self::Renewal => 2,
        }
    }

    /// Is it done?
    pub(super) async fn is_done(self, rig: &SimulatedRig) -> bool {
        let standing = rig.standing(HOST).await;
        standing.is_some_and(|standing| standing["state"] == "valid")
            && listed(rig, "live").len() == self.certificates()
    }

    /// Starts the gateway, and waits for the work to be done. From the moment at which it is ready, a visitor of a site that
    /// had a certificate never meets a gap.
    async fn done_after_restart(self, rig: &mut SimulatedRig, what: &str) {
        rig.gateway.restart().await;
        let rig = &*rig;
        let done = || async {
            if self == Self::Renewal {
                assert_eq!(rig.visit(HOST).await.as_deref(), Some("here"), "{what}: a gap");
            }
            self.is_done(rig).await.then_some(())
        };
        eventually(&format!("{what}: the certificate"), done).await;
        rig.served(HOST, "here").await;
    }
}

/// Every such call of a run that nobody disturbs.
pub(super) async fn steps(work: Work, calls: &str) -> Vec<strace::Step> {
    let mut rig = work.prepared().await;
    let trace = rig.gateway.dir().join("trace");
    rig.gateway.restart_under(&strace::listing(calls, &trace));
    let rig = &rig;
    eventually("the certificate", || async {
        (rig.gateway.admin_socket().exists() && work.is_done(rig).await).then_some(())
    })
    .await;
    rig.served(HOST, "here").await;
    let steps = strace::steps(&trace, &rig.gateway.state_dir(), "certs/acme");
    assert!((20..STEPS_LIMIT).contains(&steps.len()), "{} steps: {steps:#?}", steps.len());
    steps
}

/// Was it killed there? Some steps come in another order the next time, or not at all.
async fn killed_at(work: Work, step: &strace::Step) -> bool {
    let what = format!("{work:?} killed at {step:?}");
    let mut rig = work.prepared().await;
    let words = strace::killing(step, &rig.gateway.state_dir());
    rig.gateway.restart_under(&words);
    let ended = rig.gateway.process().wait_within(super::RUN).await.is_some();
    if !ended {
        strace::end(&mut rig.gateway).await;
    }
    work.done_after_restart(&mut rig, &what).await;
    assert_eq!(rig.ca.certificates().len(), work.certificates(), "{what}: {:#?}", rig.ca.certificates());
    let orders = rig.ca.orders();
    assert!(orders.len() <= work.certificates() + 1, "{what}: {orders:#?}");
    assert_in_order(&mut rig, &what).await;
    ended
}

async fn kill_at_every_step(work: Work) {
    strace::needed();
    let steps = steps(work, strace::STEPS).await;
    let runs = stream::iter(&steps).map(|step| async move { (step, killed_at(work, step).await) });
    let missed = runs.buffer_unordered(AT_ONCE).filter_map(|(step, killed)| ready((!killed).then_some(step)));
    let missed: Vec<_> = missed.collect().await;
    assert!(missed.len() * 10 <= steps.len(), "of {} steps these never came: {missed:#?}", steps.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_step_towards_a_first_certificate_costs_no_second_one() {
    kill_at_every_step(Work::FirstCertificate).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_step_of_a_renewal_leaves_no_gap_and_costs_no_second_one() {
    kill_at_every_step(Work::Renewal).await;
}
