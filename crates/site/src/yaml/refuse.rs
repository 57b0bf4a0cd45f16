//! YAML that is well-formed and still not used here, and the reader's errors as findings.

use serde_yaml::{Error, ExternalMessageSource, Location, budget::BudgetBreach};
use vestibule_diagnostics::{Diagnostic, Span, catalogue, quote};

use super::{EVENT_LIMIT, syntax};

/// What ended the reading.
pub(super) fn diagnostic(error: &Error, text: &str) -> Diagnostic {
    let span = error.location().map_or_else(Span::default, |location| place(&location, text));
    match error {
        Error::ExternalMessage { source, .. } if let ExternalMessageSource::Parser(scan) = &**source => {
            syntax::diagnostic(scan, text)
        }
        Error::Budget { breach: BudgetBreach::Anchors { .. }, .. } => anchor(text, span),
        Error::UnknownAnchor { .. } | Error::Budget { breach: BudgetBreach::Aliases { .. }, .. } => alias(text, span),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => syntax::too_deep(span),
        _ if is_further_document(error) => further_document(span),
        Error::Budget { .. } => too_many_values(),
        // Only a tag makes the reader want a type: the tree of `tree` takes every value.
        Error::UnsupportedTag { .. }
        | Error::InvalidScalar { .. }
        | Error::InvalidBooleanStrict { .. }
        | Error::InvalidBinaryBase64 { .. }
        | Error::BinaryNotUtf8 { .. }
        | Error::TaggedScalarCannotDeserializeIntoString { .. } => tag(text, span),
        other => Diagnostic::new(catalogue::SYNTAX, other.to_string()).at(span, "the YAML reader stopped here"),
    }
}

/// Whether the error stands after a document that was read well.
pub(super) fn is_further_document(error: &Error) -> bool {
    matches!(error, Error::MultipleDocuments { .. } | Error::Budget { breach: BudgetBreach::Documents { .. }, .. })
}

/// A directive (`%YAML 1.2`) before the document; the reader would follow it.
pub(super) fn directive(text: &str) -> Option<Diagnostic> {
    let mut start = text.len() - text.trim_start_matches('\u{feff}').len();
    for line in text[start..].split_inclusive('\n') {
        if line.starts_with('%') {
            return Some(syntax::directive(Span { start, end: start + 1 }));
        }
        let line_without_blanks = line.trim_start();
        if !line_without_blanks.is_empty() && !line_without_blanks.starts_with('#') {
            return None;
        }
        start += line.len();
    }
    None
}

fn further_document(span: Span) -> Diagnostic {
    Diagnostic::new(catalogue::UNSUPPORTED_YAML, "a second document begins here")
        .at(span, "nothing after this line is read")
        .help("put each site into a file of its own")
}

fn too_many_values() -> Diagnostic {
    Diagnostic::new(catalogue::TOO_COMPLEX, format!("there are more than {} values in the file", EVENT_LIMIT / 2))
}

pub(super) fn merge_key(span: Span) -> Diagnostic {
    Diagnostic::new(catalogue::UNSUPPORTED_YAML, "merge keys are not used here")
        .at(span, "a YAML merge key")
        .help("write the keys out")
}

/// A tag; the span is that of the node it belongs to.
pub(super) fn tag(text: &str, node: Span) -> Diagnostic {
    Diagnostic::new(catalogue::UNSUPPORTED_YAML, "tags are not used here")
        .at(property(text, node, '!'), "a YAML tag")
        .help("remove it; if the value begins with `!`, put it in quotes")
}

fn anchor(text: &str, node: Span) -> Diagnostic {
    let span = property(text, node, '&');
    let written = &text[span.start..span.end];
    let name = quote(written.strip_prefix('&').unwrap_or(written));
    Diagnostic::new(catalogue::UNSUPPORTED_YAML, format!("anchors such as {name} are not used here"))
        .at(span, "a YAML anchor")
        .help("remove it; if the value begins with `&`, put it in quotes")
}

fn alias(text: &str, at: Span) -> Diagnostic {
    let span = word(text, at.start);
    match text[span.start..span.end].strip_prefix('*') {
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
    }
}

/// The tag or anchor before a node: the last word before it that holds the sign. The deserialiser does not say where it
/// is; were a comment with the sign between it and the node, the comment's word would be shown.
fn property(text: &str, node: Span, sign: char) -> Span {
    let before = &text[..node.start];
    match before.rfind(sign) {
        Some(at) => word(text, before[..at].rfind(ends_word).map_or(0, |end| text.ceil_char_boundary(end + 1))),
        None => node,
    }
}

/// From a place to the next blank or sign of a flow collection.
fn word(text: &str, start: usize) -> Span {
    let rest = &text[start..];
    Span { start, end: start + rest.find(ends_word).unwrap_or(rest.len()) }
}

fn ends_word(c: char) -> bool {
    c.is_whitespace() || matches!(c, ',' | '[' | ']' | '{' | '}' | '\u{feff}')
}

/// The bytes of a location. The reader counts bytes in nodes and characters in errors.
pub(super) fn place(location: &Location, text: &str) -> Span {
    let span = location.span();
    if let (Some(start), Some(length)) = (span.byte_offset(), span.byte_len()) {
        let start = within(text, usize::try_from(start).unwrap_or(usize::MAX));
        let end = within(text, start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX)));
        return Span { start, end };
    }
    let index = usize::try_from(span.offset()).unwrap_or(usize::MAX);
    let start = text.char_indices().nth(index).map_or(text.len(), |(at, _)| at);
    Span { start, end: within(text, text.ceil_char_boundary(start + 1)) }
}

fn within(text: &str, at: usize) -> usize {
    text.floor_char_boundary(at)
}
