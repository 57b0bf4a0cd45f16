//! What the YAML parser complains of, in words for somebody who does not know YAML's inner life.

use serde_yaml::granit_parser::{ErrorKind, ScanError};
use vestibule_diagnostics::{Diagnostic, Span, catalogue};

use super::DEPTH_LIMIT;

/// The parser's complaint as a finding.
pub(super) fn diagnostic(error: &ScanError, text: &str) -> Diagnostic {
    let at = offset(error, text);
    let span = Span { start: at, end: text.ceil_char_boundary(at + 1).min(text.len()) };
    if let Some(tab) = indenting_tab(text, at) {
        return Diagnostic::new(catalogue::SYNTAX, "a tab is used to indent")
            .at(tab, "a tab")
            .note("in YAML the indentation carries the meaning, and tabs have no agreed width")
            .help("indent with spaces, two for each level");
    }
    let finding = |message: &str, label: &str| Diagnostic::new(catalogue::SYNTAX, message).at(span, label);
    let in_bracket = |finding: Diagnostic| match open_bracket(&text[..at]) {
        Some(bracket) => finding.and_at(bracket, "this is still open").help("close what is opened here"),
        None => finding,
    };
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(span),
        ErrorKind::MissingDocumentEndBeforeDirective
        | ErrorKind::MissingDirectiveName
        | ErrorKind::InvalidDirectiveName
        | ErrorKind::InvalidDirectiveTerminator => {
            let start = line_start(text, at);
            directive(Span { start, end: text.ceil_char_boundary(start + 1).min(text.len()) })
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            let close = if *open == '[' { ']' } else { '}' };
            finding(&format!("`{open}` is never closed"), "opened here").help(format!("close it with `{close}`"))
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            finding(&format!("`{open}` is closed by `{close}`"), "does not match")
        }
        ErrorKind::MisplacedFlowCollectionEnd => {
            finding("a bracket is closed that was never opened", "nothing is open here")
        }
        ErrorKind::ExpectedFlowSequenceSeparator => {
            in_bracket(finding("a comma or `]` is missing before this", "still inside a list"))
        }
        ErrorKind::ExpectedFlowMappingSeparator => {
            in_bracket(finding("a comma or `}` is missing before this", "still inside a mapping"))
        }
        ErrorKind::UnclosedQuotedScalar => {
            finding("a quote is never closed", "the text ends without its closing quote")
        }
        ErrorKind::MissingAnchorOrAliasName => {
            finding("text that begins with `*` or `&` needs quotes", "a name should follow here")
                .help("put the whole value in double quotes")
        }
        ErrorKind::UnexpectedCharacter { character } if !character.is_ascii_graphic() => {
            finding("YAML does not allow this character here", "not a printable character")
                .help("remove it, or write it as an escape in double quotes, such as `\"\\u00a0\"`")
        }
        ErrorKind::UnexpectedCharacter { .. } => {
            finding("a value cannot begin with this character", "has a meaning of its own in YAML")
                .help("put the whole value in double quotes")
        }
        ErrorKind::MappingValueNotAllowed | ErrorKind::InvalidSimpleKey | ErrorKind::SimpleKeyExpected => {
            finding("this is neither `key: value` nor the end of the value before it", "cannot be read here")
                .help("a value that contains `: ` needs quotes; a key is followed by a colon and a blank")
        }
        ErrorKind::ExpectedBlockMappingKey
        | ErrorKind::ExpectedBlockSequenceEntry
        | ErrorKind::InvalidIndentation
        | ErrorKind::BlockSequenceEntryNotAllowed => {
            finding("this does not fit its neighbours", "a key at the indentation of the others is expected")
                .help("give all keys of one mapping the same indentation, and do not mix `- item` with `key: value`")
        }
        ErrorKind::InvalidColonPlacement => in_bracket(finding("a colon stands where none can be", "unexpected here")),
        other => finding(&other.to_string(), "the YAML reader stopped here"),
    }
}

/// More nesting than is read.
pub(super) fn too_deep(span: Span) -> Diagnostic {
    let message = format!("mappings and lists are nested more than {DEPTH_LIMIT} deep");
    Diagnostic::new(catalogue::TOO_COMPLEX, message).at(span, "one too many")
}

/// A line that would set up the YAML reader.
pub(super) fn directive(span: Span) -> Diagnostic {
    Diagnostic::new(catalogue::UNSUPPORTED_YAML, "directives are not used here")
        .at(span, "a YAML directive")
        .help("remove the line; if a value begins with `%`, put it in quotes")
}

/// The innermost bracket or brace that is open at the end of a text: a guess, for the second label of a finding.
///
/// Outside of brackets, one opens only where a value begins; quotes and comments hold none.
fn open_bracket(text: &str) -> Option<Span> {
    let mut open = Vec::new();
    let mut before = '\n';
    let mut begins_value = true;
    let mut signs = text.char_indices();
    while let Some((at, sign)) = signs.next() {
        let after_blank = before.is_whitespace();
        match sign {
            '[' | '{' if begins_value || !open.is_empty() => open.push(at),
            ']' | '}' => drop(open.pop()),
            '"' | '\'' if begins_value => skip_quoted(&mut signs, sign),
            '#' if after_blank => drop(signs.find(|(_, sign)| *sign == '\n')),
            _ => {}
        }
        begins_value = match sign {
            ' ' | '\t' | '\r' => begins_value || matches!(before, ':' | '-' | '?'),
            '\n' | '#' => true,
            _ => !open.is_empty() && matches!(sign, '[' | '{' | ',' | ':'),
        };
        before = if sign == '#' && after_blank { '\n' } else { sign };
    }
    open.last().map(|&start| Span { start, end: start + 1 })
}

fn skip_quoted(signs: &mut std::str::CharIndices<'_>, quote: char) {
    while let Some((_, sign)) = signs.next() {
        match sign {
            '\\' if quote == '"' => drop(signs.next()),
            _ if sign == quote => return,
            _ => {}
        }
    }
}

/// The byte offset of the complaint.
fn offset(error: &ScanError, text: &str) -> usize {
    let marker = error.marker();
    let by_characters = || text.char_indices().nth(marker.index()).map_or(text.len(), |(at, _)| at);
    text.floor_char_boundary(marker.byte_offset().unwrap_or_else(by_characters))
}

/// A tab in the indentation of the line of that offset.
fn indenting_tab(text: &str, at: usize) -> Option<Span> {
    let start = line_start(text, at);
    let indentation = text[start..].bytes().take_while(|b| matches!(b, b' ' | b'\t'));
    let tab = start + indentation.enumerate().find(|(_, b)| *b == b'\t')?.0;
    Some(Span { start: tab, end: tab + 1 })
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}
