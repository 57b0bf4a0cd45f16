//! What a terminal is told: escaping, colours, width. Everything that people read passes through here, because names and
//! file contents are other people's bytes and a terminal obeys some of them.

use std::{
    borrow::Cow,
    io::{self, IsTerminal as _, Write as _},
};

/// Says something on standard error. A closed standard error is nobody's failure.
pub(crate) fn tell(text: &str) {
    drop(io::stderr().lock().write_all(text.as_bytes()));
}

/// Says something only to somebody who sits there: a log has its own words for it.
pub(crate) fn tell_person(text: &str) {
    if io::stderr().is_terminal() {
        tell(text);
    }
}

/// Colours or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// Bytes for files and pipes.
    Plain,
    /// SGR sequences (ECMA-48) for terminals.
    Colour,
}

impl Paint {
    /// What standard output takes.
    pub(crate) fn of_stdout() -> Self {
        Self::choose(io::stdout().is_terminal())
    }

    /// What standard error takes.
    pub(crate) fn of_stderr() -> Self {
        Self::choose(io::stderr().is_terminal())
    }

    fn choose(terminal: bool) -> Self {
        let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let refused = said("NO_COLOR").is_some() || said("TERM").is_some_and(|term| term == "dumb");
        if terminal && !refused { Self::Colour } else { Self::Plain }
    }

    /// Red and bold.
    pub(crate) fn bad(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    /// Yellow and bold.
    pub(crate) fn doubtful(self, text: &str) -> String {
        self.wrap("1;33", text)
    }

    /// Green.
    pub(crate) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// Bold.
    pub(crate) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    fn wrap(self, sgr: &str, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{sgr}m{text}\u{1b}[0m"),
        }
    }
}

/// Columns of the terminal on standard output; `None` when it is no terminal, where nothing is cut.
pub(crate) fn width() -> Option<usize> {
    let columns = rustix::termios::tcgetwinsize(io::stdout()).ok()?.ws_col;
    (columns > 0).then(|| usize::from(columns))
}

/// One line that a terminal only shows: control characters and direction overrides are written out.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    escape(text, commands)
}

/// The same for text of several lines.
pub(crate) fn escaped_text(text: &str) -> String {
    escape(text, |c| c != '\n' && commands(c)).into_owned()
}

fn escape(text: &str, is_command: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_command) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_command(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Control characters (C0, DEL, C1), and the marks by which text reorders what is around it ("Trojan Source",
/// CVE-2021-42574).
fn commands(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        let check = |text: &str, expected: &str| assert_eq!(escaped(text), expected);
        check("blog.yaml", "blog.yaml");
        check("bücher", "bücher");
        check("a\u{1b}[2Jb", "a\\u{1b}[2Jb");
        check("a\r\nb", "a\\r\\nb");
        check("a\u{9b}b\u{202e}c", "a\\u{9b}b\\u{202e}c");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(escaped_text("a\nb\u{7}\n"), "a\nb\\u{7}\n");
    }

    #[test]
    fn plain_paint_adds_nothing() {
        assert_eq!(Paint::Plain.bad("x"), "x");
        assert_eq!(Paint::Colour.bad("x"), "\u{1b}[1;31mx\u{1b}[0m");
    }
}
