//! `vestibule check`: parses and compiles site files exactly as `run` would, in the context of the other sites, and changes
//! nothing. A running gateway is asked who holds which name, and judges that itself for a tenant, who may not know; without
//! one the ledger in the state folder is read.

use std::{collections::HashMap, io::Write, path::PathBuf};

use clap::Args;
use serde::Serialize;
use vestibule_gateway::{
    admin::model::{NamePreviews, Review, Whoami},
    review::{self, Context, TenantFiles},
};
use vestibule_names::{SiteId, TenantId};

use crate::{
    admin_client::{AdminClient, AdminError},
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

A tenant of a running gateway checks their own files, against names that others hold: the gateway says which of the \
names would be refused, and never whose they are.

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
    let (settings, sites): (Vec<PathBuf>, Vec<PathBuf>) =
        flags.files.iter().cloned().partition(|file| file.file_name().is_some_and(|name| name == SETTINGS_NAME));
    // Without the word of a running gateway the ledger speaks, so not answering is no failure here.
    if let Ok(client) = AdminClient::of_place(&flags.place, &loaded.settings, &surroundings) {
        consult(&client, flags, &sites, &mut context)?;
    }
    let reviews = reviews(flags, loaded, (&settings, &sites), &context)?;
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

/// Names that a gateway judges in one answer.
const NAMES_AT_ONCE: usize = 100;

/// Asks a running gateway who holds which name.
fn consult(client: &AdminClient, flags: &Flags, files: &[PathBuf], context: &mut Context) -> Result<(), Failure> {
    let who: Whoami = match client.get("/v1/whoami", &[]) {
        Ok(who) => who,
        // It answers: what it does not say now is not to be guessed from the files of others.
        Err(refused @ AdminError::Refused { .. }) => return Err(refused.into()),
        Err(_) => return Ok(()),
    };
    let Some(uid) = who.uid else {
        context.claims = client.get("/v1/claims", &[]).ok();
        return Ok(());
    };
    if flags.place.sites.is_none() && !context.sites.exists() {
        context.sites = PathBuf::from(&who.sites_dir);
    }
    let tenant = TenantFiles { tenant: TenantId(uid), gateway_uid: who.gateway_uid, refused: HashMap::new() };
    context.tenant = Some(tenant);
    let mut refused: HashMap<SiteId, Vec<_>> = HashMap::new();
    for (site, names) in review::wanted(context, files)? {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        for names in names.chunks(NAMES_AT_ONCE) {
            let hosts = names.iter().map(|name| ("host", name.as_str()));
            let query: Vec<_> = std::iter::once(("site", site.as_str())).chain(hosts).collect();
            let told: NamePreviews = client.get("/v1/claims/preview", &query)?;
            refused.entry(site.clone()).or_default().extend(told.refused);
        }
    }
    if let Some(tenant) = &mut context.tenant {
        tenant.refused = refused;
    }
    Ok(())
}

/// The settings first, then the site files in the order given.
fn reviews(
    flags: &Flags,
    loaded: Loaded,
    (settings, sites): (&[PathBuf], &[PathBuf]),
    context: &Context,
) -> Result<Vec<Review>, Failure> {
    let mut reviews = Vec::new();
    // What is in force is checked with the whole; a draft of settings is checked when it is named.
    if flags.files.is_empty() || flags.place.settings.is_some() {
        reviews.extend(review_settings(&loaded.with_users_looked_up()));
    }
    for file in settings {
        reviews.extend(review_settings(&Loaded::read(file)?.with_users_looked_up()));
    }
    if flags.files.is_empty() || !sites.is_empty() {
        if flags.files.is_empty() {
            // A missing folder is nothing to check, not a folder without mistakes.
            std::fs::read_dir(&context.sites)
                .map_err(|source| Failure::Read { path: context.sites.clone(), source })?;
        }
        reviews.extend(review::check(context, sites)?);
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
