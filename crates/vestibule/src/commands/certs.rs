//! `vestibule certs`: the certificates that the running gateway shows, or (`--root`) the local CA's root certificate, which
//! needs no running gateway.

use std::{
    io::Write,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::Args;
use vestibule_gateway::admin::model::{CertRow, Certs, Status};

use crate::{
    admin_client::{AdminClient, Page},
    cli::{Format, FormatFlag, PlaceFlags, ReachFlags},
    decide,
    exit::Exit,
    failure::Failure,
    place::Surroundings,
    settings_file::Loaded,
    table::{Align, Table, abbreviated},
    terminal::{self, escaped, tell},
};

/// Names shown per row; JSON has all of them.
const SHOWN: usize = 2;
/// Enough of a fingerprint to tell two certificates apart.
const FINGERPRINT_SHOWN: usize = 16;
const DAY: Duration = Duration::from_secs(86_400);

/// The flags of `certs`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  vestibule certs
  vestibule certs --root > root.pem && curl --cacert root.pem https://blog.localhost:8443/
  vestibule certs --format json | jq '.certs[] | {site, not_after}'")]
pub(crate) struct Flags {
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
    /// Print the local CA's root certificate (PEM) instead; works without a running gateway
    #[arg(long)]
    root: bool,
}

/// Asks and prints.
pub(crate) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    if flags.root {
        return print_root(flags, out);
    }
    let client = AdminClient::reach(&flags.reach)?;
    let certs = client.all("/v1/certs", |page: Certs| Page { rows: page.certs, next: page.next })?;
    match flags.format.format {
        Format::Json => super::write_json(out, &Certs { certs, next: None })?,
        Format::Text if certs.is_empty() => writeln!(out, "no certificates: no site is served over HTTPS yet")?,
        Format::Text => write_text(&certs, out, terminal::width(), SystemTime::now())?,
    }
    Ok(Exit::OK)
}

/// The PEM goes to standard output, so that it can be redirected; how to trust it goes to standard error.
fn print_root(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let state = match &flags.reach {
        ReachFlags { state: Some(state), .. } => state.clone(),
        reach => match AdminClient::reach(reach) {
            Ok(client) => client.get::<Status>("/v1/status", &[])?.state_dir.into(),
            Err(error) if reach.socket.is_some() => return Err(error.into()),
            Err(_) => {
                let (place, surroundings) = (PlaceFlags::default(), Surroundings::detect());
                let settings = Loaded::find(&place, &surroundings).unwrap_or_default().settings;
                decide::folders(&place, &settings, &surroundings).state.ok_or(Failure::NoStateFolder)?
            }
        },
    };
    let pem =
        vestibule_gateway::read_local_root(&state).map_err(|source| Failure::Root { path: state.clone(), source })?;
    out.write_all(pem.as_bytes())?;
    out.flush()?;
    tell(&how_to_trust(&state));
    Ok(Exit::OK)
}

fn how_to_trust(state: &Path) -> String {
    format!(
        "The root of the local CA kept in {}. To trust it on this machine only:\n  \
         curl:      vestibule certs --root > root.pem; curl --cacert root.pem https://NAME/\n  \
         Debian:    as root: vestibule certs --root > /usr/local/share/ca-certificates/vestibule.crt; \
         update-ca-certificates\n  \
         browsers:  import root.pem as an authority for web sites\n\
         Whoever can read that folder can sign for every name that you then trust: keep it yours.\n",
        escaped(&state.to_string_lossy())
    )
}

fn write_text(certs: &[CertRow], out: &mut dyn Write, width: Option<usize>, now: SystemTime) -> Result<(), Failure> {
    let mut table = Table::new(&[
        ("SITE", Align::LeftCut),
        ("HOSTS", Align::LeftCut),
        ("SOURCE", Align::Left),
        ("ISSUER", Align::LeftCut),
        ("EXPIRES", Align::Left),
        ("SHA-256", Align::Left),
    ]);
    for row in certs {
        table.push([
            row.site.clone(),
            abbreviated(&row.hosts, SHOWN),
            row.source.clone(),
            row.issuer.clone(),
            expiry(row, now),
            row.fingerprint.chars().take(FINGERPRINT_SHOWN).collect(),
        ]);
    }
    write!(out, "{}", table.render(width))?;
    for row in certs {
        if let Some(problem) = &row.problem {
            writeln!(out, "\n{}: the last change was not taken: {}", escaped(&row.site), escaped(problem))?;
        }
    }
    Ok(())
}

/// A date and how far away it is.
fn expiry(row: &CertRow, now: SystemTime) -> String {
    // A local certificate is signed at its first use.
    if row.fingerprint.is_empty() {
        return "not signed yet".to_owned();
    }
    let Some(end) = UNIX_EPOCH.checked_add(Duration::from_secs(row.not_after)).filter(|end| *end <= latest_date())
    else {
        return "never".to_owned();
    };
    let days = |span: Duration| span.as_secs() / DAY.as_secs();
    let distance = match end.duration_since(now) {
        Ok(left) if left < DAY => format!("in {} h", left.as_secs() / 3600),
        Ok(left) => format!("in {} days", days(left)),
        Err(past) => format!("EXPIRED {} days ago", days(past.duration())),
    };
    format!("{} ({distance})", date(end))
}

/// The end of what an HTTP date can say: later ends mean "never" (RFC 5280 section 4.1.2.5).
fn latest_date() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(253_402_300_799) - DAY
}

/// `06 Nov 1994`, out of an HTTP date (RFC 9110 section 5.6.7: fixed places).
fn date(time: SystemTime) -> String {
    httpdate::fmt_http_date(time).get(5..16).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_767_225_600; // 01 Jan 2026

    fn row(not_after: u64, fingerprint: &str) -> CertRow {
        CertRow {
            site: "blog.yaml".into(),
            hosts: vec!["blog.localhost".into()],
            issuer: "local CA".into(),
            source: "internal".into(),
            not_before: 0,
            not_after,
            fingerprint: fingerprint.into(),
            problem: None,
            names: Vec::new(),
        }
    }

    #[test]
    fn an_expiry_is_a_date_and_a_distance() {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let check = |not_after, expected: &str| assert_eq!(expiry(&row(not_after, "ab"), now), expected);
        check(NOW + 90 * 86_400, "01 Apr 2026 (in 90 days)");
        check(NOW + 7_300, "01 Jan 2026 (in 2 h)");
        check(NOW - 86_400, "31 Dec 2025 (EXPIRED 1 days ago)");
        check(u64::MAX, "never");
        check(253_402_300_799, "never");
        assert_eq!(expiry(&row(NOW, ""), now), "not signed yet");
    }

    #[test]
    fn a_refused_change_stands_under_the_table() {
        let mut rows = [row(NOW, "0123456789abcdef0123456789abcdef")];
        rows[0].problem = Some("the key does not belong to the certificate".into());
        let mut out = Vec::new();
        write_text(&rows, &mut out, None, UNIX_EPOCH + Duration::from_secs(NOW)).unwrap();
        let expected = "\
SITE       HOSTS           SOURCE    ISSUER    EXPIRES               SHA-256
blog.yaml  blog.localhost  internal  local CA  01 Jan 2026 (in 0 h)  0123456789abcdef

blog.yaml: the last change was not taken: the key does not belong to the certificate
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
