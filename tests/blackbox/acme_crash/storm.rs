//! A storm of restarts while sites want certificates: the gateway is killed fifty times, at moments of no choice, and each
//! name has at most one certificate in the end.

use std::{collections::BTreeMap, time::Duration};

use vestibule_testkit::{
    SimulatedRig, Site,
    ca::{ALWAYS, Endpoint, Fault, Limits, RetryAfter},
};

use super::assert_in_order;

const RESTARTS: u64 = 50;
const SITES: u64 = 20;
/// Of a gateway, in milliseconds: from before it is ready to after it has placed orders.
const SHORTEST_LIFE: u64 = 40;
const LONGEST_LIFE: u64 = 400;

fn host(site: u64) -> String {
    format!("s{site}.example{}.net", site % 3)
}

/// Numbers that look random and are the same in every run (a linear congruential generator's upper half).
fn moments() -> impl Iterator<Item = Duration> {
    let step =
        |state: &u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
    let life = |state: u64| SHORTEST_LIFE + (state >> 33) % (LONGEST_LIFE - SHORTEST_LIFE);
    std::iter::successors(Some(20_261_122), step).skip(1).map(life).map(Duration::from_millis)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_restarts_costs_one_certificate_per_name_and_one_account() {
    let mut limits = Limits::lets_encrypt();
    // On a slow machine one kill after the other may cut the same name's proof short: that is not to be waited for here.
    limits.failed_authorizations.count = 2 * u32::try_from(RESTARTS).unwrap();
    let mut rig = SimulatedRig::builder().within(limits).start().await;
    // Certificates take their time, so that most kills meet an order.
    rig.ca.inject(Endpoint::Finalize, Fault::Slow(2, RetryAfter::Seconds(1)), ALWAYS);
    let site = |number| Site::new(&host(number)).respond(&host(number));
    let write = |rig: &SimulatedRig, number| rig.gateway.write(&format!("s{number}.yaml"), &site(number));
    // Half of them at once, the others one after the other, so that there is something to order until late.
    (0..SITES / 2).for_each(|number| write(&rig, number));
    for (restart, moment) in (0..RESTARTS).zip(moments()) {
        if restart % 4 == 3 && restart / 4 < SITES / 2 {
            write(&rig, SITES / 2 + restart / 4);
        }
        rig.gateway.kill();
        rig.gateway.restart_under(&[]);
        tokio::time::sleep(moment).await;
    }
    rig.gateway.kill();
    rig.gateway.restart().await;
    for site in 0..SITES {
        rig.served(&host(site), &host(site)).await;
    }
    let mut per_name = BTreeMap::<String, usize>::new();
    for name in rig.ca.certificates().into_iter().flat_map(|certificate| certificate.names) {
        *per_name.entry(name).or_default() += 1;
    }
    assert_eq!(per_name.len(), usize::try_from(SITES).unwrap());
    assert!(per_name.values().all(|count| *count == 1), "{per_name:?}");
    assert_eq!(rig.ca.accounts(), 1);
    // A kill between the order and its URL on the disk loses that order, and a proof that a kill cut short loses another.
    let orders = rig.ca.orders().len();
    assert!(orders <= usize::try_from(SITES + RESTARTS).unwrap(), "{orders} orders");
    assert_in_order(&mut rig, "the storm").await;
}
