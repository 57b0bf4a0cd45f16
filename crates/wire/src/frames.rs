//! [`Frames`]: counts what a client of HTTP/2 sends beside requests and their bodies. The codec answers each PING and
//! SETTINGS and lets a client cancel whatever it has asked for; it bounds what that keeps in memory, not how often.
//!
//! It sees the nine bytes in front of each frame and changes nothing. A client that is over its limits gets nothing more
//! through: what the codec reads in its place is a head that does not end, so that the codec itself says
//! ENHANCE_YOUR_CALM (RFC 9113 section 7), behind all that it still had to say.
//!
//! Of header blocks it looks at what comes before the first field: sizes of the table, of which nobody needs more than two
//! (RFC 7541 section 4.2), and the codec takes as many as fit.
//!
//! Not here: what the codec bounds by itself: heads in many pieces, empty and tiny DATA, streams that were reset before
//! they were served, and resets that errors of the client cost us.

use std::time::{Duration, Instant};

/// How long a count lasts.
pub const PERIOD: Duration = Duration::from_secs(10);
/// Frames in a period that are no part of a request: SETTINGS, PING, PRIORITY, WINDOW_UPDATE and unknown ones.
pub const CONTROL_LIMIT: u64 = 1_000;
/// For so many bytes that we send a client may send one frame more: it opens its windows as it reads.
const BYTES_PER_FRAME: u64 = 1_024;
/// Streams that a client may cancel in a period (CVE-2023-44487).
pub const RESET_LIMIT: u64 = 100;

/// Changes of the table's size in front of a header block: the least and the last one since the block before it.
const SIZE_LIMIT: u8 = 2;

/// RFC 9113 section 3.4, bytes.
const PREFACE: usize = 24;
/// RFC 9113 section 4.1, bytes.
const HEAD: usize = 9;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const CONTINUATION: u8 = 0x9;

/// Flags of HEADERS and CONTINUATION (RFC 9113 section 6.2).
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// An empty frame without flags, of the last stream there can be.
const fn empty(kind: u8) -> [u8; HEAD] {
    [0, 0, 0, kind, 0, 0x7f, 0xff, 0xff, 0xff]
}

/// See the module.
#[derive(Debug)]
pub struct Frames {
    /// What is left of what is no frame head: the preface, then payloads.
    skip: usize,
    head: [u8; HEAD],
    /// How much of `head` is there.
    filled: usize,
    since: Instant,
    control: u64,
    resets: u64,
    written: u64,
    /// In a header block, before its first field.
    opening: Option<Opening>,
    /// Has a header block ended that changed the table's size more often than anybody needs?
    excess: bool,
}

/// What a header block has in front of its first field.
#[derive(Debug, Clone, Copy, Default)]
struct Opening {
    /// Bytes before the block: a length of padding, a priority.
    before: u8,
    /// In an integer of several bytes (RFC 7541 section 5.1).
    in_integer: bool,
    sizes: u8,
}

impl Opening {
    fn of(flags: u8) -> Self {
        let before = u8::from(flags & PADDED != 0) + if flags & PRIORITY == 0 { 0 } else { 5 };
        Self { before, ..Self::default() }
    }

    /// Reads a byte; false when a field begins.
    fn reads(&mut self, byte: u8) -> bool {
        if self.before > 0 {
            self.before -= 1;
        } else if self.in_integer {
            self.in_integer = byte & 0x80 != 0;
        } else if byte & 0xe0 == 0x20 {
            self.sizes = self.sizes.saturating_add(1);
            self.in_integer = byte & 0x1f == 0x1f;
        } else {
            return false;
        }
        true
    }
}

/// What may become of bytes that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// All of them pass.
    Pass,
    /// So many pass, which end at the end of a frame; and nothing behind them.
    CalmAfter(usize),
}

impl Frames {
    /// A connection begins.
    pub fn new(now: Instant) -> Self {
        Self {
            skip: PREFACE,
            head: [0; HEAD],
            filled: 0,
            since: now,
            control: 0,
            resets: 0,
            written: 0,
            opening: None,
            excess: false,
        }
    }

    /// So many bytes went to the client.
    pub fn wrote(&mut self, count: usize) {
        self.written = self.written.saturating_add(count as u64);
    }

    /// Bytes came. The clock is asked only when they are too many for one period.
    pub fn read(&mut self, bytes: &[u8], clock: impl Fn() -> Instant) -> Verdict {
        let mut at = 0;
        loop {
            let passed = self.skip.min(bytes.len() - at);
            self.look(&bytes[at..at + passed]);
            at += passed;
            self.skip -= passed;
            if self.skip > 0 {
                return Verdict::Pass;
            }
            if self.filled == 0 && self.is_excessive() {
                return Verdict::CalmAfter(at);
            }
            if self.filled == 0 && self.is_over() {
                let now = clock();
                if now.saturating_duration_since(self.since) < PERIOD {
                    return Verdict::CalmAfter(at);
                }
                (self.since, self.control, self.resets, self.written) = (now, 0, 0, 0);
            }
            if at == bytes.len() {
                return Verdict::Pass;
            }
            let part = (HEAD - self.filled).min(bytes.len() - at);
            self.head[self.filled..self.filled + part].copy_from_slice(&bytes[at..at + part]);
            at += part;
            self.filled += part;
            if self.filled < HEAD {
                return Verdict::Pass;
            }
            self.filled = 0;
            self.count();
        }
    }

    fn is_over(&self) -> bool {
        self.resets > RESET_LIMIT || self.control > CONTROL_LIMIT + self.written / BYTES_PER_FRAME
    }

    /// Not within a head: the codec would take the answer for a part of it.
    fn is_excessive(&mut self) -> bool {
        let [_, _, _, kind, flags, ..] = self.head;
        self.excess && !(matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS == 0)
    }

    /// Payload comes.
    fn look(&mut self, payload: &[u8]) {
        let Some(mut opening) = self.opening else { return };
        let goes_on = payload.iter().all(|byte| opening.reads(*byte));
        self.excess |= opening.sizes > SIZE_LIMIT;
        self.opening = (goes_on && !self.excess).then_some(opening);
    }

    fn count(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.head;
        match kind {
            HEADERS => self.opening = Some(Opening::of(flags)),
            CONTINUATION => {}
            _ => self.opening = None,
        }
        self.skip = u32::from_be_bytes([0, high, middle, low]) as usize;
        match kind {
            DATA | HEADERS | CONTINUATION => {}
            RST_STREAM => self.resets += 1,
            _ => self.control += 1,
        }
    }
}

/// What the codec reads instead: a head in more pieces than it takes, whose limit rises with `head_limit`.
pub fn endless_head(head_limit: u64) -> Vec<u8> {
    // The codec takes a quarter more than the frames that a head of that size needs, and at least five.
    let least_frame = 16_384;
    let pieces = usize::try_from(head_limit / least_frame).unwrap_or(usize::MAX / 64).min(1 << 16);
    let mut bytes = empty(HEADERS).to_vec();
    bytes.extend(empty(CONTINUATION).repeat(pieces + pieces / 4 + 8));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 0x6;
    const WINDOW_UPDATE: u8 = 0x8;

    fn frame(kind: u8, payload: usize) -> Vec<u8> {
        let mut frame = empty(kind).to_vec();
        frame[2] = u8::try_from(payload).expect("short");
        frame.extend(vec![0xff; payload]);
        frame
    }

    fn started(now: Instant) -> Frames {
        let mut frames = Frames::new(now);
        assert_eq!(frames.read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", || now), Verdict::Pass);
        frames
    }

    #[test]
    fn limits_are_met_exactly_however_the_bytes_are_cut() {
        let now = Instant::now();
        for (kind, payload, limit) in [(PING, 8, CONTROL_LIMIT), (RST_STREAM, 4, RESET_LIMIT), (0x7f, 0, CONTROL_LIMIT)]
        {
            let one = frame(kind, payload);
            let most = usize::try_from(limit).expect("small");
            for cut in [1, 2, 7, 9, 10, 4096, usize::MAX] {
                let mut frames = started(now);
                let bytes = one.repeat(most + 3);
                let mut passed = 0;
                for part in bytes.chunks(cut.min(bytes.len())) {
                    match frames.read(part, || now) {
                        Verdict::Pass => passed += part.len(),
                        Verdict::CalmAfter(count) => {
                            passed += count;
                            break;
                        }
                    }
                }
                assert_eq!(passed, one.len() * (most + 1), "{kind} cut at {cut}");
            }
        }
    }

    #[test]
    fn requests_and_bodies_are_not_counted() {
        let now = Instant::now();
        let mut frames = started(now);
        let request = [frame(HEADERS, 40), frame(CONTINUATION, 0), frame(DATA, 200)].concat();
        assert_eq!(frames.read(&request.repeat(10_000), || now), Verdict::Pass);
    }

    #[test]
    fn a_client_that_reads_may_open_its_windows() {
        let now = Instant::now();
        let mut frames = started(now);
        frames.wrote(10 * 1024 * 1024);
        assert_eq!(frames.read(&frame(WINDOW_UPDATE, 4).repeat(11_000), || now), Verdict::Pass);
        assert_ne!(frames.read(&frame(WINDOW_UPDATE, 4).repeat(1_000), || now), Verdict::Pass);
    }

    #[test]
    fn a_head_may_change_the_size_of_the_table_twice() {
        let now = Instant::now();
        let head = |flags: u8, kind: u8, block: &[u8]| {
            let mut bytes = empty(kind).to_vec();
            (bytes[2], bytes[4]) = (u8::try_from(block.len()).expect("short"), flags);
            bytes.extend(block);
            bytes
        };
        let whole = |flags: u8, block: &[u8]| head(END_HEADERS | flags, HEADERS, block);
        let parts =
            |first: &[u8], last: &[u8]| [head(0, HEADERS, first), head(END_HEADERS, CONTINUATION, last)].concat();
        let fine = [
            whole(0, b"\x20\x3f\xe1\x1f\x82\x20\x20\x20"), // behind a field they are an error of another kind
            whole(PADDED, b"\x20\x20\x20\x82"),
            whole(PRIORITY, b"\x20\x20\x20\x20\x20\x20\x20\x82"),
            whole(0, b"\x3f\xa0\xa0\x20\x20\x82"),
            [whole(0, b""), frame(DATA, 9)].concat(),
            parts(b"\x20", b"\x20\x82"),
        ];
        let excessive = [
            whole(0, b"\x20\x20\x20\x82"),
            whole(PADDED | PRIORITY, b"\x20\x20\x20\x20\x20\x20\x20\x20\x20\x82"),
            parts(b"\x20\x3f\xe1", b"\x1f\x20"),
            parts(b"\x20\x20\x20", b""),
        ];
        for (bytes, fine) in fine.iter().map(|bytes| (bytes, true)).chain(excessive.iter().map(|bytes| (bytes, false)))
        {
            for cut in 1..=bytes.len() {
                let mut frames = started(now);
                let mut passed = 0;
                for part in bytes.chunks(cut) {
                    passed += match frames.read(part, || now) {
                        Verdict::Pass => part.len(),
                        Verdict::CalmAfter(count) => count,
                    };
                }
                assert_eq!(passed, bytes.len(), "{bytes:02x?} cut at {cut}");
                let verdict = frames.read(b"", || now + 2 * PERIOD);
                assert_eq!(verdict == Verdict::Pass, fine, "{bytes:02x?} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_new_period_counts_afresh() {
        let now = Instant::now();
        let mut frames = started(now);
        let most = frame(RST_STREAM, 4).repeat(usize::try_from(RESET_LIMIT).expect("small") + 1);
        assert_eq!(frames.read(&most, || now + PERIOD), Verdict::Pass);
        assert_eq!(frames.read(&most[..most.len() - 13], || now + PERIOD), Verdict::Pass);
        assert!(matches!(frames.read(&most, || now + PERIOD), Verdict::CalmAfter(_)));
    }
}
