//! [`cut`]: which plaintext becomes a record of its own. Small parts (a head, the beginning of a body) go into one, and
//! what fills records by itself is not copied.

use std::io::IoSlice;

use crate::spare;

/// The plaintext of a full record (RFC 8446 section 5.1).
const RECORD: usize = 1 << 14;

/// Has the parts sealed, up to so many bytes of them together, in pieces of whole records and a last one. Returns how many
/// bytes that were.
pub(crate) fn cut<E>(
    parts: &[IoSlice<'_>],
    limit: usize,
    mut seal: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<usize, E> {
    let mut joined = spare::joined();
    let mut last: &[u8] = &[]; // less than a record; empty while there is a beginning of one in `joined`
    let mut taken = 0;
    for part in parts.iter().filter(|part| !part.is_empty()) {
        let mut rest = &part[..part.len().min(limit - taken)];
        taken += rest.len();
        joined.push(last);
        if !joined.bytes().is_empty() {
            let (first, after) = rest.split_at(rest.len().min(RECORD - joined.bytes().len()));
            joined.push(first);
            rest = after;
            if joined.bytes().len() == RECORD {
                seal(joined.bytes())?;
                joined.clear();
            }
        }
        let (whole, after) = rest.split_at(rest.len() / RECORD * RECORD);
        if !whole.is_empty() {
            seal(whole)?;
        }
        last = after;
    }
    // What is left is in one of the two.
    match (joined.bytes(), last) {
        ([], []) => {}
        ([], piece) | (piece, _) => seal(piece)?,
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lengths of what is sealed of parts of these lengths; the bytes are checked to be the same.
    fn sealed(lengths: &[usize], limit: usize) -> Vec<usize> {
        let whole: Vec<u8> = (0..lengths.iter().sum()).map(|at: usize| (at % 251) as u8).collect();
        let mut rest = &whole[..];
        let parts: Vec<_> = lengths
            .iter()
            .map(|&length| {
                let (part, after) = rest.split_at(length);
                rest = after;
                IoSlice::new(part)
            })
            .collect();
        let (mut bytes, mut pieces) = (Vec::new(), Vec::new());
        let taken = cut(&parts, limit, |piece| {
            bytes.extend_from_slice(piece);
            pieces.push(piece.len());
            Ok::<_, ()>(())
        });
        assert_eq!(taken, Ok(whole.len().min(limit)), "{lengths:?}");
        assert!(bytes == whole[..whole.len().min(limit)], "the same bytes of {lengths:?}");
        pieces
    }

    #[test]
    fn small_parts_share_a_record_and_whole_records_are_not_copied() {
        const ALL: usize = usize::MAX;
        for (lengths, limit, expected) in [
            (&[][..], ALL, &[][..]),
            (&[0, 0], ALL, &[]),
            (&[5], ALL, &[5]),
            (&[200, 1024], ALL, &[1224]),
            (&[200, 0, 1024, 7], ALL, &[1231]),
            (&[RECORD], ALL, &[RECORD]),
            (&[3 * RECORD], ALL, &[3 * RECORD]),
            (&[200, 4 * RECORD], ALL, &[RECORD, 3 * RECORD, 200]),
            (&[RECORD - 1, 1, 1], ALL, &[RECORD, 1]),
            (&[RECORD + 1, RECORD], ALL, &[RECORD, RECORD, 1]),
            (&[200, 4 * RECORD], 4 * RECORD, &[RECORD, 3 * RECORD]),
            (&[200, 1024], 300, &[300]),
            (&[200, 1024], 200, &[200]),
        ] {
            assert_eq!(sealed(lengths, limit), expected, "{lengths:?} up to {limit}");
        }
    }
}
