//! The deserialised tree → nodes. It recurses, which [`DEPTH_LIMIT`] bounds.

use serde::Deserialize;
use serde_yaml::{Budget, DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy, Options, Tagged};
use vestibule_diagnostics::{Diagnostic, Span, catalogue};

use super::{
    DEPTH_LIMIT, Document, EVENT_LIMIT, MapKey, Node, TEXT_LIMIT, Value, plain, refuse,
    tree::{KeyPiece, Piece, Raw, RawKey},
};
use crate::findings::Findings;

/// Reads the text; what is wrong with it goes to the findings.
pub(crate) fn parse(bytes: &[u8], findings: &mut Findings) -> Document {
    let Some(text) = readable(bytes, findings) else { return Document::Unreadable };
    plain::parse(text).map_or_else(|| read(text, findings), Document::Root)
}

/// Reads any text, by the library.
pub(super) fn read(text: &str, findings: &mut Findings) -> Document {
    if let Some(directive) = refuse::directive(text) {
        findings.push(directive);
        return Document::Unreadable;
    }
    // The tree is kept outside, because a second document is found out only after the first was read.
    let mut root = None;
    let outcome = serde_yaml::with_deserializer_from_str_with_options(text, options(), |deserializer| {
        root = Some(Piece::deserialize(deserializer)?);
        Ok(())
    });
    if let Err(error) = outcome {
        findings.push(refuse::diagnostic(&error, text));
        if !refuse::is_further_document(&error) {
            return Document::Unreadable;
        }
    }
    match root.map(|root| Builder { text, findings }.node(root)) {
        Some(root) if !matches!(root.value, Value::Null) => Document::Root(root),
        _ => Document::Empty,
    }
}

/// What is read, and how much. Doubled keys and merge keys come as they are written: `fields` and [`Builder::key`] say
/// better what is wrong with them.
fn options() -> Options {
    serde_yaml::options! {
        budget: budget(),
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}

fn budget() -> Option<Budget> {
    serde_yaml::budget! {
        max_events: EVENT_LIMIT,
        max_nodes: EVENT_LIMIT,
        max_depth: DEPTH_LIMIT,
        flow_nesting_limit: DEPTH_LIMIT,
        // An escape may become longer than it is written, but never twice as long.
        max_total_scalar_bytes: 2 * TEXT_LIMIT,
        max_documents: 1,
        max_anchors: 0,
        max_aliases: 0,
    }
}

/// The bytes as text, if they are a text of a size that is read.
fn readable<'b>(bytes: &'b [u8], findings: &mut Findings) -> Option<&'b str> {
    if bytes.len() > TEXT_LIMIT {
        findings.push(Diagnostic::new(
            catalogue::TOO_COMPLEX,
            format!("the file has {} bytes, and no more than {TEXT_LIMIT} are read", bytes.len()),
        ));
        return None;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            let at = error.valid_up_to();
            findings.push(
                Diagnostic::new(catalogue::NOT_UTF8, format!("byte 0x{:02x} is no UTF-8", bytes[at]))
                    .at(Span { start: at, end: at }, "up to here it is text")
                    .help("save the file as UTF-8"),
            );
            None
        }
    }
}

struct Builder<'t, 'f> {
    text: &'t str,
    findings: &'f mut Findings,
}

impl Builder<'_, '_> {
    fn node(&mut self, piece: Piece) -> Node {
        let span = refuse::place(&piece.defined, self.text);
        let Tagged(raw, tag) = piece.value;
        self.piece(span, raw, tag)
    }

    fn piece(&mut self, span: Span, raw: Raw, tag: Option<String>) -> Node {
        if tag.is_some() {
            self.findings.push(refuse::tag(self.text, span));
        }
        match raw {
            // Only its tag would say what the scalar is.
            Raw::Null | Raw::Text(_) | Raw::Typed if tag.is_some() => Node { span, value: Value::Refused },
            Raw::Null => Node { span, value: Value::Null },
            Raw::Text(text) => Node { span, value: self.scalar(text, span) },
            Raw::Typed => Node { span, value: Value::Plain(self.written(span).to_owned()) },
            Raw::List(items) => {
                let items: Vec<Node> = items.into_iter().map(|item| self.node(item)).collect();
                Node { span: first_piece(span, items.first().map(|item| item.span)), value: Value::List(items) }
            }
            Raw::Mapping(entries) => {
                let entries: Vec<(MapKey, Node)> =
                    entries.into_iter().filter_map(|(key, value)| self.entry(key, value)).collect();
                let span = first_piece(span, entries.first().map(|(key, _)| key.span));
                Node { span, value: Value::Mapping(entries) }
            }
        }
    }

    /// The value of a key that was refused is looked at and dropped.
    fn entry(&mut self, key: KeyPiece, value: Piece) -> Option<(MapKey, Node)> {
        let key = self.key(key);
        let value = self.node(value);
        Some((key?, value))
    }

    fn key(&mut self, key: KeyPiece) -> Option<MapKey> {
        let span = refuse::place(&key.defined, self.text);
        let Tagged(RawKey(raw), tag) = key.value;
        let node = self.piece(span, raw, tag);
        match node.value {
            Value::Plain(text) if text == "<<" => {
                self.findings.push(refuse::merge_key(node.span));
                None
            }
            Value::Plain(text) | Value::Quoted(text) => Some(MapKey { span: node.span, text }),
            Value::Refused => None,
            Value::Null | Value::List(_) | Value::Mapping(_) => {
                self.findings.push(
                    Diagnostic::new(catalogue::WRONG_TYPE, format!("a key is a word, not {}", node.kind()))
                        .at(node.span, "stands where a key is expected"),
                );
                None
            }
        }
    }

    /// Text without quotes begins with none of these signs. The place of a block is its text below the sign, or the
    /// sign where no text follows.
    fn scalar(&self, text: String, span: Span) -> Value {
        match self.written(span).as_bytes().first() {
            Some(b'"' | b'\'' | b'|' | b'>') => Value::Quoted(text),
            _ if follows_block_sign(&self.text[..span.start]) => Value::Quoted(text),
            _ => Value::Plain(text),
        }
    }

    fn written(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }
}

/// Whether what begins after this text begins a line, and the last word above it is `|` or `>`, perhaps with the signs
/// for indentation and line ends. Looks at no more than that line: a file may have all its values in one.
fn follows_block_sign(before: &str) -> bool {
    let Some(above) = before.trim_end_matches([' ', '\t']).strip_suffix('\n') else { return false };
    let line = above.trim_end().rsplit('\n').next().unwrap_or_default();
    let line = line.split(" #").next().unwrap_or_default();
    let word = line.split_whitespace().next_back().unwrap_or_default();
    word.strip_prefix(['|', '>']).is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || matches!(c, '+' | '-')))
}

/// Block mappings and lists have an empty span at their start: their first piece shows better what is meant.
fn first_piece(own: Span, first: Option<Span>) -> Span {
    match first {
        Some(first) if own.end <= own.start => first,
        _ => own,
    }
}
