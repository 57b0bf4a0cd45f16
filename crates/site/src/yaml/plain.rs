//! The few forms of YAML that most site files consist of, read in a microsecond: lines of `key: value` whose values are
//! words, texts in quotes, or lists and mappings of these in brackets, and one level of lines below a key. A start reads
//! 100,000 such files.
//!
//! Whatever is not surely one of these forms is left to the YAML library, which reads them too: the tests beside and a fuzz
//! target hold that both give the same nodes at the same places. So nothing here refuses, and there is nothing here that
//! one could get right differently: no escapes, no text over several lines, no comment behind a value, nothing beyond ASCII.

use vestibule_diagnostics::Span;

use super::{MapKey, Node, Value};

/// Longer files are the library's: it counts what it reads.
const TEXT_LIMIT: usize = 4096;
/// The library refuses longer keys (YAML 1.2.2, section 7.4.2).
const KEY_LIMIT: usize = 1024;

/// The root of a text in these forms; `None` for every other text, good or bad.
pub(super) fn parse(text: &str) -> Option<Node> {
    if text.len() > TEXT_LIMIT {
        return None;
    }
    let mut lines = Lines { text, next: 0 };
    let mut entries = Vec::new();
    let mut line = lines.next_written()?;
    while let Some(mut top) = line {
        if top.indent != 0 {
            return None;
        }
        let key = top.key()?;
        if top.is_over() {
            let (value, after) = below(&mut lines)?;
            entries.push((key, value));
            line = after;
        } else {
            top.blank()?;
            let value = top.value()?;
            top.end()?;
            entries.push((key, value));
            line = lines.next_written()?;
        }
    }
    mapping(entries)
}

/// The lines below a key, all as far to the right: a list or a mapping. And the line that follows.
fn below<'t>(lines: &mut Lines<'t>) -> Option<(Node, Option<Cursor<'t>>)> {
    let mut line = lines.next_written()?;
    let indent = line.as_ref()?.indent;
    let is_list = line.as_ref()?.peek() == Some(b'-');
    if indent == 0 {
        return None;
    }
    let (mut items, mut entries) = (Vec::new(), Vec::new());
    while let Some(mut inner) = line {
        if inner.indent == 0 {
            line = Some(inner);
            break;
        }
        if inner.indent != indent {
            return None;
        }
        if is_list {
            inner.take(b'-')?;
            inner.blank()?;
            items.push(inner.value()?);
        } else {
            let key = inner.key()?;
            inner.blank()?;
            entries.push((key, inner.value()?));
        }
        inner.end()?;
        line = lines.next_written()?;
    }
    let value = if is_list { list(items) } else { mapping(entries) };
    Some((value?, line))
}

/// A mapping is shown at its first key.
fn mapping(entries: Vec<(MapKey, Node)>) -> Option<Node> {
    let span = entries.first()?.0.span;
    Some(Node { span, value: Value::Mapping(entries) })
}

/// A list is shown at its first item.
fn list(items: Vec<Node>) -> Option<Node> {
    let span = items.first()?.span;
    Some(Node { span, value: Value::List(items) })
}

/// A text, line by line.
struct Lines<'t> {
    text: &'t str,
    next: usize,
}

impl<'t> Lines<'t> {
    /// The next line that is neither blank nor a comment, within `Some(None)`: none is left. `None`: not one of our forms.
    #[expect(clippy::option_option, reason = "no line left, and no such text, are two things")]
    fn next_written(&mut self) -> Option<Option<Cursor<'t>>> {
        while self.next < self.text.len() {
            let start = self.next;
            let line = self.text.as_bytes()[start..].split(|byte| *byte == b'\n').next()?;
            self.next = start + line.len() + 1;
            if !line.iter().all(|byte| matches!(byte, b' '..=b'~')) {
                return None;
            }
            let indent = line.iter().take_while(|byte| **byte == b' ').count();
            match line.get(indent) {
                None => {}
                // Further to the right a comment may be part of what is above it.
                Some(b'#') if indent == 0 => {}
                Some(_) => {
                    return Some(Some(Cursor { text: self.text, at: start + indent, end: start + line.len(), indent }));
                }
            }
        }
        Some(None)
    }
}

/// A place in a line.
struct Cursor<'t> {
    text: &'t str,
    at: usize,
    end: usize,
    indent: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes()[..self.end].get(self.at).copied()
    }

    fn is_over(&self) -> bool {
        self.at == self.end
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then(|| self.at += 1)
    }

    /// One blank at least.
    fn blank(&mut self) -> Option<()> {
        self.take(b' ')?;
        self.blanks();
        Some(())
    }

    fn blanks(&mut self) {
        while self.take(b' ').is_some() {}
    }

    /// Nothing more in this line, also no comment.
    fn end(&mut self) -> Option<()> {
        self.blanks();
        self.is_over().then_some(())
    }

    /// `key:`. A colon behind it that nothing separates would be part of the key.
    fn key(&mut self) -> Option<MapKey> {
        let (span, text) = self.word(is_of_key)?;
        self.take(b':')?;
        let is_word = (self.is_over() || self.peek() == Some(b' ')) && !is_null(&text);
        (is_word && text.len() <= KEY_LIMIT).then_some(MapKey { span, text })
    }

    fn value(&mut self) -> Option<Node> {
        match self.peek()? {
            b'[' => self.flow_list(),
            b'{' => self.flow_mapping(),
            _ => self.scalar(),
        }
    }

    /// `[a, b]`.
    fn flow_list(&mut self) -> Option<Node> {
        let start = self.at;
        self.take(b'[')?;
        let mut items = Vec::new();
        loop {
            self.blanks();
            items.push(self.scalar()?);
            self.blanks();
            if self.take(b',').is_none() {
                self.take(b']')?;
                return Some(Node { span: flow_span(start), value: Value::List(items) });
            }
        }
    }

    /// `{a: b}`.
    fn flow_mapping(&mut self) -> Option<Node> {
        let start = self.at;
        self.take(b'{')?;
        let mut entries = Vec::new();
        loop {
            self.blanks();
            let key = self.key()?;
            self.blank()?;
            entries.push((key, self.scalar()?));
            self.blanks();
            if self.take(b',').is_none() {
                self.take(b'}')?;
                return Some(Node { span: flow_span(start), value: Value::Mapping(entries) });
            }
        }
    }

    fn scalar(&mut self) -> Option<Node> {
        match self.peek()? {
            b'"' => self.quoted(),
            _ => {
                let (span, text) = self.word(is_of_value)?;
                // A colon at its end would make it a key.
                let is_word = !text.ends_with(':') && !is_null(&text);
                is_word.then_some(Node { span, value: Value::Plain(text) })
            }
        }
    }

    /// Text in double quotes without anything that would have to be unescaped.
    fn quoted(&mut self) -> Option<Node> {
        let start = self.at;
        self.take(b'"')?;
        let inside = &self.text[self.at..self.end];
        let length = inside.find(['"', '\\']).filter(|length| inside.as_bytes()[*length] == b'"')?;
        let text = inside[..length].to_owned();
        self.at += length + 1;
        Some(Node { span: Span { start, end: self.at }, value: Value::Quoted(text) })
    }

    /// A word that begins with a letter, a digit or a slash: no sign of YAML does.
    fn word(&mut self, is_of_word: fn(u8) -> bool) -> Option<(Span, String)> {
        let rest = &self.text.as_bytes()[self.at..self.end];
        if !rest.first().is_some_and(|first| first.is_ascii_alphanumeric() || *first == b'/') {
            return None;
        }
        let length = rest.iter().take_while(|byte| is_of_word(**byte)).count();
        let span = Span { start: self.at, end: self.at + length };
        self.at = span.end;
        Some((span, self.text[span.start..span.end].to_owned()))
    }
}

fn is_of_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'.')
}

fn is_of_value(byte: u8) -> bool {
    is_of_key(byte) || byte == b':'
}

/// Words that stand for nothing.
fn is_null(text: &str) -> bool {
    text.eq_ignore_ascii_case("null")
}

/// Where a collection in brackets is shown.
fn flow_span(start: usize) -> Span {
    Span { start, end: start + 1 }
}

#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod agreement;
#[cfg(test)]
mod tests;
