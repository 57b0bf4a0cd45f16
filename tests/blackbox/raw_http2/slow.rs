//! Clients that ask for much and take nothing: their windows stay shut, or open byte by byte. Their connection ends by
//! `timeouts.write_stall`, what they asked for is given up, memory stays bounded; another client is answered meanwhile.

use std::time::Duration;

use tokio::time::{interval, timeout};
use vestibule_testkit::{Gateway, HttpOrigin, Protocol, Site, eventually};

use super::{
    frame::{ACK, PREFACE, SETTINGS, block, frame, headers, settings, window_update},
    rig::Client,
};

/// Far beyond what a stalled client gets.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a client that opens its windows by one byte does that.
const DRIBBLE: Duration = Duration::from_millis(20);
/// What each asks for at once: 50 responses of 2 MB.
const STREAMS: u32 = 50;
const MUCH: &str = "/bytes/2000000";
/// What the codec takes as a whole when there is room for a byte: the body has ended, and what is left of it is held.
const ONE_PIECE: &str = "/bytes/4000";
/// A sixth of what would be held if all of it was.
const GROWTH_KIB: u64 = 16 * 1024;

/// Name, what is asked for, INITIAL_WINDOW_SIZE, and what is sent over and over.
type Slow = (&'static str, &'static str, u32, Option<fn() -> Vec<u8>>);
const SLOW: &[Slow] = &[
    ("windows of streams that stay shut", MUCH, 0, None),
    ("a window of the connection that stays shut", MUCH, 1 << 30, None),
    ("a window that is opened byte by byte", MUCH, 0, Some(|| window_update(1, 1))),
    ("windows of a byte in front of small responses", ONE_PIECE, 1, None),
];

pub(super) async fn hold() {
    let origin = HttpOrigin::start().await;
    let site = Site::new("a.test").upstream(&origin);
    let builder = Gateway::builder().workers(1).settings("timeouts: {write_stall: 500ms}").site("a.yaml", &site);
    let mut gateway = builder.start().await;
    let before = gateway.process().resident_kib();
    for (number, (name, path, window, again)) in SLOW.iter().enumerate() {
        let mut other = gateway.connect("a.test", Protocol::Http2).await;
        let slow = timeout(PATIENCE, ask(&gateway, path, *window, *again));
        let (ended, answer) = tokio::join!(slow, other.get("/"));
        assert_eq!(answer.unwrap().status, 200, "{name}: another client");
        assert!(ended.is_ok(), "{name}: it is still served");
        let wanted = format!("{{outcome=\"slow_reader\"}} {}", number + 1);
        eventually(&format!("{name}: {wanted}"), || async {
            let metrics = gateway.admin("/metrics").await.text();
            let given_up = metrics.contains("vestibule_requests_in_flight 0");
            (metrics.contains(&wanted) && given_up).then_some(())
        })
        .await;
    }
    let grown = gateway.process().peak_kib().saturating_sub(before);
    assert!(grown < GROWTH_KIB, "{grown} KiB");
}

/// Asks, and reads until the connection ends.
async fn ask(gateway: &Gateway, path: &str, window: u32, again: Option<fn() -> Vec<u8>>) {
    let mut client = Client::connect(gateway).await;
    let asked = block(&[(":method", "GET"), (":scheme", "https"), (":authority", "a.test"), (":path", path)]);
    let mut bytes = [PREFACE, &settings(&[(1, 0), (4, window)]), &frame(SETTINGS, ACK, 0, [])].concat();
    bytes.extend((0..STREAMS).flat_map(|number| headers(2 * number + 1, &asked)));
    client.send(&bytes).await;
    let mut tick = interval(DRIBBLE);
    while !client.seen.ended {
        match again {
            None => client.read_until(|_| false).await,
            Some(frames) => {
                // A read that is given up has taken nothing.
                let _ = timeout(DRIBBLE, client.read_until(|_| false)).await;
                client.send(&frames()).await;
                tick.tick().await;
            }
        }
    }
}
