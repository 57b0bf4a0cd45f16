//! Good clients: what they ask for must come, whole and right, whatever the others do.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{task::JoinSet, time::sleep};
use tokio_tungstenite::tungstenite::Message;
use vestibule_testkit::{
    Connection, Protocol, client,
    drawn::{Content, Random},
    visitor::{Visitor, in_time},
};

use super::errand::Errand;
use crate::soak::stage::Stage;

/// An answer later than this is an error.
const PATIENCE: Duration = Duration::from_secs(20);
/// Of a large body.
const LONG_PATIENCE: Duration = Duration::from_secs(60);
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// What good clients there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Good {
    /// Request after request on one connection, clear or over TLS.
    KeepAlive,
    /// A new connection for each request, full handshakes and resumed ones.
    Handshakes,
    /// HTTP/2 with many streams at once.
    Streams,
    /// A WebSocket that wants its echo.
    WebSocket,
    /// One large body.
    Large,
}

impl Good {
    pub(super) const ALL: [Self; 5] = [Self::KeepAlive, Self::Handshakes, Self::Streams, Self::WebSocket, Self::Large];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::KeepAlive => "good: keep-alive",
            Self::Handshakes => "good: handshakes",
            Self::Streams => "good: streams",
            Self::WebSocket => "good: WebSocket",
            Self::Large => "good: large bodies",
        }
    }

    /// One visit: how many deeds went well, or what the client saw.
    pub(super) async fn visit(self, stage: &Stage, host: &str, random: &mut Random) -> Result<u64, String> {
        match self {
            Self::KeepAlive => keep_alive(stage, host, random).await,
            Self::Handshakes => handshake(stage, host, random).await,
            Self::Streams => streams(stage, host, random).await,
            Self::WebSocket => websocket(stage, host, random).await,
            Self::Large => large(stage, host, random).await,
        }
    }
}

async fn connect(stage: &Stage, visitor: &Visitor, host: &str, protocol: Protocol) -> Result<Connection, String> {
    in_time(PATIENCE, "connecting", visitor.secure(stage.gateway.https(), host, protocol)).await
}

async fn run(connection: &mut Connection, errand: Errand, patience: Duration) -> Result<(), String> {
    let request = errand.request(connection)?;
    let response = in_time(patience, &format!("{errand:?}"), connection.send(request)).await?;
    in_time(patience, "the body", errand.check(response)).await
}

async fn keep_alive(stage: &Stage, host: &str, random: &mut Random) -> Result<u64, String> {
    let visitor = &stage.visitors.good;
    let mut connection = match random.below(4) {
        0 => in_time(PATIENCE, "connecting", visitor.clear(stage.gateway.http(), host)).await?,
        _ => connect(stage, visitor, host, Protocol::Http1).await?,
    };
    let mut done = 0;
    for _ in 0..10 + random.below(50) {
        if !stage.goes_on() {
            break;
        }
        run(&mut connection, Errand::draw(random, 256 * KIB), PATIENCE)
            .await
            .map_err(|what| format!("request {done} of the connection: {what}"))?;
        done += 1;
        sleep(Duration::from_millis(random.below(30))).await;
    }
    Ok(done)
}

async fn handshake(stage: &Stage, host: &str, random: &mut Random) -> Result<u64, String> {
    let visitor = *random.pick(&[&stage.visitors.good, &stage.visitors.fresh]);
    let protocol = *random.pick(&[Protocol::Http1, Protocol::Http2]);
    let mut connection = connect(stage, visitor, host, protocol).await?;
    run(&mut connection, Errand::draw(random, 4 * KIB), PATIENCE).await?;
    // The rest of the machine wants to live too: a handshake costs both sides.
    sleep(Duration::from_millis(random.below(20))).await;
    Ok(1)
}

async fn streams(stage: &Stage, host: &str, random: &mut Random) -> Result<u64, String> {
    let mut connection = connect(stage, &stage.visitors.good, host, Protocol::Http2).await?;
    let mut done = 0;
    for _ in 0..1 + random.below(5) {
        let mut open = JoinSet::new();
        for _ in 0..1 + random.below(40) {
            let errand = Errand::draw(random, 128 * KIB);
            let request = errand.request(&connection)?;
            let response = in_time(PATIENCE, "a stream", connection.begin(request)).await?;
            open.spawn(async move {
                let response = in_time(PATIENCE, &format!("{errand:?}"), response).await?;
                in_time(PATIENCE, "the body", errand.check(response)).await
            });
        }
        while let Some(ended) = open.join_next().await {
            ended.map_err(|error| error.to_string())??;
            done += 1;
        }
        if !stage.goes_on() {
            break;
        }
    }
    Ok(done)
}

async fn websocket(stage: &Stage, host: &str, random: &mut Random) -> Result<u64, String> {
    let visitor = &stage.visitors.good;
    let opening = async {
        let tcp = visitor.tcp(stage.gateway.https()).await.map_err(|error| error.to_string())?;
        let tls = visitor.tls(tcp, host, Protocol::Http1).await.map_err(|error| error.to_string())?;
        client::websocket(tls, &format!("wss://{host}/ws")).await.map_err(|error| error.to_string())
    };
    let mut socket = in_time(PATIENCE, "opening", opening).await?;
    let mut done = 0;
    for _ in 0..1 + random.below(40) {
        let most = (64 * KIB) >> random.below(12);
        let size = 1 + random.below(most);
        let message = Content::new(random.next(), size).whole();
        in_time(PATIENCE, "sending", socket.send(Message::binary(message.clone()))).await?;
        let echo = async { socket.next().await.ok_or("it ended".to_owned())?.map_err(|error| error.to_string()) };
        match in_time(PATIENCE, &format!("echo {done}"), echo).await? {
            Message::Binary(echo) if *echo == *message => done += 1,
            other => return Err(format!("another echo of {} bytes: {} bytes", message.len(), other.len())),
        }
        sleep(Duration::from_millis(random.below(50))).await;
        if !stage.goes_on() {
            break;
        }
    }
    in_time(PATIENCE, "closing", socket.close(None)).await?;
    Ok(done)
}

async fn large(stage: &Stage, host: &str, random: &mut Random) -> Result<u64, String> {
    let protocol = *random.pick(&[Protocol::Http1, Protocol::Http2]);
    let mut connection = connect(stage, &stage.visitors.good, host, protocol).await?;
    let (size, seed) = (MIB + random.below(8 * MIB), random.next());
    let errand = *random.pick(&[Errand::Download(size, seed), Errand::Upload(size, seed)]);
    run(&mut connection, errand, LONG_PATIENCE).await?;
    // One at a time is enough of a stream: what matters is that it is whole.
    sleep(Duration::from_millis(random.below(500))).await;
    Ok(1)
}
