//! `vestibule status`: how the running gateway stands, and what needs somebody's attention. A tenant is told of their own
//! things.

mod tenant;

use std::{collections::BTreeMap, io::Write};

use clap::Args;
use serde::{Deserialize, Serialize};
use vestibule_gateway::admin::model::{AcmeStatus, Backends, SiteRow, SiteState, Status, TenantRow, TenantStatus};

use crate::{
    admin_client::AdminClient,
    cli::{Format, FormatFlag, ReachFlags},
    exit::Exit,
    failure::Failure,
    reports::{self, counted},
    terminal::{Paint, escaped},
};

/// The flags of `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Root and the gateway's own user are told how the gateway stands; any other user, how their own sites do, and how much of \
the box they have. The kernel says who asks.

Examples:
  vestibule status
  vestibule status --state /var/lib/vestibule
  vestibule status --format json | jq .stale")]
pub(crate) struct Flags {
    #[command(flatten)]
    reach: ReachFlags,
    #[command(flatten)]
    format: FormatFlag,
}

/// What is told depends on who asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Told {
    /// Known by its key `tenant`.
    Tenant(Box<TenantStatus>),
    Operator(Box<Status>),
}

/// Asks and prints.
pub(crate) fn run(flags: &Flags, out: &mut dyn Write) -> Result<Exit, Failure> {
    let client = AdminClient::reach(&flags.reach)?;
    let told: Told = client.get("/v1/status", &[])?;
    let backends = match &told {
        Told::Tenant(_) => client.inquire::<Backends>("/v1/backends", &[])?.backends,
        Told::Operator(_) => Vec::new(),
    };
    match (flags.format.format, &told) {
        (Format::Json, told) => super::write_json(out, told)?,
        (Format::Text, Told::Operator(status)) => write_text(status, out, Paint::of_stdout())?,
        (Format::Text, Told::Tenant(status)) => tenant::write_text(status, &backends, out, Paint::of_stdout())?,
    }
    Ok(Exit::OK)
}

fn write_text(status: &Status, out: &mut dyn Write, paint: Paint) -> Result<(), Failure> {
    let state = standing(status.draining, status.ready, paint);
    let up = duration(status.uptime_seconds);
    writeln!(out, "vestibule {}, {state}, pid {}, up {up}", escaped(&status.version), status.pid)?;
    let mut line = |name: &str, text: &str| writeln!(out, "  {name:<12}{}", escaped(text));
    line("http", &listed(&status.http))?;
    line("https", &listed(&status.https))?;
    let sites = sites_in_words(status.sites, status.stale, status.broken);
    line("sites", &format!("{} ({sites})", status.sites_dir))?;
    line("state", &status.state_dir)?;
    line("table", &format!("generation {}, {}", status.generation, counted(status.names, "name")))?;
    line("workers", &status.workers.to_string())?;
    let open = usize::try_from(status.connections).unwrap_or(usize::MAX);
    line("clients", &format!("{}, {} requests in flight", counted(open, "connection"), status.requests_in_flight))?;
    line("requests", &format!("{} answered", status.requests))?;
    if let Some(acme) = &status.acme {
        line("certs", &certificates_in_words(acme))?;
    }
    if status.uncommitted > 0 {
        let what = counted(status.uncommitted, "change");
        line("ledger", &format!("cannot be written: {what} would be missing after a restart; is the disk full?"))?;
    }
    if !matches!(&*status.owner_check, "enforce" | "") {
        let said = match &*status.owner_check {
            "blind" => "TCP backends of tenants are refused: the kernel does not say whose process listens",
            "warn" => "backends that are another user's are told, and used",
            _ => "nobody asks whose process a tenant's backend is",
        };
        line("owners", said)?;
    }
    write_tenants(&status.tenants, out, paint)?;
    write_attention(&status.attention, status.stale + status.broken, out, paint)
}

fn standing(draining: bool, ready: bool, paint: Paint) -> String {
    match (draining, ready) {
        (true, _) => paint.doubtful("draining"),
        (false, true) => paint.good("ready"),
        (false, false) => paint.doubtful("starting"),
    }
}

/// Numbers first: what needs somebody comes before what is well.
fn names_in_words(names: &BTreeMap<String, u64>) -> Vec<String> {
    const NOT_WELL_FIRST: [&str; 6] = ["expired", "quarantined", "waiting", "ordering", "renewing", "valid"];
    let known = NOT_WELL_FIRST.iter().filter_map(|state| names.get(*state).map(|number| (*state, *number)));
    let mut words: Vec<String> =
        known.filter(|(_, number)| *number > 0).map(|(state, number)| format!("{number} {state}")).collect();
    if words.is_empty() {
        words.push("no names".to_owned());
    }
    words
}

fn certificates_in_words(acme: &AcmeStatus) -> String {
    let mut words = names_in_words(&acme.names);
    words.push(match acme.next_expiry_seconds {
        None => "none issued yet".to_owned(),
        Some(left) => match u64::try_from(left) {
            Ok(left) => format!("the next runs out in {}", duration(left)),
            Err(_) => format!("one ran out {} ago", duration(left.unsigned_abs())),
        },
    });
    if acme.hook_failures > 0 {
        let number = usize::try_from(acme.hook_failures).unwrap_or(usize::MAX);
        words.push(format!("{} of hooks", counted(number, "failure")));
    }
    let cas = acme.cas.join(", ");
    let ended = if acme.running { "" } else { "; NOTHING IS RENEWED: the thread has ended, start the gateway again" };
    format!("{} (from {cas}){ended}", words.join(", "))
}

fn sites_in_words(served: usize, stale: usize, broken: usize) -> String {
    let mut words = format!("{served} served");
    for (number, what) in [(stale, "stale"), (broken, "broken")] {
        if number > 0 {
            words.push_str(&format!(", {number} {what}"));
        }
    }
    words
}

fn write_tenants(rows: &[TenantRow], out: &mut dyn Write, paint: Paint) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    let (refused, denied) =
        (rows.iter().filter(|row| !row.refused.is_empty()), rows.iter().filter(|row| !row.denied.is_empty()));
    for (n, row) in refused.enumerate() {
        if n == 0 {
            writeln!(out, "\n{}", paint.strong("Refused for a limit of the tenant, since the start:"))?;
        }
        let refused: Vec<_> =
            row.refused.iter().map(|(limit, count)| format!("{count} by {}", escaped(limit))).collect();
        writeln!(out, "  uid {}: {}", row.tenant, refused.join(", "))?;
    }
    for (n, row) in denied.enumerate() {
        if n == 0 {
            writeln!(out, "\n{}", paint.strong("Backends that are not their tenant's, or out of bounds:"))?;
        }
        for denied in &row.denied {
            let (upstream, why) = (escaped(&denied.upstream), escaped(&denied.why));
            writeln!(out, "  uid {}: {upstream}, {} ago: {why}", row.tenant, duration(denied.seconds_ago))?;
        }
    }
    Ok(())
}

fn write_attention(rows: &[SiteRow], known: usize, out: &mut dyn Write, paint: Paint) -> Result<(), Failure> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", paint.strong("Needs attention:"))?;
    for row in rows {
        writeln!(out, "  {} (uid {}): {}", escaped(&row.site), row.owner, meaning(row.state))?;
    }
    if known > rows.len() {
        writeln!(out, "  … and more: 'vestibule sites' lists every site")?;
    }
    writeln!(out)?;
    for row in rows {
        reports::write(out, &row.reports, paint)?;
    }
    Ok(())
}

fn meaning(state: SiteState) -> &'static str {
    match state {
        SiteState::Live => "served as it is on disk",
        SiteState::Partial => "some of its names are held by other sites",
        SiteState::Stale => "the last good version is served; the file on disk has an error",
        SiteState::Broken => "nothing is served: the file has an error and there is no good version",
    }
}

fn listed(addresses: &[String]) -> String {
    if addresses.is_empty() { "not listening".to_owned() } else { addresses.join(", ") }
}

/// Two units are enough to know how long.
fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use vestibule_gateway::admin::model::DeniedBackend;

    use super::*;
    use crate::reports::tests::report;

    fn status(attention: Vec<SiteRow>) -> Status {
        Status {
            version: "0.1.0".into(),
            pid: 42,
            uptime_seconds: 3725,
            generation: 7,
            ready: true,
            http: vec![],
            https: vec!["127.0.0.1:8443".into()],
            sites_dir: "/srv/sites.d".into(),
            state_dir: "/srv/state".into(),
            workers: 2,
            sites: 3,
            names: 4,
            stale: attention.len(),
            broken: 0,
            connections: 1,
            requests_in_flight: 0,
            requests: 12,
            uncommitted: 0,
            acme: None,
            draining: false,
            owner_check: "enforce".into(),
            tenants: vec![],
            attention,
        }
    }

    fn text(status: &Status) -> String {
        let mut out = Vec::new();
        write_text(status, &mut out, Paint::Plain).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_healthy_gateway_is_told_in_ten_lines() {
        let expected = "\
vestibule 0.1.0, ready, pid 42, up 1h 2m
  http        not listening
  https       127.0.0.1:8443
  sites       /srv/sites.d (3 served)
  state       /srv/state
  table       generation 7, 4 names
  workers     2
  clients     1 connection, 0 requests in flight
  requests    12 answered
";
        assert_eq!(text(&status(vec![])), expected);
    }

    #[test]
    fn certificates_are_told_with_the_worst_first() {
        let names = [("valid", 40), ("waiting", 2), ("expired", 1), ("ordering", 0)];
        let acme = AcmeStatus {
            cas: vec!["letsencrypt".into(), "other".into()],
            running: true,
            names: names.into_iter().map(|(state, number)| (state.to_owned(), number)).collect(),
            next_expiry_seconds: Some(86_400 * 3),
            hook_failures: 1,
        };
        assert_eq!(
            certificates_in_words(&acme),
            "1 expired, 2 waiting, 40 valid, the next runs out in 3d 0h, 1 failure of hooks (from letsencrypt, other)"
        );
        let ended =
            AcmeStatus { cas: vec!["letsencrypt".into()], next_expiry_seconds: Some(-60), ..AcmeStatus::default() };
        assert_eq!(
            certificates_in_words(&ended),
            "no names, one ran out 1m 0s ago (from letsencrypt); NOTHING IS RENEWED: the thread has ended, start the \
             gateway again"
        );
    }

    #[test]
    fn tenants_at_their_limits_are_told() {
        let refused = [("requests_per_second".to_owned(), 12), ("share".to_owned(), 3)].into();
        let tenants = vec![TenantRow { tenant: 1001, refused, ..TenantRow::default() }];
        let text = text(&Status { tenants, ..status(vec![]) });
        let told = "\nRefused for a limit of the tenant, since the start:\n  uid 1001: 12 by requests_per_second, 3 by share\n";
        assert!(text.ends_with(told), "{text}");
    }

    #[test]
    fn backends_of_others_are_told_and_a_check_that_is_not_enforced_too() {
        let denied = DeniedBackend {
            upstream: "127.0.0.1:5000".into(),
            why: "port 5000 is held by uid 1002, not by you".into(),
            seconds_ago: 65,
        };
        let tenants = vec![TenantRow { tenant: 1001, denied: vec![denied], ..TenantRow::default() }];
        let text = text(&Status { tenants, owner_check: "warn".into(), ..status(vec![]) });
        let told = "\nBackends that are not their tenant's, or out of bounds:\n  uid 1001: 127.0.0.1:5000, 1m 5s ago: port \
                    5000 is held by uid 1002, not by you\n";
        assert!(text.ends_with(told), "{text}");
        assert!(text.contains("\n  owners      backends that are another user's are told, and used\n"), "{text}");
    }

    #[test]
    fn a_stale_site_comes_with_its_report() {
        let row = SiteRow {
            site: "blog.yaml".into(),
            owner: 1000,
            state: SiteState::Stale,
            hosts: vec![],
            routes: vec![],
            requests: 0,
            errors: 0,
            reports: vec![report("error", "error[V0201]: no such key")],
        };
        let text = text(&status(vec![row]));
        assert!(text.contains("(3 served, 1 stale)"), "{text}");
        assert!(text.contains("blog.yaml (uid 1000): the last good version is served"), "{text}");
        assert!(text.ends_with("error[V0201]: no such key\n\n"), "{text}");
    }

    #[test]
    fn times_are_told_in_two_units() {
        for (seconds, expected) in [(0, "0s"), (61, "1m 1s"), (7260, "2h 1m"), (90000, "1d 1h")] {
            assert_eq!(duration(seconds), expected);
        }
    }
}
