//! `vestibule explain`: where a URL would lead and why, or what a diagnostic code means. A running gateway is asked first,
//! because it knows what is live; without one the files are judged, and the answer says so.

use std::io::Write;

use clap::Args;
use serde::Serialize;
use vestibule_diagnostics::{Code, Entry, Severity};
use vestibule_gateway::{admin::model::Explanation, review};

use crate::{
    admin_client::{AdminClient, AdminError},
    cli::{Format, FormatFlag, PlaceFlags},
    decide,
    exit::Exit,
    failure::Failure,
    place::Surroundings,
    settings_file::Loaded,
    terminal::{Paint, escaped},
};

/// The flags of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
A running gateway is asked first, because it knows what is live; with --sites the files are judged instead. A URL \
without a scheme is read as https. With --format json one JSON object per line answers each argument.

Examples:
  vestibule explain https://blog.example.com/api/users
  vestibule explain http://blog.example.com/ shop.example.com/cart
  vestibule explain V0201")]
pub(crate) struct Flags {
    /// URLs, or diagnostic codes such as V0201
    #[arg(value_name = "URL|CODE", required = true)]
    subjects: Vec<String>,
    #[command(flatten)]
    place: PlaceFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// The JSON form of a catalogue entry.
#[derive(Debug, Serialize)]
struct CodeTold {
    code: &'static str,
    title: &'static str,
    severity: &'static str,
    explanation: &'static str,
    wrong: &'static str,
    right: &'static str,
}

/// Who knows where the URL leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Witness {
    /// The running gateway: what is live.
    Gateway,
    /// The files: what would go live.
    Files,
}

/// The JSON form of an explained URL.
#[derive(Debug, Serialize)]
struct UrlTold {
    source: Witness,
    #[serde(flatten)]
    explanation: Explanation,
}

/// Explains each subject in turn.
pub(crate) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let paint = Paint::of_stdout();
    for (index, subject) in flags.subjects.iter().enumerate() {
        let format = flags.format.format;
        if index > 0 && format == Format::Text {
            writeln!(out)?;
        }
        if is_code(subject) {
            let code = Code::find(subject).ok_or_else(|| Failure::UnknownCode { written: subject.clone() })?;
            write_code(code.entry(), format, out, paint)?;
        } else {
            write_url(explain_url(flags, subject)?, format, out, paint)?;
        }
    }
    Ok(Exit::OK)
}

/// `V` and digits only: no host of a URL that leads anywhere looks like that.
fn is_code(subject: &str) -> bool {
    let digits = subject.strip_prefix(['V', 'v']);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

fn explain_url(flags: &Flags, subject: &str) -> Result<UrlTold, Failure> {
    let url = if subject.contains("://") { subject.to_owned() } else { format!("https://{subject}") };
    let surroundings = Surroundings::detect();
    let loaded = Loaded::find(&flags.place, &surroundings)?;
    // With --sites one asks about files, which are not those that the running gateway serves.
    let asked = match flags.place.sites {
        None => AdminClient::of_place(&flags.place, &loaded.settings, &surroundings).ok(),
        Some(_) => None,
    };
    if let Some(client) = asked {
        match client.get("/v1/explain", &[("url", &url)]) {
            Ok(explanation) => return Ok(UrlTold { source: Witness::Gateway, explanation }),
            Err(refused @ AdminError::Refused { .. }) => return Err(refused.into()),
            // It does not answer as it should; the files still do.
            Err(_) => {}
        }
    }
    let context = decide::review_context(&flags.place, &loaded.settings, &surroundings);
    Ok(UrlTold { source: Witness::Files, explanation: review::explain(&context, &url)? })
}

fn write_code(entry: &'static Entry, format: Format, out: &mut dyn Write, paint: Paint) -> Result<(), Failure> {
    let severity = match entry.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let Entry { number, title, explanation, wrong, right, .. } = *entry;
    if format == Format::Json {
        return write_line(out, &CodeTold { code: number, title, severity, explanation, wrong, right });
    }
    let label = format!("{severity}[{number}]");
    let label = if entry.severity == Severity::Error { paint.bad(&label) } else { paint.doubtful(&label) };
    writeln!(out, "{label}: {}\n\n{}", paint.strong(title), explanation.trim())?;
    for (heading, example) in [("Wrong:", wrong), ("Right:", right)] {
        if !example.trim().is_empty() {
            writeln!(out, "\n{}", paint.strong(heading))?;
            example.trim_end().lines().try_for_each(|line| writeln!(out, "{}", format!("    {line}").trim_end()))?;
        }
    }
    Ok(())
}

fn write_url(told: UrlTold, format: Format, out: &mut dyn Write, paint: Paint) -> Result<(), Failure> {
    if format == Format::Json {
        return write_line(out, &told);
    }
    let witness = match told.source {
        Witness::Gateway => "asked the running gateway",
        Witness::Files => "no gateway was asked: judged from the files",
    };
    let Explanation { url, steps, site, route, outcome, lost } = &told.explanation;
    writeln!(out, "{} ({witness})", paint.strong(&escaped(url)))?;
    for (index, step) in steps.iter().enumerate() {
        writeln!(out, "  {}. {}", index + 1, escaped(step))?;
    }
    for (name, value) in [("site", site.as_deref()), ("route", route.as_deref()), ("answer", Some(outcome.as_str()))] {
        if let Some(value) = value {
            writeln!(out, "  {name:<8}{}", escaped(value))?;
        }
    }
    for loser in lost {
        writeln!(out, "  {:<8}{}", "lost", escaped(loser))?;
    }
    Ok(())
}

fn write_line(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, value).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_from_urls() {
        for (subject, expected) in
            [("V0201", true), ("v9", true), ("V", false), ("v1.example.com", false), ("https://v1", false)]
        {
            assert_eq!(is_code(subject), expected, "{subject}");
        }
    }

    #[test]
    fn an_explanation_says_who_knows_and_who_lost() {
        let told = UrlTold {
            source: Witness::Files,
            explanation: Explanation {
                url: "https://blog.localhost/api/x".into(),
                steps: vec!["the host is blog.localhost".into()],
                site: Some("blog.yaml".into()),
                route: Some("/api".into()),
                outcome: "127.0.0.1:5000".into(),
                lost: vec!["/: shorter".into()],
            },
        };
        let mut out = Vec::new();
        write_url(told, Format::Text, &mut out, Paint::Plain).unwrap();
        let expected = "\
https://blog.localhost/api/x (no gateway was asked: judged from the files)
  1. the host is blog.localhost
  site    blog.yaml
  route   /api
  answer  127.0.0.1:5000
  lost    /: shorter
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
