//! Two tenants, one account, and a real CA that remembers every proof.

use vestibule_acme::{
    FailureKind,
    config::ChallengeKind::{self, Dns01, Http01},
    plan::Order,
};
use vestibule_names::TenantId;

use crate::{
    client, pebble,
    scene::{Scene, order},
};

fn of(tenant: u32, names: &[&str], challenge: ChallengeKind) -> Order {
    Order { tenant: TenantId(tenant), ..order(names, &[challenge]) }
}

#[tokio::test]
async fn a_name_that_another_gave_up_is_proved_anew() {
    let mut scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble.authz_reuse(100)).await;
    for (challenge, names) in [(Http01, &["a.test", "b.test"][..]), (Dns01, &["*.c.test", "c.test"])] {
        let (placed, issued) = (pebble.orders(), pebble.issued());
        let hers = client(&scene, &pebble).obtain(&of(1000, names, challenge)).await.unwrap();
        assert_eq!(hers.proved.len(), 2);
        scene = scene.restart();
        let client = client(&scene, &pebble);
        assert_eq!(client.obtain(&of(1000, names, challenge)).await.unwrap().proved, []);
        assert_eq!(pebble.orders() - placed, 2, "her own proof is good, also after a restart");

        let failure = client.obtain(&of(1001, names, challenge)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Gone, "{failure}");
        assert!(scene.tools.store.pending().is_empty());
        assert_eq!(pebble.issued() - issued, 2);
        let his =
            client.obtain(&of(1001, names, challenge)).await.unwrap_or_else(|why| panic!("{why}: {}", pebble.log()));
        assert_eq!(his.proved.len(), 2, "all of it anew");
        assert_eq!(pebble.orders() - placed, 4);
        assert_eq!(client.obtain(&of(1000, names, challenge)).await.unwrap_err().kind, FailureKind::Gone);
    }
}

#[tokio::test]
async fn whose_name_leads_elsewhere_gets_no_certificate_by_anothers_proof() {
    let scene = Scene::new().await;
    let pebble = pebble(&scene, |pebble| pebble.authz_reuse(100)).await;
    let client = client(&scene, &pebble);
    client.obtain(&of(1000, &["a.test"], Http01)).await.unwrap();
    scene.names.add_a("a.test", &["127.0.0.2"]).await;
    let kinds = [FailureKind::Gone, FailureKind::ValidationConnection, FailureKind::ValidationConnection];
    for kind in kinds {
        let failure = client.obtain(&of(1001, &["a.test"], Http01)).await.unwrap_err();
        assert_eq!(failure.kind, kind, "{failure}");
    }
    assert_eq!(pebble.issued(), 1);
}
