//! The counter of HTTP/2 frames.

use std::time::Instant;

use vestibule_wire::frames::{CONTROL_LIMIT, Frames, PERIOD, RESET_LIMIT, Verdict};

use crate::cuts;

/// What comes before the first frame, bytes.
const PREFACE: usize = 24;
/// In front of each payload, bytes.
const HEAD: usize = 9;

/// The first byte says how often the rest comes, so that short inputs reach the limits.
pub fn frames(data: &[u8]) {
    let Some((times, once)) = data.split_first() else { return };
    let bytes = once.repeat(usize::from(*times).clamp(1, 1 + 65_536 / once.len().max(1)));
    let start = Instant::now();
    let whole = match Frames::new(start).read(&bytes, || start) {
        Verdict::Pass => None,
        Verdict::CalmAfter(count) => Some(count),
    };
    assert_eq!(whole, counted(&bytes), "at exactly the limits");
    let mut counter = Frames::new(start);
    let mut passed = 0;
    let mut calm = None;
    for piece in cuts::pieces(&bytes) {
        match counter.read(piece, || start) {
            Verdict::Pass => passed += piece.len(),
            Verdict::CalmAfter(count) => {
                assert!(count <= piece.len(), "more than was read");
                calm = Some(passed + count);
                break;
            }
        }
    }
    // Without anything behind it, the last allowed frame is only known to be the last.
    assert_eq!(calm.unwrap_or(bytes.len()), whole.unwrap_or(bytes.len()), "however they are cut");
    // In a new period whatever has come before is forgotten.
    let mut later = Frames::new(start);
    let half = bytes.len() / 2;
    if later.read(&bytes[..half], || start) == Verdict::Pass {
        let _ = later.read(&bytes[half..], || start + PERIOD);
    }
}

/// The same, counted frame by frame.
fn counted(bytes: &[u8]) -> Option<usize> {
    let (mut control, mut resets) = (0, 0);
    let mut at = PREFACE;
    while at <= bytes.len() {
        if control > CONTROL_LIMIT || resets > RESET_LIMIT {
            return Some(at);
        }
        let head = bytes.get(at..at + HEAD)?;
        match head[3] {
            0x0 | 0x1 | 0x9 => {}
            0x3 => resets += 1,
            _ => control += 1,
        }
        at += HEAD + (usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]));
    }
    None
}
