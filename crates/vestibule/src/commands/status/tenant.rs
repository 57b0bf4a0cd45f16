//! The text of `vestibule status` for a tenant.

use std::io::Write;

use vestibule_gateway::admin::model::{BackendRow, Budget, TenantStatus};

use super::{duration, listed, names_in_words, sites_in_words, standing, write_attention};
use crate::{
    failure::Failure,
    reports::counted,
    terminal::{Paint, escaped},
};

/// Tells it.
pub(super) fn write_text(
    status: &TenantStatus,
    backends: &[BackendRow],
    out: &mut dyn Write,
    paint: Paint,
) -> Result<(), Failure> {
    let state = standing(status.draining, status.ready, paint);
    let user = status.user.as_ref().map(|user| format!(" ({user})")).unwrap_or_default();
    let who = format!("uid {}{user}", status.tenant);
    writeln!(out, "vestibule {}, {state}; what follows is {}'s", escaped(&status.version), escaped(&who))?;
    let mut line = |name: &str, text: &str| writeln!(out, "  {name:<12}{}", escaped(text));
    line("http", &listed(&status.http))?;
    line("https", &listed(&status.https))?;
    let sites = sites_in_words(status.sites, status.stale, status.broken);
    line("sites", &format!("{sites}, {} ({})", counted(status.names, "name"), status.sites_dir))?;
    let (errors, sent) = (status.errors, status.sent_bytes);
    line("requests", &format!("{} answered, {errors} of them 5xx; {sent} bytes sent", status.requests))?;
    if let Some(names) = &status.certificates {
        line("certs", &names_in_words(names).join(", "))?;
    }
    let used: Vec<_> = status.budgets.iter().filter(|budget| budget.used > 0).map(in_words).collect();
    if !used.is_empty() {
        line("budgets", &used.join(", "))?;
    }
    if !status.refused.is_empty() {
        let refused: Vec<_> = status.refused.iter().map(|(limit, count)| format!("{limit} {count}")).collect();
        line("refused", &format!("by limit: {}", refused.join(", ")))?;
    }
    if status.log_lines_dropped > 0 {
        line("log", &format!("{} events could not be written", status.log_lines_dropped))?;
    }
    for (n, row) in backends.iter().enumerate() {
        let name = if n == 0 { "backends" } else { "" };
        let leads = row.leads_to.as_ref().map(|to| format!(", now {to},")).unwrap_or_default();
        line(name, &format!("{}: {}{leads} {}", row.site, row.upstream, listening(row)))?;
    }
    for (n, denied) in status.denied.iter().enumerate() {
        let name = if n == 0 { "denied" } else { "" };
        line(name, &format!("{}, {} ago: {}", denied.upstream, duration(denied.seconds_ago), denied.why))?;
    }
    write_attention(&status.attention, status.stale + status.broken, out, paint)
}

/// Who listens there, in words.
fn listening(row: &BackendRow) -> String {
    let uid = row.uid.map_or_else(|| "somebody".to_owned(), |uid| format!("uid {uid}"));
    match (&*row.standing, row.pid) {
        ("own", Some(pid)) => format!("is listening: pid {pid}, yours"),
        ("own", None) => "is listening, and yours".to_owned(),
        ("allowed", _) => format!("is held by {uid}, to whom the operator lets you forward"),
        ("other", _) => format!("is held by {uid}, not by you"),
        ("nobody", _) => "has nobody listening".to_owned(),
        ("astray", _) => format!("is reached through a folder or link of {uid}, not yours"),
        ("unresolved", _) => "has no address".to_owned(),
        ("elsewhere", _) => "is not on the loopback".to_owned(),
        _ => "is not looked at".to_owned(),
    }
}

/// `sites 3 of 1000`.
fn in_words(budget: &Budget) -> String {
    match budget.limit {
        Some(limit) => format!("{} {} of {limit}", budget.name, budget.used),
        None => format!("{} {}", budget.name, budget.used),
    }
}

#[cfg(test)]
mod tests {
    use vestibule_gateway::admin::model::DeniedBackend;

    use super::*;

    #[test]
    fn a_tenant_is_told_of_their_own_things() {
        let budget = |name: &str, used, limit| Budget { name: name.into(), used, limit };
        let status = TenantStatus {
            version: "0.1.0".into(),
            tenant: 1001,
            user: Some("ann".into()),
            ready: true,
            draining: false,
            http: vec![],
            https: vec!["[::]:443".into()],
            sites_dir: "/etc/vestibule/sites.d".into(),
            sites: 1,
            stale: 0,
            broken: 0,
            names: 2,
            requests: 7,
            errors: 1,
            sent_bytes: 300,
            budgets: vec![budget("sites", 1, Some(1000)), budget("tunnels", 0, Some(10)), budget("names", 2, None)],
            refused: [("connections".to_owned(), 5)].into(),
            denied: vec![DeniedBackend {
                upstream: "127.0.0.1:5000".into(),
                why: "port 5000 is held by uid 1002, not by you".into(),
                seconds_ago: 65,
            }],
            log_lines_dropped: 0,
            certificates: Some([("valid".to_owned(), 2)].into()),
            attention: vec![],
        };
        let mut out = Vec::new();
        let backend = |upstream: &str, standing: &str, uid, pid| BackendRow {
            site: "shop.yaml".into(),
            upstream: upstream.into(),
            standing: standing.into(),
            leads_to: upstream.starts_with("localhost").then(|| "127.0.0.1:5003".into()),
            uid,
            pid,
        };
        let backends = [
            backend("127.0.0.1:5000", "own", Some(1001), Some(42)),
            backend("127.0.0.1:5001", "other", Some(1002), None),
            backend("127.0.0.1:5002", "nobody", None, None),
            backend("localhost:5003", "own", Some(1001), Some(43)),
            backend("unix:/run/shop.sock", "astray", Some(1002), None),
        ];
        write_text(&status, &backends, &mut out, Paint::Plain).unwrap();
        let expected = "\
vestibule 0.1.0, ready; what follows is uid 1001 (ann)'s
  http        not listening
  https       [::]:443
  sites       1 served, 2 names (/etc/vestibule/sites.d)
  requests    7 answered, 1 of them 5xx; 300 bytes sent
  certs       2 valid
  budgets     sites 1 of 1000, names 2
  refused     by limit: connections 5
  backends    shop.yaml: 127.0.0.1:5000 is listening: pid 42, yours
              shop.yaml: 127.0.0.1:5001 is held by uid 1002, not by you
              shop.yaml: 127.0.0.1:5002 has nobody listening
              shop.yaml: localhost:5003, now 127.0.0.1:5003, is listening: pid 43, yours
              shop.yaml: unix:/run/shop.sock is reached through a folder or link of uid 1002, not yours
  denied      127.0.0.1:5000, 1m 5s ago: port 5000 is held by uid 1002, not by you
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
