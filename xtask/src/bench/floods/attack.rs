//! [`Attack`]: one class of hostile clients, and how it is carried out: by one connection, or by many.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::TcpStream,
    sync::oneshot,
    time::{Instant, sleep, timeout},
};
use vestibule_testkit::{
    client::Trust,
    flood::{Bound, FRAMES, Flood, Spent, WEIGHTS},
};

use crate::bench::peers::stage::HOST;

/// Between two bytes of a slow client.
const DRIP: Duration = Duration::from_millis(200);
/// Slow clients at once.
const SLOW: u32 = 200;

/// How far attacks go.
pub(super) struct Scale {
    /// One connection.
    alone: Bound,
    /// Each of twenty in a row.
    each: Bound,
    /// All of them together.
    row: Duration,
    /// How long those stay that hold what they have.
    stay: Duration,
    /// Handshakes.
    handshakes: u32,
}

const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A look.
pub(super) const QUICK: Scale = Scale {
    alone: Bound { turns: 10_000, time: seconds(2) },
    each: Bound { turns: 2_500, time: seconds(1) },
    row: seconds(4),
    stay: seconds(3),
    handshakes: 500,
};

/// Long enough to see who ever ends it.
pub(super) const FULL: Scale = Scale {
    alone: Bound { turns: 100_000, time: seconds(10) },
    each: Bound { turns: 10_000, time: seconds(5) },
    row: seconds(15),
    stay: seconds(40),
    handshakes: 2_000,
};

/// One class of hostile clients.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attack {
    /// Frames of HTTP/2.
    Frames(&'static Flood),
    /// Heads of HTTP/1.1 that come field by field and do not end.
    Slowloris,
    /// A ClientHello that comes byte by byte.
    HalfHello,
    /// Full handshakes, and nothing behind them.
    Handshakes,
}

/// Who attacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crowd {
    /// One connection.
    One,
    /// Each as soon as the one before it was ended: a proxy that ends them at once pays for every new one.
    Row(u32),
    /// All at once.
    Together(u32),
    /// As many as the scale says, one after the other.
    Handshakes,
}

/// What became of all connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Toll {
    pub(super) connections: u32,
    /// Frames, or what else was sent piece by piece.
    pub(super) pieces: u64,
    /// Connections that the proxy ended.
    pub(super) closed: u32,
    /// How long they had lasted, together.
    pub(super) lasted: Duration,
}

impl Toll {
    fn add(&mut self, spent: Spent) {
        self.connections += 1;
        self.pieces += spent.frames;
        if let Some(after) = spent.closed {
            self.closed += 1;
            self.lasted += after;
        }
    }
}

/// The words of all attacks.
pub(super) fn words() -> Vec<&'static str> {
    Attack::all().map(Attack::word).collect()
}

impl Attack {
    /// All there are.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let frames = FRAMES.iter().chain(WEIGHTS).map(Self::Frames);
        frames.chain([Self::Slowloris, Self::HalfHello, Self::Handshakes])
    }

    /// As a command line names it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Frames(flood) => flood.word,
            Self::Slowloris => "slowloris",
            Self::HalfHello => "half-hello",
            Self::Handshakes => "handshakes",
        }
    }

    /// How it was met before.
    pub(super) fn cve(self) -> &'static str {
        match self {
            Self::Frames(flood) => flood.cve,
            Self::Slowloris => "CVE-2007-6750",
            Self::HalfHello | Self::Handshakes => "",
        }
    }
}

impl Crowd {
    /// Who carries that out.
    pub(super) fn of(attack: Attack) -> Vec<Self> {
        match attack {
            Attack::Frames(flood) if flood.stays() => vec![Self::One, Self::Together(20)],
            Attack::Frames(_) => vec![Self::One, Self::Row(20)],
            Attack::Slowloris | Attack::HalfHello => vec![Self::Together(SLOW)],
            Attack::Handshakes => vec![Self::Handshakes],
        }
    }

    /// For tables.
    pub(super) fn title(self) -> String {
        match self {
            Self::One => "1".to_owned(),
            Self::Row(count) => format!("{count} in a row"),
            Self::Together(count) => format!("{count} at once"),
            Self::Handshakes => "one by one".to_owned(),
        }
    }
}

/// Whom it is aimed at.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) trust: Trust,
    pub(super) address: SocketAddr,
}

/// Carries it out on a thread of its own, which gives way to whatever else its core has to do.
pub(super) fn start(attack: Attack, crowd: Crowd, scale: &Scale, target: Target) -> oneshot::Receiver<Toll> {
    let (told, toll) = oneshot::channel();
    let (alone, each, row) = (scale.alone, scale.each, scale.row);
    let stay = Bound { turns: u32::MAX, time: scale.stay };
    let handshakes = scale.handshakes;
    std::thread::spawn(move || {
        // Of this thread alone, on Linux. Refused or not: it is an attack all the same.
        let _ = rustix::process::nice(19);
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let toll = runtime.block_on(async move {
            match (crowd, attack) {
                (Crowd::One, Attack::Frames(flood)) if flood.stays() => target.times(attack, 1, stay, stay.time).await,
                (Crowd::One, _) => target.times(attack, 1, alone, alone.time).await,
                (Crowd::Row(count), _) => target.times(attack, count, each, row).await,
                (Crowd::Together(count), _) => target.together(attack, count, stay).await,
                (Crowd::Handshakes, _) => target.times(attack, handshakes, each, row).await,
            }
        });
        let _ = told.send(toll); // nobody waits any more
    });
    toll
}

impl Target {
    /// One after the other, until the time is up.
    async fn times(&self, attack: Attack, count: u32, bound: Bound, all: Duration) -> Toll {
        let end = Instant::now() + all;
        let mut toll = Toll::default();
        while toll.connections < count && Instant::now() < end {
            toll.add(self.once(attack, bound).await);
        }
        toll
    }

    /// All at once.
    async fn together(&self, attack: Attack, count: u32, bound: Bound) -> Toll {
        let mut toll = Toll::default();
        join_all((0..count).map(|_| self.once(attack, bound))).await.into_iter().for_each(|spent| toll.add(spent));
        toll
    }

    /// One connection. What cannot be opened was ended before its first frame.
    async fn once(&self, attack: Attack, bound: Bound) -> Spent {
        let refused = Spent { frames: 0, code: None, closed: Some(Duration::ZERO) };
        let secure = |protocol| self.trust.connect(self.address, HOST, protocol);
        match attack {
            Attack::Frames(flood) => match secure(&[b"h2"]).await {
                Ok(stream) => flood.run(stream, HOST, bound).await,
                Err(_) => refused,
            },
            Attack::Slowloris => match secure(&[b"http/1.1"]).await {
                Ok(stream) => {
                    drip(stream, b"GET / HTTP/1.1\r\nhost: localhost\r\n", b"x-slow: 1\r\n", bound.time).await
                }
                Err(_) => refused,
            },
            // A record of 512 bytes that is a ClientHello of 508 (RFC 8446 sections 4 and 5.1).
            Attack::HalfHello => match TcpStream::connect(self.address).await {
                Ok(stream) => drip(stream, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"\x00", bound.time).await,
                Err(_) => refused,
            },
            Attack::Handshakes => match secure(&[b"http/1.1"]).await {
                Ok(_) => Spent { frames: 1, code: None, closed: None },
                Err(_) => refused,
            },
        }
    }
}

/// Says the first words, then a little again and again, until the other side ends it or the time is up.
async fn drip<S: AsyncRead + AsyncWrite>(stream: S, first: &[u8], drop: &[u8], time: Duration) -> Spent {
    let (mut reader, mut writer) = split(stream);
    let (began, mut pieces) = (Instant::now(), 0);
    let say = async {
        let mut next = first;
        while writer.write_all(next).await.is_ok() && writer.flush().await.is_ok() {
            pieces += 1;
            next = drop;
            sleep(DRIP).await;
        }
    };
    // A last word (408, say) may come before the end.
    let listen = async { while let Ok(1..) = reader.read(&mut [0; 1024]).await {} };
    let ended = timeout(time, async {
        tokio::select! { () = say => {}, () = listen => {} }
    })
    .await
    .is_ok();
    Spent { frames: pieces, code: None, closed: ended.then(|| began.elapsed()) }
}

#[cfg(test)]
mod tests {
    use tokio::io::duplex;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_slow_client_stays_until_it_is_ended() {
        let (ours, _theirs) = duplex(1 << 16);
        let spent = drip(ours, b"first", b"d", seconds(10)).await;
        assert!((45..=51).contains(&spent.frames) && spent.closed.is_none(), "{spent:?}");
        let (ours, theirs) = duplex(1 << 16);
        drop(theirs);
        assert!(drip(ours, b"first", b"d", seconds(10)).await.closed.is_some());
    }

    #[test]
    fn words_are_told_apart() {
        let words: std::collections::HashSet<_> = words().into_iter().collect();
        assert_eq!(words.len(), Attack::all().count());
    }
}
