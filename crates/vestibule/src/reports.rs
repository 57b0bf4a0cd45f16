//! Reports of diagnostics, as people read them.

use std::io::{self, Write};

use vestibule_diagnostics::Report;

use crate::terminal::{Paint, escaped_text};

/// How many of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Files do not go live as they are.
    pub(crate) errors: usize,
    /// Files work, but probably not as meant.
    pub(crate) warnings: usize,
}

impl Tally {
    /// Counts.
    pub(crate) fn of<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Self {
        reports.into_iter().fold(Self::default(), |tally, report| match report.is_error() {
            true => Self { errors: tally.errors + 1, ..tally },
            false => Self { warnings: tally.warnings + 1, ..tally },
        })
    }
}

/// Writes reports one under the other, an empty line after each.
pub(crate) fn write(out: &mut dyn Write, reports: &[Report], paint: Paint) -> io::Result<()> {
    reports.iter().try_for_each(|report| writeln!(out, "{}\n", painted(report, paint)))
}

/// `vestibule.yaml:4:9: what is the matter; what to do [V0704]`, for places where a log is read line by line.
pub(crate) fn one_line(report: &Report) -> String {
    let place = [report.line, report.column].into_iter().flatten().map(|number| format!(":{number}"));
    let help = report.help.as_ref().map(|help| format!("; {help}")).unwrap_or_default();
    format!("{}{}: {}{help} [{}]", report.file, place.collect::<String>(), report.message, report.code)
}

/// The report with its headline in colour. The excerpt stays plain: the report was rendered where the source was.
fn painted(report: &Report, paint: Paint) -> String {
    let text = escaped_text(report.text.trim_end());
    let (headline, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let headline = match headline.split_once(": ") {
        Some((label, message)) if report.is_error() => format!("{}: {}", paint.bad(label), paint.strong(message)),
        Some((label, message)) => format!("{}: {}", paint.doubtful(label), paint.strong(message)),
        None => paint.strong(headline),
    };
    if rest.is_empty() { headline } else { format!("{headline}\n{rest}") }
}

/// `1 error`, `2 errors`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A report as the gateway tells it.
    pub(crate) fn report(severity: &str, text: &str) -> Report {
        Report {
            code: "V0201".into(),
            severity: severity.into(),
            message: "no such key".into(),
            file: "blog.yaml".into(),
            line: Some(2),
            column: Some(1),
            note: None,
            help: None,
            text: text.into(),
        }
    }

    #[test]
    fn only_the_headline_is_painted() {
        let error = report("error", "error[V0201]: no such key\n --> blog.yaml:2:1\n");
        assert_eq!(painted(&error, Paint::Plain), "error[V0201]: no such key\n --> blog.yaml:2:1");
        assert_eq!(
            painted(&error, Paint::Colour),
            "\u{1b}[1;31merror[V0201]\u{1b}[0m: \u{1b}[1mno such key\u{1b}[0m\n --> blog.yaml:2:1"
        );
    }

    #[test]
    fn one_line_has_the_place_the_matter_and_the_advice() {
        let report = Report { help: Some("write another".into()), ..report("warning", "") };
        assert_eq!(one_line(&report), "blog.yaml:2:1: no such key; write another [V0201]");
        let nowhere = Report { line: None, column: None, help: None, ..report };
        assert_eq!(one_line(&nowhere), "blog.yaml: no such key [V0201]");
    }

    #[test]
    fn reports_are_counted_by_severity() {
        let reports = [report("error", ""), report("warning", ""), report("error", "")];
        assert_eq!(Tally::of(&reports), Tally { errors: 2, warnings: 1 });
        assert_eq!(counted(1, "error"), "1 error");
        assert_eq!(counted(0, "warning"), "0 warnings");
    }
}
