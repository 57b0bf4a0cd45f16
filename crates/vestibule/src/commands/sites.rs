//! `vestibule sites`: every site of the running gateway, and under the table what there is to say of their files.

use std::io::Write;

use clap::Args;
use vestibule_gateway::admin::model::{SiteRow, SiteState, Sites};

use crate::{
    admin_client::{AdminClient, Page},
    cli::{Format, FormatFlag, ReachFlags},
    exit::Exit,
    failure::Failure,
    reports,
    table::{Align, Table, abbreviated},
    terminal::{self, Paint},
};

/// Names and routes shown per row; JSON has all of them.
const SHOWN: usize = 2;

/// The flags of `sites`.
#[derive(Debug, Args)]
#[command(after_help = "\
STATE is live (as the file is on disk), partial (other sites hold some of its names), stale (the last good version; \
the file has an error) or broken (an error and nothing to serve). Reports of the files follow the table.
Root and the gateway's own user see every site; any other user sees the sites whose files they own.

Examples:
  vestibule sites
  vestibule sites --format json | jq -r '.sites[] | select(.state != \"live\") | .site'")]
pub(crate) struct Flags {
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// Asks and prints.
pub(crate) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let client = AdminClient::reach(&flags.reach)?;
    let sites = client.all("/v1/sites", |page: Sites| Page { rows: page.sites, next: page.next })?;
    match flags.format.format {
        Format::Json => super::write_json(out, &Sites { sites, next: None })?,
        Format::Text if sites.is_empty() => writeln!(out, "no sites yet: 'vestibule new HOST UPSTREAM' writes one")?,
        Format::Text => write_text(&sites, out, terminal::width(), Paint::of_stdout())?,
    }
    Ok(Exit::OK)
}

fn write_text(sites: &[SiteRow], out: &mut dyn Write, width: Option<usize>, paint: Paint) -> Result<(), Failure> {
    let mut table = Table::new(&[
        ("SITE", Align::LeftCut),
        ("OWNER", Align::Right),
        ("STATE", Align::Left),
        ("HOSTS", Align::LeftCut),
        ("ROUTES", Align::LeftCut),
        ("REQUESTS", Align::Right),
        ("5XX", Align::Right),
    ]);
    for row in sites {
        table.push([
            row.site.clone(),
            row.owner.to_string(),
            word(row.state).to_owned(),
            abbreviated(&row.hosts, SHOWN),
            abbreviated(&row.routes, SHOWN),
            row.requests.to_string(),
            row.errors.to_string(),
        ]);
    }
    write!(out, "{}", table.render(width))?;
    for row in sites.iter().filter(|row| !row.reports.is_empty()) {
        writeln!(out)?;
        reports::write(out, &row.reports, paint)?;
    }
    Ok(())
}

fn word(state: SiteState) -> &'static str {
    match state {
        SiteState::Live => "live",
        SiteState::Partial => "partial",
        SiteState::Stale => "stale",
        SiteState::Broken => "broken",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::tests::report;

    #[test]
    fn reports_stand_under_the_table() {
        let row = |site: &str, state, reports| SiteRow {
            site: site.into(),
            owner: 1000,
            state,
            hosts: vec!["blog.example.com".into()],
            routes: vec!["/ -> 127.0.0.1:5000".into()],
            requests: 3,
            errors: 0,
            reports,
        };
        let sites = [
            row("blog.yaml", SiteState::Live, vec![]),
            row("shop.yaml", SiteState::Stale, vec![report("error", "error[V0201]: no such key")]),
        ];
        let mut out = Vec::new();
        write_text(&sites, &mut out, None, Paint::Plain).unwrap();
        let expected = "\
SITE       OWNER  STATE  HOSTS             ROUTES               REQUESTS  5XX
blog.yaml   1000  live   blog.example.com  / -> 127.0.0.1:5000         3    0
shop.yaml   1000  stale  blog.example.com  / -> 127.0.0.1:5000         3    0

error[V0201]: no such key

";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
