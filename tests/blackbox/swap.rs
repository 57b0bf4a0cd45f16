//! Promise: under a steady load on one site, a thousand edits of others fail no request and close no WebSocket.

use std::{sync::atomic::Ordering, time::Duration};

use vestibule_testkit::{
    Gateway, HttpOrigin, Site,
    swap::{Edits, Load},
};

/// Successive edits.
const EDITS: usize = 1_000;
/// Half of the valid edits are live sooner, even in a development build beside other tests; `cargo xtask bench swap`
/// holds the release build to the promise of 50 ms.
const MEDIAN_LIMIT: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_edits_of_other_sites_drop_nothing() {
    let origin = HttpOrigin::start().await;
    let builder =
        Gateway::builder().settings("log: {access: off}").site("a.yaml", &Site::new("a.test").upstream(&origin));
    let gateway = Edits::prepare(builder).start().await;
    let load = Load::start(&gateway, "a.test").await;
    let mut live_after = Edits::watch(&gateway).await.make(EDITS).await;
    let counts = load.stop().await;
    live_after.sort_unstable();
    let median = live_after[live_after.len() / 2];
    println!("{} valid edits, median {median:?}, {counts:?}", live_after.len());
    assert_eq!(counts.failed.load(Ordering::Relaxed), 0, "{counts:?}");
    assert_eq!(counts.websockets_closed.load(Ordering::Relaxed), 0, "{counts:?}");
    assert!(counts.requests.load(Ordering::Relaxed) > 1_000, "no load to speak of: {counts:?}");
    assert!(median < MEDIAN_LIMIT, "{median:?}");
}

#[tokio::test]
async fn edits_of_a_site_fail_none_of_its_own_requests() {
    let origin = HttpOrigin::start().await;
    let site = Site::new("a.test").upstream(&origin);
    let gateway = Gateway::builder().site("a.yaml", &site).start().await;
    let load = Load::start(&gateway, "a.test").await;
    for number in 0..100 {
        gateway
            .add("a.yaml", &site.clone().line(&format!("headers: {{response: {{set: {{X-Edit: \"{number}\"}}}}}}")))
            .await;
    }
    let counts = load.stop().await;
    assert_eq!(counts.failed.load(Ordering::Relaxed), 0, "{counts:?}");
    assert_eq!(counts.websockets_closed.load(Ordering::Relaxed), 0, "{counts:?}");
}
