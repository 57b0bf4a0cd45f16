//! Floods: each is sent over and over until the gateway ends the connection, which must be by ENHANCE_YOUR_CALM, and must not
//! have let more than a few requests through; another client is answered meanwhile.

use std::time::Duration;

use vestibule_testkit::{
    Gateway, HttpOrigin, Protocol, Site, eventually,
    flood::{Bound, FRAMES, Flood, Spent, WEIGHTS},
    frames::ENHANCE_YOUR_CALM,
};

/// Far beyond what a flood takes, and what is sent if nothing ends it.
const BOUND: Bound = Bound { turns: 50_000, time: Duration::from_secs(20) };
/// Requests of one flood that may reach a backend.
const FORWARDED: u64 = 150;

pub(super) async fn hold() {
    let origin = HttpOrigin::start().await;
    let site = Site::new("a.test").upstream(&origin);
    let gateway = Gateway::builder().workers(1).site("a.yaml", &site).start().await;
    let mut other = gateway.connect("a.test", Protocol::Http2).await;
    let floods: Vec<_> = FRAMES.iter().chain(WEIGHTS).filter(|flood| !flood.stays()).collect();
    for flood in &floods {
        let before = forwarded(&gateway).await;
        let (spent, answer) = tokio::join!(run(&gateway, flood), other.get("/"));
        let name = flood.word;
        assert_eq!(answer.unwrap().status, 200, "{name}: another client");
        assert!(spent.closed.is_some() && spent.code == Some(ENHANCE_YOUR_CALM), "{name}: {spent:?}");
        let through = forwarded(&gateway).await - before;
        assert!(through <= FORWARDED, "{name}: {through} requests came through");
    }
    // A connection counts once its last words were heard.
    let wanted = format!("{{outcome=\"flooded\"}} {}", floods.len());
    eventually(&wanted, || async { gateway.admin("/metrics").await.text().contains(&wanted).then_some(()) }).await;
}

/// Requests that were taken so far.
async fn forwarded(gateway: &Gateway) -> u64 {
    gateway.status().await["requests"].as_u64().unwrap()
}

async fn run(gateway: &Gateway, flood: &Flood) -> Spent {
    let stream = gateway.trust().connect(gateway.https(), "a.test", &[b"h2"]).await.unwrap();
    flood.run(stream, "a.test", BOUND).await
}
