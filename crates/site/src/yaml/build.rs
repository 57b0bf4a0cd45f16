//! The parser's events → a tree, iteratively: depth costs no stack.

use granit_parser::{Event, Parser, ScalarStyle};
use vestibule_diagnostics::{Diagnostic, Span, catalogue, quote};

use super::{DEPTH_LIMIT, Document, EVENT_LIMIT, MapKey, Node, TEXT_LIMIT, Value, syntax};
use crate::findings::Findings;

/// Reads the text; what is wrong with it goes to the findings.
pub(crate) fn parse(bytes: &[u8], findings: &mut Findings) -> Document {
    let Some(text) = readable(bytes, findings) else { return Document::Unreadable };
    let options = granit_parser::options! {
        disallow_directives: true,
        emit_unresolved_aliases: true,
        emit_anchor_events: true,
        flow_nesting_limit: DEPTH_LIMIT,
        block_nesting_limit: DEPTH_LIMIT,
    };
    let mut builder = Builder { findings, open: Vec::new(), root: None, documents: 0 };
    for (count, event) in Parser::new_from_str_with_options(text, options).enumerate() {
        let outcome = match event {
            _ if count > EVENT_LIMIT => Err(Box::new(too_many_values())),
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(Box::new(syntax::diagnostic(&error, text, builder.open_bracket()))),
        };
        if let Err(fatal) = outcome {
            builder.findings.push(*fatal);
            return Document::Unreadable;
        }
        if builder.documents > 1 {
            break;
        }
    }
    match builder.root {
        Some(root) if !matches!(root.value, Value::Null) => Document::Root(root),
        _ => Document::Empty,
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

fn too_many_values() -> Diagnostic {
    Diagnostic::new(catalogue::TOO_COMPLEX, format!("there are more than {} values in the file", EVENT_LIMIT / 2))
}

/// A mapping or list that is not closed yet.
enum Open {
    List(Span, Vec<Node>),
    Mapping(Span, Vec<(MapKey, Node)>, PendingKey),
}

enum PendingKey {
    None,
    Word(MapKey),
    /// A key that is no word, reported already: its value is read and dropped.
    Refused,
}

/// What stops the reading.
type Fatal = Box<Diagnostic>;

struct Builder<'f> {
    findings: &'f mut Findings,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, place: granit_parser::Span) -> Result<(), Fatal> {
        let span = bytes_of(place.byte_range());
        if let Some(tag) = place.tag_span() {
            self.refuse_tag(bytes_of(tag.byte_range()));
        }
        match event {
            Event::DocumentStart(..) => self.document(span),
            Event::Anchor(_, name) => self.refuse_anchor(span, &name),
            Event::Alias(_) => self.refuse_alias(span, None),
            Event::UnresolvedAlias(name) => self.refuse_alias(span, Some(&name)),
            Event::Scalar(text, style, ..) => self.node(span, scalar(text.into_owned(), style)),
            Event::SequenceStart(..) => {
                self.check_depth(span)?;
                self.open.push(Open::List(span, Vec::new()));
            }
            Event::MappingStart(..) => {
                self.check_depth(span)?;
                self.open.push(Open::Mapping(span, Vec::new(), PendingKey::None));
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            // Stream and document ends say nothing; the parser may learn further events that are no nodes.
            _ => {}
        }
        Ok(())
    }

    /// The innermost bracket or brace that is not closed; only those have a span of their own.
    fn open_bracket(&self) -> Option<Span> {
        let (Open::List(span, _) | Open::Mapping(span, ..)) = self.open.last()?;
        (span.end > span.start).then_some(*span)
    }

    fn check_depth(&self, span: Span) -> Result<(), Fatal> {
        if self.open.len() < DEPTH_LIMIT { Ok(()) } else { Err(Box::new(syntax::too_deep(span))) }
    }

    fn document(&mut self, span: Span) {
        self.documents += 1;
        if self.documents > 1 {
            self.findings.push(
                Diagnostic::new(catalogue::UNSUPPORTED_YAML, "a second document begins here")
                    .at(span, "nothing after this line is read")
                    .help("put each site into a file of its own"),
            );
        }
    }

    fn close(&mut self) {
        match self.open.pop() {
            Some(Open::List(span, items)) => {
                let span = first_piece(span, items.first().map(|node| node.span));
                self.node(span, Value::List(items));
            }
            Some(Open::Mapping(span, entries, _)) => {
                let span = first_piece(span, entries.first().map(|(key, _)| key.span));
                self.node(span, Value::Mapping(entries));
            }
            None => debug_assert!(false, "the parser closes only what it opened"),
        }
    }

    /// A finished node becomes a key, a value, an item, or the root.
    fn node(&mut self, span: Span, value: Value) {
        let node = Node { span, value };
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Mapping(_, entries, pending)) => match std::mem::replace(pending, PendingKey::None) {
                PendingKey::Word(key) => entries.push((key, node)),
                PendingKey::Refused => {}
                PendingKey::None => *pending = key_of(node, self.findings),
            },
        }
    }

    fn refuse_tag(&mut self, span: Span) {
        self.findings.push(
            Diagnostic::new(catalogue::UNSUPPORTED_YAML, "tags are not used here")
                .at(span, "a YAML tag")
                .help("remove it; if the value begins with `!`, put it in quotes"),
        );
    }

    fn refuse_anchor(&mut self, span: Span, name: &str) {
        self.findings.push(
            Diagnostic::new(catalogue::UNSUPPORTED_YAML, format!("anchors such as {} are not used here", quote(name)))
                .at(span, "a YAML anchor")
                .help("remove it; if the value begins with `&`, put it in quotes"),
        );
    }

    fn refuse_alias(&mut self, span: Span, unresolved: Option<&str>) {
        let finding = match unresolved {
            Some(name) if name.starts_with('.') => {
                let wildcard = quote(&format!("\"*{name}\""));
                Diagnostic::new(catalogue::UNSUPPORTED_YAML, "a wildcard without quotes")
                    .at(span, "this is a YAML alias")
                    .note("text that begins with `*` refers to another place of the file")
                    .help(format!("write {wildcard}"))
            }
            _ => Diagnostic::new(catalogue::UNSUPPORTED_YAML, "aliases are not used here")
                .at(span, "a YAML alias")
                .help("write the value out; if it begins with `*`, put it in quotes"),
        };
        self.findings.push(finding);
        self.node(span, Value::Refused);
    }
}

fn scalar(text: String, style: ScalarStyle) -> Value {
    match style {
        ScalarStyle::Plain if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        ScalarStyle::Plain => Value::Plain(text),
        _ => Value::Quoted(text),
    }
}

/// A node at the place of a key.
fn key_of(node: Node, findings: &mut Findings) -> PendingKey {
    match node.value {
        Value::Plain(text) if text == "<<" => {
            findings.push(
                Diagnostic::new(catalogue::UNSUPPORTED_YAML, "merge keys are not used here")
                    .at(node.span, "a YAML merge key")
                    .help("write the keys out"),
            );
            PendingKey::Refused
        }
        Value::Plain(text) | Value::Quoted(text) => PendingKey::Word(MapKey { span: node.span, text }),
        Value::Refused => PendingKey::Refused,
        Value::Null | Value::List(_) | Value::Mapping(_) => {
            findings.push(
                Diagnostic::new(catalogue::WRONG_TYPE, format!("a key is a word, not {}", node.kind()))
                    .at(node.span, "stands where a key is expected"),
            );
            PendingKey::Refused
        }
    }
}

/// Block mappings and lists have an empty span at their start: their first piece shows better what is meant.
fn first_piece(own: Span, first: Option<Span>) -> Span {
    match first {
        Some(first) if own.end <= own.start => first,
        _ => own,
    }
}

/// Spans of a parser over text carry byte offsets; were one missing, the finding would point at the beginning.
fn bytes_of(range: Option<std::ops::Range<usize>>) -> Span {
    range.map_or_else(Span::default, |range| Span { start: range.start, end: range.end.max(range.start) })
}
