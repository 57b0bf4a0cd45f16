//! `vestibule check`: parses and compiles site files exactly as `run` would, in the context of the other sites, and changes
//! nothing. A running gateway is asked for its claims; without one the ledger in the state folder is read.

use std::{io::Write, path::PathBuf};

use clap::Args;
use serde::Serialize;
use vestibule_gateway::{
    admin::model::Review,
    review::{self, Context},
};

use crate::{
    admin_client::AdminClient,
    cli::{Format, FormatFlag, PlaceFlags},
    decide,
    exit::Exit,
    failure::Failure,
    place::{SETTINGS_NAME, Surroundings},
    reports::{self, Tally, counted},
    settings_file::Loaded,
    terminal::Paint,
};

/// The flags of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Without FILE every site file of the sites folder is checked, and the settings file if there is one. Exit code 0 says \
that everything would go live (warnings do not change that), 78 that a file needs editing, 66 that a file is not \
there, 77 that it may not be read. 'vestibule explain CODE' tells more about a code.

Examples:
  vestibule check
  vestibule check sites.d/blog.yaml
  vestibule check --format json | jq -r '.files[].reports[] | \"\\(.file):\\(.line): \\(.message)\"'
  vestibule check --settings vestibule.yaml /tmp/draft.yaml && mv /tmp/draft.yaml sites.d/blog.yaml")]
pub(crate) struct Flags {
    /// Site files to check, where they lie or as drafts elsewhere; a file named vestibule.yaml is checked as settings
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    place: PlaceFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// The JSON form of the answer.
#[derive(Debug, Serialize)]
struct Verdict<'a> {
    valid: bool,
    errors: usize,
    warnings: usize,
    files: &'a [Review],
}

/// Checks and prints.
pub(crate) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let surroundings = Surroundings::detect();
    let loaded = Loaded::find(&flags.place, &surroundings)?;
    let mut context = decide::review_context(&flags.place, &loaded.settings, &surroundings);
    let socket = decide::folders(&flags.place, &loaded.settings, &surroundings).admin_socket;
    context.claims = socket.and_then(claims);
    let reviews = reviews(flags, loaded, &context)?;
    let tally = Tally::of(reviews.iter().flat_map(|review| &review.reports));
    match flags.format.format {
        Format::Json => super::write_json(
            out,
            &Verdict { valid: all_valid(&reviews), errors: tally.errors, warnings: tally.warnings, files: &reviews },
        )?,
        Format::Text => write_text(&reviews, tally, out, Paint::of_stdout())?,
    }
    Ok(if all_valid(&reviews) { Exit::OK } else { Exit::CONFIG })
}

/// What a running gateway holds. Without its word the ledger speaks, so not answering is no failure here.
fn claims(socket: PathBuf) -> Option<Vec<vestibule_gateway::admin::model::ClaimRow>> {
    AdminClient::at(socket).ok()?.get("/v1/claims", &[]).ok()
}

/// The settings first, then the site files in the order given.
fn reviews(flags: &Flags, loaded: Loaded, context: &Context) -> Result<Vec<Review>, Failure> {
    let (settings, sites): (Vec<PathBuf>, Vec<PathBuf>) =
        flags.files.iter().cloned().partition(|file| file.file_name().is_some_and(|name| name == SETTINGS_NAME));
    let mut reviews = Vec::new();
    // What is in force is checked with the whole; a draft of settings is checked when it is named.
    if flags.files.is_empty() || flags.place.settings.is_some() {
        reviews.extend(review_settings(&loaded));
    }
    for file in &settings {
        reviews.extend(review_settings(&Loaded::read(file)?));
    }
    if flags.files.is_empty() || !sites.is_empty() {
        if flags.files.is_empty() {
            // A missing folder is nothing to check, not a folder without mistakes.
            std::fs::read_dir(&context.sites)
                .map_err(|source| Failure::Read { path: context.sites.clone(), source })?;
        }
        reviews.extend(review::check(context, &sites)?);
    }
    Ok(reviews)
}

fn review_settings(loaded: &Loaded) -> Option<Review> {
    let reports = loaded.reports();
    let file = loaded.path.as_ref()?.to_string_lossy().into_owned();
    Some(Review { file, valid: !reports.iter().any(vestibule_diagnostics::Report::is_error), reports })
}

fn all_valid(reviews: &[Review]) -> bool {
    reviews.iter().all(|review| review.valid && !review.reports.iter().any(vestibule_diagnostics::Report::is_error))
}

fn write_text(reviews: &[Review], tally: Tally, out: &mut dyn Write, paint: Paint) -> Result<(), Failure> {
    for review in reviews {
        reports::write(out, &review.reports, paint)?;
    }
    let verdict = match (tally.errors, tally.warnings) {
        _ if !all_valid(reviews) => {
            paint.bad(&format!("{}, {}", counted(tally.errors, "error"), counted(tally.warnings, "warning")))
        }
        (_, 0) => paint.good("all good"),
        (_, warnings) => paint.doubtful(&counted(warnings, "warning")),
    };
    writeln!(out, "{} checked: {verdict}", counted(reviews.len(), "file"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::tests::report;

    fn check(severities: &[&str], expected_last_line: &str, valid: bool) {
        let reports: Vec<_> = severities.iter().map(|severity| report(severity, "x[V0201]: y")).collect();
        let review = Review { file: "blog.yaml".into(), valid, reports };
        let tally = Tally::of(&review.reports);
        let mut out = Vec::new();
        write_text(std::slice::from_ref(&review), tally, &mut out, Paint::Plain).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.lines().last(), Some(expected_last_line));
        assert_eq!(all_valid(&[review]), valid);
    }

    #[test]
    fn the_last_line_is_the_verdict() {
        check(&[], "1 file checked: all good", true);
        check(&["warning"], "1 file checked: 1 warning", true);
        check(&["warning", "error", "error"], "1 file checked: 2 errors, 1 warning", false);
    }
}
