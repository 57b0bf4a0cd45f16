//! The lines of a file that a message shows, made harmless, with the places to underline in them.
//!
//! Lines that no label touches are left empty, and long lines are cut around their first label, so that the work of
//! rendering is that of what is shown, whatever the size of the file.

use std::ops::Range;

use crate::{Label, Source, Span, quote::harmless};

/// A label beyond this byte of its line has what stands before it cut away.
const HEAD_LIMIT: usize = 1000;
/// What is left of a long line before its first label, and from there on, in characters.
const BEFORE_LIMIT: usize = 40;
const AFTER_LIMIT: usize = 200;

/// A part of a file, ready to be shown.
pub(crate) struct Excerpt {
    /// The number of its first line.
    pub(crate) line_start: usize,
    /// Its text.
    pub(crate) text: String,
    /// The places of the labels in it, in the order given.
    pub(crate) places: Vec<Range<usize>>,
    /// Was the beginning of some line cut away?
    pub(crate) is_cut_in_front: bool,
}

/// A 1-based line and column (in characters).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// The line and column of a byte offset; beyond the end it is the end.
pub(crate) fn place(text: &str, offset: usize) -> Place {
    let offset = text.floor_char_boundary(offset);
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Place {
        line: number(before.bytes().filter(|b| *b == b'\n').count() + 1),
        column: number(before[line_start..].chars().count() + 1),
    }
}

/// The lines on which labels stand, from the first to the last of them.
pub(crate) fn excerpt(source: &Source, labels: &[&Label]) -> Excerpt {
    let text = &*source.text;
    let spans: Vec<Span> = labels.iter().map(|label| on_one_line(text, label.span)).collect();
    let first = spans.iter().map(|span| span.start).min().unwrap_or(0);
    let last = spans.iter().map(|span| span.start).max().unwrap_or(0);
    let from = text[..first].rfind('\n').map_or(0, |at| at + 1);
    let to = text[last..].find('\n').map_or(text.len(), |at| last + at);

    let mut out = Excerpt {
        line_start: place(text, from).line as usize,
        text: String::new(),
        places: vec![0..0; spans.len()],
        is_cut_in_front: false,
    };
    let mut line_at = from;
    for line in text[from..to].split('\n') {
        let here = line_at..=line_at + line.len();
        if spans.iter().any(|span| here.contains(&span.start)) {
            push_line(&mut out, line, line_at, &spans);
        }
        out.text.push('\n');
        line_at += line.len() + 1;
    }
    out
}

/// Appends one line, cut around its first label, and notes where the spans that begin on it have come to stand.
fn push_line(out: &mut Excerpt, line: &str, line_at: usize, spans: &[Span]) {
    let mut here: Vec<(usize, Span)> = spans.iter().copied().enumerate().collect();
    here.retain(|(_, span)| (line_at..=line_at + line.len()).contains(&span.start));
    let Some((_, first)) = here.first() else { return };
    let window = window(line, first.start - line_at);
    if window.start > 0 {
        out.is_cut_in_front = true;
        out.text.push('…');
    }
    // Where a byte of the line stands in the excerpt; what was cut away stands at the cut.
    let mut shown_at = vec![out.text.len()];
    for c in line[window.clone()].chars() {
        out.text.push(harmless(c));
        shown_at.extend(std::iter::repeat_n(out.text.len(), c.len_utf8()));
    }
    let stands = |at: usize| shown_at[(at - line_at).clamp(window.start, window.end) - window.start];
    for (i, span) in here {
        out.places[i] = stands(span.start)..stands(span.end);
    }
    if window.end < line.trim_end_matches('\r').len() {
        out.text.push('…');
    }
}

/// The part of a line that is shown when something is to be seen at that byte.
fn window(line: &str, at: usize) -> Range<usize> {
    let end = line.strip_suffix('\r').unwrap_or(line).len();
    let at = at.min(end);
    let start = line[..at].char_indices().rev().take(BEFORE_LIMIT).last().map_or(at, |(start, _)| start);
    let stop = line[at..end].char_indices().nth(AFTER_LIMIT).map_or(end, |(stop, _)| at + stop);
    if at <= HEAD_LIMIT { 0..stop } else { start..stop }
}

/// A span cut to the line it begins on, on character boundaries.
fn on_one_line(text: &str, span: Span) -> Span {
    let start = text.floor_char_boundary(span.start);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    Span { start, end: text.ceil_char_boundary(span.end).clamp(start, line_end) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { name: "x".into(), text: text.into() }
    }

    #[test]
    fn places_are_those_of_the_file() {
        for (text, offset, line, column) in [
            ("", 0, 1, 1),
            ("ab\ncd", 3, 2, 1),
            ("äö:x", 5, 1, 4),
            ("äö", 1, 1, 1),
            ("a\n", 99, 2, 1),
            ("a\r\nb", 3, 2, 1),
        ] {
            assert_eq!(place(text, offset), Place { line, column }, "{text:?} {offset}");
        }
    }

    #[test]
    fn only_lines_with_labels_are_copied() {
        let file = source("one\ntwo\nthree\u{1b}[0m\nfour\nfive\n");
        let label = |start, end| Label { span: Span { start, end }, text: String::new() };
        let (a, b) = (label(4, 7), label(13, 18));
        let shown = excerpt(&file, &[&b, &a]);
        assert_eq!((shown.line_start, shown.text.as_str()), (2, "two\nthree␛[0m\n"));
        assert_eq!(&shown.text[shown.places[1].clone()], "two");
        assert_eq!(&shown.text[shown.places[0].clone()], "␛[0m");
    }

    #[test]
    fn long_lines_are_cut_around_their_first_label() {
        let file = source(&format!("{}here{}there\n", "ä".repeat(5000), "ö".repeat(5000)));
        let label = |start, end| Label { span: Span { start, end }, text: String::new() };
        let (here, there) = (label(10_000, 10_004), label(20_004, 20_009));
        let shown = excerpt(&file, &[&here, &there]);
        assert_eq!(shown.text.chars().count(), 1 + BEFORE_LIMIT + AFTER_LIMIT + 2);
        assert_eq!(&shown.text[shown.places[0].clone()], "here");
        assert_eq!(&shown.text[shown.places[1].start..], "…\n", "what was cut away stands at the cut");
    }

    #[test]
    fn any_span_over_any_text_is_shown_without_panic() {
        let file = source("ä\r\n\tb\u{202e}c\n\nd");
        for start in 0..file.text.len() + 3 {
            for end in 0..file.text.len() + 3 {
                let label = Label { span: Span { start, end }, text: String::new() };
                let shown = excerpt(&file, &[&label]);
                assert!(shown.text.get(shown.places[0].clone()).is_some(), "{start}..{end}");
            }
        }
    }
}
