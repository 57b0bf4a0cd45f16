//! One provider of DNS-01: `exec`, `rfc2136` or `acme_dns`. The settings and a site write it alike.
//!
//! Not here: who may use which. A tenant's site may not name programs, and files that it names must be its own; owners
//! are not known to a reader.

use std::{path::PathBuf, time::Duration};

use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::{Authority, Hostname, TenantId};

use super::{at, socket_address, word};
use crate::{
    acme::{DnsProvider, NamedProvider, Tenants},
    findings::Findings,
    read::{
        fields::{Field, Fields},
        values::Scalar,
    },
    schema::table::{Shape, Table},
    site::Spanned,
    yaml::{Node, Value},
};

/// The kinds of provider.
const KINDS: [&str; 3] = ["exec", "rfc2136", "acme_dns"];
/// One run of a program may take this long unless the file says otherwise.
const EXEC_TIMEOUT: Duration = Duration::from_secs(120);

/// One of the settings, which also says whom and what it serves.
pub(super) fn named(name: &str, node: &Node, table: &'static Table, findings: &mut Findings) -> Option<NamedProvider> {
    const WHAT: &str = "a provider of `dns`";
    let fields = Fields::open(WHAT, node, table, findings)?;
    let zones = fields.take("zones").map_or(Some(Vec::new()), |field| zones(field, findings));
    let tenants = fields.take("tenants").map_or(Some(Tenants::Operator), |field| tenants(field, findings));
    let provider = way(&fields, node, WHAT, findings)?;
    Some(NamedProvider { name: name.to_owned(), provider, zones: zones?, tenants: tenants? })
}

/// Names. None at all, or not all of them, is no answer: it must not leave a provider that serves more than was meant.
fn zones(field: Field<'_>, findings: &mut Findings) -> Option<Vec<Hostname>> {
    let mut zones = Vec::new();
    let items = field.items(findings);
    for node in items {
        let Some(scalar) = Scalar::of(node, &field.name(), &Shape::Text("a zone"), findings) else { continue };
        match Hostname::parse(scalar.text) {
            Ok(zone) => zones.push(zone),
            Err(error) => {
                let finding = scalar.is_not(catalogue::BAD_VALUE, "a zone", &error);
                findings.push(finding.note("a zone stands for itself and every name below it: `example.com`"));
            }
        }
    }
    (zones.len() == items.len() && !zones.is_empty()).then_some(zones)
}

/// `all`, or user ids.
fn tenants(field: Field<'_>, findings: &mut Findings) -> Option<Tenants> {
    if matches!(&field.node.value, Value::Plain(word) | Value::Quoted(word) if word == "all") {
        return Some(Tenants::All);
    }
    let mut tenants = Vec::new();
    let items = field.items(findings);
    for node in items {
        let Some(scalar) = Scalar::of(node, &field.name(), &Shape::Address("a user id"), findings) else { continue };
        match scalar.text.parse().ok().filter(|_| scalar.is_digits()) {
            Some(uid) => tenants.push(TenantId(uid)),
            None => {
                let message = format!("{} is no user id", scalar.quoted());
                let finding = scalar.finding(catalogue::BAD_VALUE, message, "not a number");
                findings
                    .push(finding.help("write numbers, as `id -u NAME` tells them: `tenants: [1000, 1001]`; or `all`"));
            }
        }
    }
    (tenants.len() == items.len()).then_some(Tenants::Listed(tenants))
}

/// The provider of a mapping; `what` says what it is where it is none.
pub(super) fn provider(node: &Node, what: &str, table: &'static Table, findings: &mut Findings) -> Option<DnsProvider> {
    way(&Fields::open(what, node, table, findings)?, node, what, findings)
}

fn way(fields: &Fields<'_>, node: &Node, what: &str, findings: &mut Findings) -> Option<DnsProvider> {
    let written: Vec<Field<'_>> = KINDS.iter().filter_map(|kind| fields.take(kind)).collect();
    match written[..] {
        [one] => kind(one, findings),
        [first, second, ..] => {
            findings.push(
                Diagnostic::new(
                    catalogue::CONFLICTING_KEYS,
                    format!("{} and {} exclude each other", first.name(), second.name()),
                )
                .at(second.key_span, "a second way")
                .and_at(first.key_span, "the first")
                .help("a provider has one way into DNS; give the other a name of its own"),
            );
            None
        }
        [] => {
            // A provider of another kind has been told as an unknown key.
            if matches!(&node.value, Value::Mapping(entries) if entries.iter().all(|(key, _)| is_scope(&key.text))) {
                let finding = at(node, catalogue::MISSING_KEY, format!("{what} says no way into DNS"), "no way here");
                findings.push(finding.help("write one of `exec`, `rfc2136` and `acme_dns`"));
            }
            None
        }
    }
}

fn is_scope(key: &str) -> bool {
    matches!(key, "zones" | "tenants")
}

fn kind(field: Field<'_>, findings: &mut Findings) -> Option<DnsProvider> {
    match field.key.name {
        "exec" => exec(field, findings),
        "rfc2136" => rfc2136(field, findings),
        _ => acme_dns(field, findings),
    }
}

fn exec(field: Field<'_>, findings: &mut Findings) -> Option<DnsProvider> {
    let (Value::Mapping(_), Some(table)) = (&field.node.value, field.key.shape.table()) else {
        return Some(DnsProvider::Exec { program: file(field, findings)?, timeout: EXEC_TIMEOUT });
    };
    let fields = Fields::open("`exec`", field.node, table, findings)?;
    let timeout = fields.take("timeout").and_then(|field| field.duration(findings)).unwrap_or(EXEC_TIMEOUT);
    let program = fields.require("program", field.key_span, findings)?;
    Some(DnsProvider::Exec { program: file(program, findings)?, timeout })
}

fn rfc2136(field: Field<'_>, findings: &mut Findings) -> Option<DnsProvider> {
    let fields = Fields::open("`rfc2136`", field.node, field.key.shape.table()?, findings)?;
    let mut require = |name| fields.require(name, field.key_span, findings);
    let (server, key_name, key_file) = (require("server"), require("key_name"), require("key_file"));
    let server = server.and_then(|field| {
        let scalar = field.scalar(findings)?;
        let found = socket_address(scalar.text);
        if found.is_none() {
            let message = format!("{} is no address of a name server", scalar.quoted());
            let finding = scalar.finding(catalogue::BAD_VALUE, message, "not an IP address");
            findings.push(finding.help("write an IP address, with a port unless it is 53: `192.0.2.53`"));
        }
        found
    });
    let key_name = key_name.and_then(|field| self::key_name(field, findings));
    let algorithm = fields.take("algorithm").map(|field| field.choice(findings));
    let algorithm = algorithm.map_or(Some("hmac-sha256"), |read| read.map(|(_, word)| word));
    let key_file = key_file.and_then(|field| file(field, findings));
    Some(DnsProvider::Rfc2136 {
        server: server?,
        key_name: key_name?,
        algorithm: algorithm?.to_owned(),
        key_file: key_file?,
    })
}

/// A TSIG key is named like a host (RFC 8945 section 4.2); underscores are in use too.
fn key_name(field: Field<'_>, findings: &mut Findings) -> Option<String> {
    let scalar = word(field, findings)?;
    let plain = scalar.text.trim_end_matches('.').replace('_', "-");
    if Hostname::parse(&plain).is_err() {
        let message = format!("{} is no name of a TSIG key", scalar.quoted());
        let finding = scalar.finding(catalogue::BAD_VALUE, message, "not a name");
        findings.push(finding.help("write it as the name server's configuration does: `acme-update`"));
        return None;
    }
    Some(scalar.text.to_owned())
}

fn acme_dns(field: Field<'_>, findings: &mut Findings) -> Option<DnsProvider> {
    let fields = Fields::open("`acme_dns`", field.node, field.key.shape.table()?, findings)?;
    let server = fields.require("server", field.key_span, findings);
    let credentials = fields.require("credentials_file", field.key_span, findings);
    let server = server.and_then(|field| url(field, findings));
    let credentials_file = credentials.and_then(|field| file(field, findings));
    Some(DnsProvider::AcmeDns { server: server?, credentials_file: credentials_file? })
}

/// `https://…`, or `http://…` for a server on the own machine or network.
fn url(field: Field<'_>, findings: &mut Findings) -> Option<String> {
    let scalar = word(field, findings)?;
    let rest = scalar.text.strip_prefix("https://").or_else(|| scalar.text.strip_prefix("http://"));
    let authority = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or(rest));
    if authority.is_some_and(|authority| Authority::parse(authority).is_ok()) {
        return Some(scalar.text.to_owned());
    }
    let message = format!("{} is no URL of a server", scalar.quoted());
    let finding = scalar.finding(catalogue::BAD_VALUE, message, "not an http or https URL");
    findings.push(finding.help("write it whole: `https://auth.example.net`"));
    None
}

fn file(field: Field<'_>, findings: &mut Findings) -> Option<Spanned<PathBuf>> {
    field.absolute_path(findings)
}
