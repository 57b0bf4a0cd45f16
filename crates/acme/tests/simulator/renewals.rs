//! Renewal information, `replaces`, revocation.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vestibule_acme::{FailureKind, Timestamp, config::ChallengeKind::Http01, plan::Order};
use vestibule_testkit::ca::{Endpoint, Fault, RetryAfter, SimulatedCa};

use crate::{
    client, obtain, refused,
    scene::{Scene, order},
};

#[tokio::test]
async fn a_window_comes_with_when_to_ask_again() {
    let simulated = SimulatedCa::builder().ask_again(Duration::from_secs(1234)).start().await;
    let scene = Scene::new().await;
    let client = client(&scene, &simulated);
    let ari = obtain(&client, &order(&["a.test"], &[Http01])).await.issued.ari.unwrap();
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    simulated.set_window(&ari, at(1_900_000_000), at(1_900_086_400));
    let window = client.renewal_info(&ari).await.unwrap();
    assert_eq!((window.start, window.end), (Timestamp(1_900_000_000_000), Timestamp(1_900_086_400_000)));
    assert_eq!(window.retry_after, Some(Duration::from_secs(1234)));
    simulated.renew_all_now();
    assert!(client.renewal_info(&ari).await.unwrap().end <= SystemTime::now().into());
}

#[tokio::test]
async fn renewal_information_that_cannot_be_had_is_told() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = client(&scene, &simulated);
    let ari = obtain(&client, &order(&["a.test"], &[Http01])).await.issued.ari.unwrap();
    for (fault, kind, retry_after) in [
        (Fault::Unavailable(RetryAfter::Seconds(90)), FailureKind::Ca, Some(Duration::from_secs(90))),
        (Fault::RateLimited(RetryAfter::Absent), FailureKind::Limit, None),
        (Fault::Garbage, FailureKind::Ca, None),
        (Fault::HangAtHeaders, FailureKind::Ca, None),
        (Fault::BadGateway, FailureKind::Ca, None),
    ] {
        simulated.inject(Endpoint::RenewalInfo, fault.clone(), 1);
        let failure = client.renewal_info(&ari).await.unwrap_err();
        assert_eq!((failure.kind, failure.retry_after), (kind, retry_after), "{fault:?}: {failure}");
    }
    client.renewal_info(&ari).await.unwrap();
    let without = SimulatedCa::builder().without_renewal_info().start().await;
    let failure = crate::client(&scene, &without).renewal_info(&ari).await.unwrap_err();
    assert_eq!((failure.kind, &*failure.sentence), (FailureKind::Configuration, "ca has no renewal information"));
}

#[tokio::test]
async fn a_renewal_says_what_it_replaces_where_that_is_understood() {
    for (renewal_info, builder) in
        [(true, SimulatedCa::builder()), (false, SimulatedCa::builder().without_renewal_info())]
    {
        let (scene, simulated) = (Scene::new().await, builder.start().await);
        let client = client(&scene, &simulated);
        let first = obtain(&client, &order(&["a.test"], &[Http01])).await.issued;
        let renews = Some((first.id, first.ari.clone()));
        obtain(&client, &Order { renews, ..order(&["a.test"], &[Http01]) }).await;
        let replaced = simulated.certificates()[1].replaces.clone();
        assert_eq!(replaced.as_deref(), first.ari.as_deref().filter(|_| renewal_info));
    }
}

#[tokio::test]
async fn what_is_replaced_already_is_told_as_such() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = client(&scene, &simulated);
    let first = obtain(&client, &order(&["a.test"], &[Http01])).await.issued;
    let renewal = Order { renews: Some((first.id.clone(), first.ari)), ..order(&["a.test"], &[Http01]) };
    simulated.inject(Endpoint::NewOrder, Fault::AlreadyReplaced, 1);
    refused(&scene, &client, &renewal, FailureKind::AlreadyReplaced).await;
    obtain(&client, &renewal).await;
    // By now it is true.
    refused(&scene, &client, &renewal, FailureKind::AlreadyReplaced).await;
    obtain(&client, &Order { renews: Some((first.id, None)), ..renewal }).await;
}

#[tokio::test]
async fn a_revocation_gives_its_reason() {
    let (scene, simulated) = (Scene::new().await, SimulatedCa::start().await);
    let client = client(&scene, &simulated);
    let issued = obtain(&client, &order(&["a.test"], &[Http01])).await.issued;
    simulated.inject(Endpoint::Revoke, Fault::Unavailable(RetryAfter::Absent), 1);
    assert_eq!(client.revoke(&issued, 4).await.unwrap_err().kind, FailureKind::Ca);
    client.revoke(&issued, 4).await.unwrap();
    assert_eq!(simulated.certificates()[0].revoked, Some(4));
    client.revoke(&issued, 4).await.expect("revoked already is revoked");
}
