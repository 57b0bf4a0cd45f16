//! Text from outside, made fit for a person's terminal and a log's line: one line, bounded, without controls.
//!
//! Not here: quoting for machines; JSON escapes by itself.

/// At most `limit` characters of it; white space of any kind becomes one space, and controls and characters that turn the
/// direction of text or are not seen become U+FFFD. What was left out shows as an ellipsis.
pub(crate) fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for (count, c) in text.split_whitespace().flat_map(|word| [" ", word]).flat_map(str::chars).skip(1).enumerate() {
        if count == limit {
            shown.push('…');
            break;
        }
        shown.push(if is_treacherous(c) { char::REPLACEMENT_CHARACTER } else { c });
    }
    shown
}

/// The same of bytes that claim to be text.
pub(crate) fn printable_bytes(bytes: &[u8], limit: usize) -> String {
    // A character takes four bytes at most: nothing that would be shown is cut off here.
    let enough = bytes.len().min(limit.saturating_add(1).saturating_mul(4));
    printable(&String::from_utf8_lossy(&bytes[..enough]), limit)
}

/// Controls, marks of direction (UAX 9), and what has no width.
fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_one_plain_line() {
        let cases = [
            ("plain", "plain"),
            ("", ""),
            ("  two\r\n\tlines \n", "two lines"),
            ("\x1b[31mred\x07", "\u{fffd}[31mred\u{fffd}"),
            ("a\u{202e}b", "a\u{fffd}b"),
            ("0123456789abcdef", "0123456789ab…"),
            ("0123456789ab", "0123456789ab"),
        ];
        for (text, expected) in cases {
            assert_eq!(printable(text, 12), expected, "{text:?}");
        }
    }

    #[test]
    fn bytes_need_not_be_text() {
        assert_eq!(printable_bytes(b"\xff\xfe ok", 12), "\u{fffd}\u{fffd} ok");
        assert_eq!(printable_bytes(&vec![b'x'; 1 << 20], 3), "xxx…");
    }
}
