//! The counter of HTTP/2 frames.

use std::time::Instant;

use vestibule_wire::frames::{CONTROL_LIMIT, Frames, PERIOD, RESET_LIMIT, Verdict};

use crate::cuts;

/// What comes before the first frame, bytes.
const PREFACE: usize = 24;
/// In front of each payload, bytes.
const HEAD: usize = 9;

/// Of changes of the table's size in front of a header block (RFC 7541 section 4.2).
const SIZE_LIMIT: usize = 2;

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
    let (mut block, mut excess, mut in_head) = (None::<Vec<u8>>, false, false);
    let mut at = PREFACE;
    while at <= bytes.len() {
        if control > CONTROL_LIMIT || resets > RESET_LIMIT || (excess && !in_head) {
            return Some(at);
        }
        let head = bytes.get(at..at + HEAD)?;
        match head[3] {
            0x0 | 0x1 | 0x9 => {}
            0x3 => resets += 1,
            _ => control += 1,
        }
        let end = at + HEAD + (usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]));
        let payload = bytes.get(at + HEAD..end)?;
        block = match (head[3], block) {
            (0x1, _) => Some([vec![head[4]], payload.to_vec()].concat()),
            (0x9, Some(block)) => Some([&block[..], payload].concat()),
            _ => None,
        };
        in_head = matches!(head[3], 0x1 | 0x9) && head[4] & 0x4 == 0;
        excess |= block.as_deref().is_some_and(|block| sizes(block) > SIZE_LIMIT);
        at = end;
    }
    None
}

/// Changes of the table's size in front of a header block, behind the flags of its first frame.
fn sizes(block: &[u8]) -> usize {
    let before = usize::from(block[0] & 0x8 != 0) + if block[0] & 0x20 == 0 { 0 } else { 5 };
    let mut rest = block.iter().skip(1 + before);
    let mut count = 0;
    while let Some(0x20..=0x3f) = rest.clone().next() {
        count += 1;
        if rest.next() == Some(&0x3f) {
            while rest.next().is_some_and(|byte| byte & 0x80 != 0) {}
        }
    }
    count
}
