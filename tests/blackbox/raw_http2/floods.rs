//! Floods of frames: each is sent over and over until the gateway ends the connection, which must be by
//! ENHANCE_YOUR_CALM, and must not have let more than a few requests through; another client is answered meanwhile.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, split},
    time::timeout,
};
use vestibule_testkit::{Gateway, HttpOrigin, Protocol, Site};

use super::frame::{
    ACK, CONTINUATION, DATA, END_HEADERS, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, Received,
    SETTINGS, frame, get, headers, opening, post, reset, settings, window_update,
};

/// Far beyond what a flood takes.
const PATIENCE: Duration = Duration::from_secs(20);
/// What is sent if nothing ends it.
const FLOOD: u32 = 50_000;
/// Requests of one flood that may reach a backend.
const FORWARDED: u64 = 150;

/// Frames over and over, the number of the turn being told.
type Turn = fn(u32) -> Vec<u8>;

fn stream(turn: u32) -> u32 {
    2 * turn + 1
}

/// Name, what comes once, what comes over and over.
type Flood = (&'static str, fn() -> Vec<u8>, Turn);
const FLOODS: &[Flood] = &[
    ("PING", Vec::new, |_| frame(PING, 0, 0, [0; 8])),
    ("SETTINGS", Vec::new, |_| settings(&[(4, 65_535)])),
    ("empty SETTINGS", Vec::new, |_| settings(&[])),
    ("PRIORITY", Vec::new, |turn| frame(PRIORITY, 0, stream(turn), [0, 0, 0, 0, 1])),
    ("WINDOW_UPDATE", Vec::new, |_| window_update(0, 1)),
    ("WINDOW_UPDATE of a stream", || opening(1, post(&[])), |_| window_update(1, 1)),
    ("unknown frames", Vec::new, |_| frame(0x7f, 0, 0, b"")),
    ("empty DATA", || opening(1, post(&[])), |_| frame(DATA, 0, 1, b"")),
    ("CONTINUATION", || frame(HEADERS, 0, 1, get(&[])), |_| frame(CONTINUATION, 0, 1, b"")),
    ("rapid reset", Vec::new, |turn| [headers(stream(turn), get(&[])), reset(stream(turn), 8)].concat()),
    // CVE-2025-8671: errors that make us reset the stream ourselves.
    ("MadeYouReset", Vec::new, |turn| {
        [opening(stream(turn), post(&[])), window_update(stream(turn), (1 << 31) - 1)].concat()
    }),
    ("malformed heads", Vec::new, |turn| frame(HEADERS, END_HEADERS, stream(turn), b"\x82")),
];

pub(super) async fn hold() {
    let origin = HttpOrigin::start().await;
    let site = Site::new("a.test").upstream(&origin);
    let gateway = Gateway::builder().workers(1).site("a.yaml", &site).start().await;
    let mut other = gateway.connect("a.test", Protocol::Http2).await;
    for (name, once, turn) in FLOODS {
        let before = forwarded(&gateway).await;
        let flood = timeout(PATIENCE, flood(&gateway, once(), *turn));
        let (code, answer) = tokio::join!(flood, other.get("/"));
        assert_eq!(answer.unwrap().status, 200, "{name}: another client");
        assert_eq!(code.unwrap_or_else(|_| panic!("{name}: it goes on")), Some(ENHANCE_YOUR_CALM), "{name}");
        let through = forwarded(&gateway).await - before;
        assert!(through <= FORWARDED, "{name}: {through} requests came through");
    }
    let metrics = gateway.admin("/metrics").await.text();
    let flooded = metrics.lines().find(|line| line.contains("flooded")).unwrap_or_default();
    assert!(flooded.ends_with(&format!(" {}", FLOODS.len())), "{flooded}");
}

/// Requests that were taken so far.
async fn forwarded(gateway: &Gateway) -> u64 {
    gateway.status().await["requests"].as_u64().unwrap()
}

/// Sends until the connection ends; gives the code of its last GOAWAY.
async fn flood(gateway: &Gateway, once: Vec<u8>, turn: Turn) -> Option<u32> {
    let stream = gateway.trust().connect(gateway.https(), "a.test", &[b"h2"]).await.unwrap();
    let (mut reader, mut writer) = split(stream);
    let write = async {
        let hello = [PREFACE, &settings(&[]), &frame(SETTINGS, ACK, 0, []), &once].concat();
        let mut open = writer.write_all(&hello).await.is_ok();
        for turns in (1..FLOOD).collect::<Vec<_>>().chunks(100) {
            let bytes: Vec<u8> = turns.iter().flat_map(|number| turn(*number)).collect();
            open = open && writer.write_all(&bytes).await.is_ok() && writer.flush().await.is_ok();
        }
        let _ = writer.shutdown().await;
    };
    let read = async {
        let (mut held, mut code) = (Vec::new(), None);
        while let Ok(1..) = reader.read_buf(&mut held).await {
            while let Some(frame) = Received::take(&mut held) {
                if frame.kind == GOAWAY {
                    code = Some(frame.number(4));
                }
            }
        }
        code
    };
    tokio::join!(write, read).1
}
