//! A stranger's text inside a message: shortened, and harmless to the terminal that shows it.
//!
//! Site files belong to tenants and messages are read by operators, so nothing of a file may reach a terminal that
//! could move the cursor, change colours, reverse the direction of writing or hide characters.

use std::fmt::Write as _;

/// The longest piece of somebody else's text that a message repeats, in characters.
const QUOTE_LIMIT: usize = 60;
/// The longest text of a message, a note or a help, in characters.
const MESSAGE_LIMIT: usize = 600;

/// Somebody's text as a message repeats it: in backticks, escaped, at most some sixty characters.
///
/// ```
/// # use vestibule_diagnostics::quote;
/// assert_eq!(quote("upstram"), "`upstram`");
/// assert_eq!(quote("\u{1b}[31m"), r"`\u{1b}[31m`");
/// ```
pub fn quote(text: &str) -> String {
    let mut out = String::from("`");
    for (n, c) in text.chars().enumerate() {
        if n == QUOTE_LIMIT {
            out.push('…');
            break;
        }
        push_escaped(&mut out, c);
    }
    out.push('`');
    out
}

/// One line of a message or a log: control characters and line ends are escaped, and it is cut.
pub fn one_line(text: &str) -> String {
    shown(text, |_| false)
}

/// Notes and help may have several lines; everything else is escaped.
pub(crate) fn lines(text: &str) -> String {
    shown(text, |c| c == '\n')
}

/// Escaped but for the kept characters, and cut: errors of other crates may repeat whatever was written.
fn shown(text: &str, keep: fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len().min(MESSAGE_LIMIT));
    for (n, c) in text.chars().enumerate() {
        if n == MESSAGE_LIMIT {
            out.push('…');
            break;
        }
        if keep(c) { out.push(c) } else { push_escaped(&mut out, c) }
    }
    out
}

fn push_escaped(out: &mut String, c: char) {
    if is_hazardous(c) {
        write!(out, "\\u{{{:x}}}", u32::from(c)).expect("writing to a string cannot fail");
    } else {
        out.push(c);
    }
}

/// What stands in an excerpt for a character that must not reach a terminal. One for one, so that columns stay true.
pub(crate) fn harmless(c: char) -> char {
    match c {
        '\t' => c,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\x7f' => '\u{2421}',
        c if is_hazardous(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// Controls (also the C1 set, which some terminals obey), the invisible and the direction-changing, and separators
/// that some readers take for a line end.
fn is_hazardous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_terminal_gets_through() {
        let all = ('\0'..='\u{2fff}').chain('\u{fe00}'..='\u{ffff}').chain('\u{e0000}'..='\u{e0fff}');
        let hostile = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        for c in all {
            assert!(!one_line(&c.to_string()).chars().any(hostile));
            assert!(!lines(&c.to_string()).chars().any(|c| hostile(c) && c != '\n'));
            assert!(!hostile(harmless(c)) || c == '\t');
        }
    }

    #[test]
    fn a_quotation_is_short() {
        assert_eq!(quote(&"x".repeat(1000)).chars().count(), QUOTE_LIMIT + 3);
        assert_eq!(one_line(&"x".repeat(10_000)).chars().count(), MESSAGE_LIMIT + 1);
        assert_eq!(quote("a\nb\u{9b}"), r"`a\u{a}b\u{9b}`");
    }
}
