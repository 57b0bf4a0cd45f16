//! `vestibule certs` alone: every name, and how its certificate stands.

use std::{collections::HashMap, io::Write, time::SystemTime};

use clap::Args;
use vestibule_gateway::admin::model::{BrokenRow, CertRow, Certs, NameRow};

use super::root;
use crate::{
    admin_client::{AdminClient, Page},
    cli::{Format, FormatFlag, ReachFlags},
    commands::dates::{ago, expiry, when},
    exit::Exit,
    failure::Failure,
    table::{Align, Table},
    terminal::{self, escaped},
};

/// Names before a sentence that is about all of them.
const NAMES_SHOWN: usize = 10;

/// The flags of the list.
#[derive(Debug, Args)]
pub(super) struct ListFlags {
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
    /// Print the local CA's root certificate (PEM) instead; works without a running gateway
    #[arg(long)]
    root: bool,
}

/// Asks and prints.
pub(super) fn run(flags: &ListFlags, out: &mut dyn Write) -> Result<Exit, Failure> {
    if flags.root {
        return root::print(&flags.reach, out);
    }
    let client = AdminClient::reach(&flags.reach)?;
    let mut broken = Vec::new();
    let certs = client.all("/v1/certs", |page: Certs| {
        broken.extend(page.broken);
        Page { rows: page.certs, next: page.next }
    })?;
    match flags.format.format {
        Format::Json => crate::commands::write_json(out, &Certs { certs, next: None, broken })?,
        Format::Text if certs.is_empty() && broken.is_empty() => {
            writeln!(out, "no certificates: no site is served over HTTPS yet")?
        }
        Format::Text => {
            let now = SystemTime::now();
            write_table(&certs, out, terminal::width(), now)?;
            write_remarks(&certs, out, now)?;
            write_broken(&broken, out)?;
        }
    }
    Ok(Exit::OK)
}

fn write_table(certs: &[CertRow], out: &mut dyn Write, width: Option<usize>, now: SystemTime) -> Result<(), Failure> {
    let mut table = Table::new(&[
        ("NAME", Align::LeftCut),
        ("STATE", Align::Left),
        ("ISSUER", Align::LeftCut),
        ("EXPIRES", Align::Left),
        ("RENEWAL", Align::Left),
        ("NEXT ATTEMPT", Align::Left),
        ("SITE", Align::LeftCut),
    ]);
    for row in certs {
        for host in row.hosts.iter().filter(|host| of_ca(row, host).is_none()) {
            let state = if row.source == "files" { "files" } else { "local" };
            let (issuer, site) = (row.issuer.clone(), row.site.clone());
            let nothing = String::new;
            table.push([host.clone(), state.to_owned(), issuer, own_expiry(row, now), nothing(), nothing(), site]);
        }
        for name in row.names.iter().filter(|name| name.state != "local") {
            table.push([
                name.name.clone(),
                name.state.clone(),
                issuer(name),
                name.not_after.map(|end| expiry(end, now)).unwrap_or_default(),
                name.renew_at.map(|at| when(at, now)).unwrap_or_default(),
                next_attempt(name).map(|at| when(at, now)).unwrap_or_default(),
                row.site.clone(),
            ]);
        }
    }
    write!(out, "{}", table.render(width))?;
    Ok(())
}

/// What is the matter, once for all names of which the same is to be said.
fn write_remarks(certs: &[CertRow], out: &mut dyn Write, now: SystemTime) -> Result<(), Failure> {
    for row in certs {
        if let Some(demand) = &row.client_certificate {
            writeln!(out, "\n{}: visitors' certificates are {}", escaped(&row.site), escaped(demand))?;
        }
        if let Some(problem) = &row.problem {
            writeln!(out, "\n{}: the last change was not taken: {}", escaped(&row.site), escaped(problem))?;
        }
    }
    let mut remarks: Vec<(String, Vec<&str>)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    let failures = certs.iter().flat_map(|row| &row.names).filter_map(|name| Some((name, name.failure.as_ref()?)));
    for (name, failure) in failures {
        let remark = format!("{}{}", escaped(failure), circumstances(name, now));
        let place = *places.entry(remark).or_insert_with_key(|remark| {
            remarks.push((remark.clone(), Vec::new()));
            remarks.len() - 1
        });
        remarks[place].1.push(&name.name);
    }
    for (remark, names) in remarks {
        writeln!(out, "\n{}: {remark}", listed(&names))?;
    }
    Ok(())
}

/// A few names, and how many more there are.
fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMES_SHOWN).map(|name| escaped(name).into_owned()).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMES_SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn write_broken(broken: &[BrokenRow], out: &mut dyn Write) -> Result<(), Failure> {
    for row in broken {
        writeln!(out, "\n{} cannot be used: {}", escaped(&row.path), escaped(&row.reason))?;
    }
    if !broken.is_empty() {
        writeln!(
            out,
            "  restore what cannot be used from a backup, or move it away: what is still wanted is ordered anew"
        )?;
    }
    Ok(())
}

/// How a name of this row stands at a CA, if a CA is in charge of it.
fn of_ca<'a>(row: &'a CertRow, host: &str) -> Option<&'a NameRow> {
    row.names.iter().find(|name| name.name == host && name.state != "local")
}

/// What is tried before the renewal is due, if anything is.
fn next_attempt(name: &NameRow) -> Option<u64> {
    name.next_attempt.filter(|at| name.renew_at != Some(*at))
}

/// A local certificate is signed at its first use.
fn own_expiry(row: &CertRow, now: SystemTime) -> String {
    if row.fingerprint.is_empty() { "not signed yet".to_owned() } else { expiry(row.not_after, now) }
}

fn issuer(name: &NameRow) -> String {
    match (&name.issuer, &name.ca) {
        (Some(issuer), Some(ca)) => format!("{issuer} ({ca})"),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => String::new(),
    }
}

/// ` (validation-dns, 3 times in a row, the last 2 h ago)`.
fn circumstances(name: &NameRow, now: SystemTime) -> String {
    let kind = name.failure_kind.as_deref().map(|kind| escaped(kind).into_owned());
    let times = (name.failures > 1).then(|| format!("{} times in a row", name.failures));
    let last = name.failed_at.map(|at| ago(at, now));
    let all: Vec<String> = [kind, times, last].into_iter().flatten().collect();
    if all.is_empty() { String::new() } else { format!(" ({})", all.join(", ")) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    const NOW: u64 = 1_767_225_600; // 01 Jan 2026

    fn row(hosts: &[&str], source: &str) -> CertRow {
        CertRow {
            site: "blog.yaml".into(),
            hosts: hosts.iter().map(|&host| host.to_owned()).collect(),
            issuer: "local CA".into(),
            source: source.into(),
            not_before: 0,
            not_after: NOW + 7_300,
            fingerprint: "0123".into(),
            problem: None,
            client_certificate: None,
            names: Vec::new(),
        }
    }

    fn check(rows: &[CertRow], expected: &str) {
        let mut out = Vec::new();
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        write_table(rows, &mut out, None, now).unwrap();
        write_remarks(rows, &mut out, now).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn a_local_certificate_is_told_in_one_line() {
        let fresh = CertRow { fingerprint: String::new(), ..row(&["new.localhost"], "internal") };
        check(
            &[row(&["blog.localhost"], "internal"), fresh],
            "\
NAME            STATE  ISSUER    EXPIRES               RENEWAL  NEXT ATTEMPT  SITE
blog.localhost  local  local CA  01 Jan 2026 (in 2 h)                         blog.yaml
new.localhost   local  local CA  not signed yet                               blog.yaml
",
        );
    }

    #[test]
    fn a_refused_change_stands_under_the_table() {
        let problem = Some("the key does not belong to the certificate".into());
        check(
            &[CertRow { problem, ..row(&["a.test"], "files") }],
            "\
NAME    STATE  ISSUER    EXPIRES               RENEWAL  NEXT ATTEMPT  SITE
a.test  files  local CA  01 Jan 2026 (in 2 h)                         blog.yaml

blog.yaml: the last change was not taken: the key does not belong to the certificate
",
        );
    }

    #[test]
    fn a_site_that_knows_its_visitors_says_so() {
        let client_certificate = Some("required".into());
        check(
            &[CertRow { client_certificate, ..row(&["a.test"], "internal") }],
            "\
NAME    STATE  ISSUER    EXPIRES               RENEWAL  NEXT ATTEMPT  SITE
a.test  local  local CA  01 Jan 2026 (in 2 h)                         blog.yaml

blog.yaml: visitors' certificates are required
",
        );
    }

    #[test]
    fn every_name_of_a_ca_has_its_own_line_and_its_failure_a_sentence() {
        let mut site = row(&["a.test", "b.test", "c.localhost"], "auto");
        let valid = NameRow {
            ca: Some("letsencrypt".into()),
            issuer: Some("R11".into()),
            not_after: Some(NOW + 89 * 86_400),
            renew_at: Some(NOW + 60 * 86_400),
            next_attempt: Some(NOW + 60 * 86_400),
            ..NameRow::new("a.test", "valid")
        };
        let failing = NameRow {
            next_attempt: Some(NOW + 540),
            failure_kind: Some("validation-dns".into()),
            failure: Some("b.test has no address".into()),
            failed_at: Some(NOW - 60),
            failures: 2,
            ..NameRow::new("b.test", "waiting")
        };
        site.names = vec![valid, failing, NameRow::new("c.localhost", "local")];
        check(
            &[site],
            "\
NAME         STATE    ISSUER             EXPIRES                   RENEWAL                   NEXT ATTEMPT  SITE
c.localhost  local    local CA           01 Jan 2026 (in 2 h)                                              blog.yaml
a.test       valid    R11 (letsencrypt)  31 Mar 2026 (in 89 days)  02 Mar 2026 (in 60 days)                blog.yaml
b.test       waiting                                                                         in 9 min      blog.yaml

b.test: b.test has no address (validation-dns, 2 times in a row, 1 min ago)
",
        );
    }

    #[test]
    fn what_is_to_be_said_of_many_names_is_said_once() {
        let failing = |host: &str, failure: &str| NameRow {
            failure: Some(failure.into()),
            failure_kind: Some("ca".into()),
            ..NameRow::new(host, "waiting")
        };
        let hosts: Vec<String> = (0..12).map(|number| format!("n{number}.test")).collect();
        let mut site = row(&[], "auto");
        site.names = hosts.iter().map(|host| failing(host, "ca is down")).collect();
        site.names.insert(1, failing("other.test", "ca is up"));
        let mut out = Vec::new();
        write_remarks(&[site], &mut out, UNIX_EPOCH).unwrap();
        let expected = "
n0.test, n1.test, n2.test, n3.test, n4.test, n5.test, n6.test, n7.test, n8.test, n9.test and 2 more: ca is down (ca)

other.test: ca is up (ca)
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn what_cannot_be_used_is_shown_with_what_to_do() {
        let broken = [BrokenRow { path: "/certs/acme/live/1-a\u{1b}".into(), reason: "key.pem is empty".into() }];
        let mut out = Vec::new();
        write_broken(&broken, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("\n/certs/acme/live/1-a\\u{1b} cannot be used: key.pem is empty\n"), "{text}");
        assert!(text.contains("from a backup"), "{text}");
    }
}
