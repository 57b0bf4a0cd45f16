//! Ann is flooded or her backend hangs: every request of Ben's is answered, and no limit of his refuses anything.

use std::future::Future;

use tokio::task::JoinSet;
use vestibule_testkit::{
    Connection, Gateway, HttpOrigin, Protocol, ScriptedOrigin, Site, Step, eventually, process::root_or_note,
};

use super::{ANN, BEN, ask, start};

/// What is asked of Ben meanwhile.
const REQUESTS: usize = 300;
const CONNECTIONS: usize = 20;

/// Something that is done to Ann from many sides, over and over until it is dropped.
fn attack<F: Future<Output = ()> + Send + 'static>(sides: usize, side: impl Fn() -> F) -> JoinSet<()> {
    (0..sides).map(|_| side()).collect()
}

/// Ann with little, Ben with what everybody has.
async fn two(limits: &str, ann: &Site, origin: &HttpOrigin) -> Option<Gateway> {
    if !root_or_note("two tenants on one box") {
        return None;
    }
    let settings = format!("tenants: {{{ANN}: {{limits: {{{limits}}}}}}}");
    Some(start(&settings, ann, Some(&Site::new("ben.test").upstream(origin))).await)
}

/// Everything that Ben's visitors want, on a connection that stays open and on fresh ones.
async fn visit_ben(gateway: &Gateway) {
    let mut kept = gateway.connect("ben.test", Protocol::Http2).await;
    for number in 0..REQUESTS {
        assert_eq!(ask(&mut kept, "/bytes/1024").await.body.len(), 1024, "request {number}");
    }
    for number in 0..CONNECTIONS {
        let mut fresh = gateway.connect("ben.test", Protocol::Http1).await;
        assert_eq!(ask(&mut fresh, "/").await.status, 200, "connection {number}");
    }
    let status = gateway.status().await;
    let rows = status["tenants"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["tenant"] == ANN), "Ann was refused nothing: {rows:?}");
    assert!(rows.iter().all(|row| row["tenant"] != BEN), "Ben was refused something: {rows:?}");
}

/// Waits until that limit of Ann's has refused something.
async fn until_refused(gateway: &Gateway, limit: &str) {
    let what = format!("{limit} to refuse something");
    eventually(&what, || async {
        let status = gateway.status().await;
        status["tenants"][0]["refused"][limit].as_u64().filter(|count| *count > 0)
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_requests() {
    let origin = HttpOrigin::start().await;
    let ann = Site::new("ann.test").upstream(&origin);
    let Some(gateway) = two("requests_per_second: 20", &ann, &origin).await else { return };
    let (trust, address) = (gateway.trust().clone(), gateway.https());
    let flood = attack(40, move || {
        let trust = trust.clone();
        async move {
            while let Ok(mut connection) = Connection::secure(&trust, address, "ann.test", Protocol::Http2).await {
                while connection.get("/").await.is_ok() {}
            }
        }
    });
    until_refused(&gateway, "requests_per_second").await;
    visit_ben(&gateway).await;
    drop(flood);
}

#[tokio::test]
async fn a_backend_that_hangs() {
    let origin = HttpOrigin::start().await;
    let hanging = ScriptedOrigin::start(vec![Step::ReadHead, Step::Await]).await;
    let ann = Site::new("ann.test").upstream(&hanging);
    let Some(gateway) = two("requests_in_flight: 30", &ann, &origin).await else { return };
    let (trust, address) = (gateway.trust().clone(), gateway.https());
    let flood = attack(60, move || {
        let trust = trust.clone();
        async move {
            while let Ok(mut connection) = Connection::secure(&trust, address, "ann.test", Protocol::Http1).await {
                while connection.get("/").await.is_ok() {}
            }
        }
    });
    until_refused(&gateway, "requests_in_flight").await;
    visit_ben(&gateway).await;
    drop(flood);
}

#[tokio::test]
async fn a_flood_of_handshakes() {
    let origin = HttpOrigin::start().await;
    let ann = Site::new("ann.test").upstream(&origin);
    let Some(gateway) = two("handshakes_per_second: 5", &ann, &origin).await else { return };
    let (trust, address) = (gateway.trust().clone(), gateway.https());
    let flood = attack(20, move || {
        let trust = trust.clone();
        async move {
            loop {
                // Refused or not: the next one follows at once.
                drop(trust.connect(address, "ann.test", &[b"h2"]).await);
            }
        }
    });
    until_refused(&gateway, "handshakes_per_second").await;
    visit_ben(&gateway).await;
    drop(flood);
}
