//! Diagnostics as text for people and as a [`Report`] for machines.

use annotate_snippets::{AnnotationKind, Element, Level, Origin, Renderer, Snippet};
use serde::{Deserialize, Serialize};

use crate::{
    Diagnostic, Severity, Source,
    excerpt::{Place, excerpt, place},
    quote::{lines, one_line},
};

/// Excerpts are trimmed to this width.
const EXCERPT_WIDTH: usize = 110;

/// A rendered diagnostic: what travels over the admin socket, into the ledger and to `--format json`.
///
/// Every text in it is safe to print: control characters have been escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// `V0201`.
    pub code: String,
    /// `error` or `warning`.
    pub severity: String,
    /// One line.
    pub message: String,
    /// The file's name.
    pub file: String,
    /// 1-based line, when there is a place.
    pub line: Option<u32>,
    /// 1-based column in characters.
    pub column: Option<u32>,
    /// Why it matters.
    pub note: Option<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// The whole message as people read it, with the underlined excerpt, without colours.
    pub text: String,
}

impl Report {
    /// Renders one diagnostic of a file.
    pub fn new(diagnostic: &Diagnostic, source: &Source) -> Self {
        let place = diagnostic.primary.as_ref().map(|label| place(&source.text, label.span.start));
        Self {
            code: diagnostic.code.to_string(),
            severity: diagnostic.severity.to_string(),
            message: one_line(&diagnostic.message),
            file: one_line(&source.name),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            note: diagnostic.note.as_deref().map(lines),
            help: diagnostic.help.as_deref().map(lines),
            text: rendered(diagnostic, source, &Renderer::plain()),
        }
    }

    /// Is it an error?
    pub fn is_error(&self) -> bool {
        self.severity == "error"
    }
}

/// The message as people read it, with terminal colours.
pub fn coloured(diagnostic: &Diagnostic, source: &Source) -> String {
    rendered(diagnostic, source, &Renderer::styled())
}

fn rendered(diagnostic: &Diagnostic, source: &Source, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut elements = where_it_is(diagnostic, source);
    // The renderer takes the texts of notes as trusted, so they are made harmless first.
    elements.extend(diagnostic.note.as_deref().map(|note| Level::NOTE.message(lines(note)).into()));
    elements.extend(diagnostic.help.as_deref().map(|help| Level::HELP.message(lines(help)).into()));
    let title = level.primary_title(one_line(&diagnostic.message)).id(diagnostic.code.entry().number);
    renderer.clone().term_width(EXCERPT_WIDTH).render(&[title.elements(elements)])
}

/// The place, and the excerpt with its underlines; or the file's name alone.
fn where_it_is(diagnostic: &Diagnostic, source: &Source) -> Vec<Element<'static>> {
    let origin = Origin::path(one_line(&source.name));
    let Some(primary) = &diagnostic.primary else { return vec![origin.into()] };
    let Place { line, column } = place(&source.text, primary.span.start);
    let labels: Vec<_> = std::iter::once(primary).chain(&diagnostic.secondary).collect();
    let shown = excerpt(source, &labels);
    let annotations = labels.iter().zip(shown.places).enumerate().map(|(n, (label, place))| {
        let kind = if n == 0 { AnnotationKind::Primary } else { AnnotationKind::Context };
        kind.span(place).label((!label.text.is_empty()).then(|| one_line(&label.text)))
    });
    let annotations: Vec<_> = annotations.collect();
    let snippet = Snippet::source(shown.text).line_start(shown.line_start).annotations(annotations);
    if shown.is_cut_in_front {
        // The renderer would count columns in what is left of the line.
        return vec![origin.line(line as usize).char_column(column as usize).into(), snippet.into()];
    }
    vec![snippet.path(Some(one_line(&source.name))).into()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Span, catalogue};

    fn source(text: &str) -> Source {
        Source { name: "shop/blog.yaml".into(), text: text.into() }
    }

    #[test]
    fn a_message_says_what_where_why_and_what_instead() {
        let file = source("hosts: blog.test\n\nupstram: 5000\n");
        let found = Diagnostic::new(catalogue::UNKNOWN_KEY, "unknown key `upstram`")
            .at(Span { start: 18, end: 25 }, "not a key here")
            .and_at(Span { start: 0, end: 5 }, "a key")
            .note("why")
            .help("write `upstream`");
        let expected = "\
error[V0201]: unknown key `upstram`
 --> shop/blog.yaml:3:1
  |
1 | hosts: blog.test
  | ----- a key
2 |
3 | upstram: 5000
  | ^^^^^^^ not a key here
  |
  = note: why
  = help: write `upstream`";
        assert_eq!(Report::new(&found, &file).text, expected);
        assert!(coloured(&found, &file).contains("\u{1b}["));
    }

    #[test]
    fn a_finding_without_a_place_names_the_file() {
        let found = Diagnostic::new(catalogue::EMPTY_FILE, "there is nothing in the file");
        let report = Report::new(&found, &source(""));
        assert_eq!((report.line, report.column), (None, None));
        assert_eq!(report.text, "error[V0105]: there is nothing in the file\n--> shop/blog.yaml");
    }

    #[test]
    fn nothing_a_tenant_writes_reaches_the_terminal_raw() {
        let hostile = "\u{1b}]0;pwned\u{7}\u{9b}31m\u{202e}\r";
        let file = Source { name: hostile.into(), text: format!("{hostile}: 1\n").into() };
        let mut found = Diagnostic::new(catalogue::UNKNOWN_KEY, format!("{hostile}\nfake: error"))
            .at(Span { start: 0, end: hostile.len() }, hostile)
            .note(hostile)
            .help(hostile);
        found = found.and_at(Span { start: 3, end: 4 }, hostile);
        let report = Report::new(&found, &file);
        let safe = |text: &str| text.chars().all(|c| (!c.is_control() || c == '\n') && c != '\u{202e}');
        assert!(safe(&report.text), "{:?}", report.text);
        assert!(!report.message.contains('\n'));
        for text in [Some(report.message), Some(report.file), report.note, report.help].into_iter().flatten() {
            assert!(safe(&text), "{text:?}");
        }
    }

    #[test]
    fn a_long_line_shows_only_the_place_that_matters() {
        let text = format!("{}x: 1{}\n", " ".repeat(100_000), "#".repeat(100_000));
        let found =
            Diagnostic::new(catalogue::UNKNOWN_KEY, "unknown key").at(Span { start: 100_000, end: 100_001 }, "here");
        let report = Report::new(&found, &source(&text));
        assert_eq!((report.line, report.column), (Some(1), Some(100_001)));
        assert!(report.text.len() < 1000, "{}", report.text.len());
        assert!(report.text.contains("^ here"));
    }
}
