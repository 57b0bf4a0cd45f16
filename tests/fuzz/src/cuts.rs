//! Where bytes are cut into reads: chosen by the bytes themselves, so that an input is all there is to a case, and a
//! corpus holds what is on the wire and nothing else.

use crate::dice::Dice;

/// The bytes in pieces, none of them empty: of one byte each, or of up to 8, 64 or 1024.
pub(crate) fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let mut dice = Dice::of(bytes);
    let most = [1, 8, 64, 1024][dice.below(4)];
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at((1 + dice.below(most)).min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

/// Some lengths of beginnings of the bytes, in rising order, the whole last.
pub(crate) fn ends(bytes: &[u8]) -> Vec<usize> {
    let pieces = pieces(bytes);
    // Many beginnings of long bytes cost the square of their number.
    let step = pieces.len().div_ceil(256).max(1);
    let rising = pieces.iter().scan(0, |at, piece| Some(std::mem::replace(at, *at + piece.len())));
    let mut ends: Vec<usize> = rising.step_by(step).collect();
    ends.push(bytes.len());
    ends
}
