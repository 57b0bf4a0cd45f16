//! `claims`, `upstreams` and `tenants` of the settings.
//!
//! Not here: whether such a user exists; a reader asks no system.

use std::fmt;

use vestibule_diagnostics::catalogue;
use vestibule_names::{Destination, HostPattern};

use super::{
    fields::{Field, Fields, Seen},
    values::{Scalar, wrong_type},
};
use crate::{
    findings::Findings,
    schema::{
        table::{Shape, Table},
        tenancy_keys,
    },
    site::Spanned,
    tenancy::{Claims, OwnerCheck, Proof, Rule, RuleLimits, Subdomains, Tenancy, Upstreams, User},
    yaml::Value,
};

/// The entry that speaks of everybody.
const EVERYBODY: &str = "default";

/// The three keys, read together.
pub(super) fn tenancy(
    claims: Option<Field<'_>>,
    upstreams: Option<Field<'_>>,
    tenants: Option<Field<'_>>,
    findings: &mut Findings,
) -> Tenancy {
    let mut tenancy = Tenancy {
        claims: self::claims(claims, findings),
        upstreams: self::upstreams(upstreams, findings),
        ..Tenancy::default()
    };
    if let Some(field) = tenants {
        read_tenants(field, &mut tenancy, findings);
    }
    tenancy
}

fn open<'t>(field: Option<Field<'t>>, table: &'static Table, findings: &mut Findings) -> Option<Fields<'t>> {
    field.and_then(|field| Fields::open(table.place, field.node, table, findings))
}

fn claims(field: Option<Field<'_>>, findings: &mut Findings) -> Claims {
    let standard = Claims::default();
    let Some(fields) = open(field, &tenancy_keys::CLAIMS, findings) else { return standard };
    let grace = fields.take("grace").and_then(|field| field.duration(findings));
    let mut word = |name| fields.take(name).and_then(|field| field.choice(findings)).map(|(_, word)| word);
    Claims {
        grace: grace.unwrap_or(standard.grace),
        subdomains: if word("subdomains") == Some("open") { Subdomains::Open } else { Subdomains::Reserved },
        proof: if word("proof") == Some("dns-txt") { Proof::DnsTxt } else { Proof::FirstCome },
    }
}

fn upstreams(field: Option<Field<'_>>, findings: &mut Findings) -> Upstreams {
    let Some(fields) = open(field, &tenancy_keys::UPSTREAMS, findings) else { return Upstreams::default() };
    let owner = match fields.take("owner").and_then(|field| field.choice(findings)) {
        Some((_, "warn")) => OwnerCheck::Warn,
        Some((_, "off")) => OwnerCheck::Off,
        _ => OwnerCheck::Enforce,
    };
    Upstreams { owner, refuse: fields.take("refuse").map(|field| places(field, findings)).unwrap_or_default() }
}

fn read_tenants(field: Field<'_>, tenancy: &mut Tenancy, findings: &mut Findings) {
    let Shape::Entries { most, .. } = field.key.shape else {
        debug_assert!(false, "`tenants` has entries in its table");
        return;
    };
    let Value::Mapping(entries) = &field.node.value else {
        findings.push(wrong_type(field.node, &field.name(), &field.key.shape));
        return;
    };
    let mut seen = Seen::default();
    for (n, (key, node)) in entries.iter().enumerate() {
        let written = Scalar { text: &key.text, quoted: false, span: key.span };
        if n >= most {
            let message = format!("`tenants` has {} entries", entries.len());
            findings.push(written.finding(
                catalogue::OUT_OF_RANGE,
                message,
                format!("no more than {most} are allowed"),
            ));
            return;
        }
        if seen.again(key, findings) {
            continue;
        }
        let what = format!("the tenant {}", written.quoted());
        let Some(fields) = Fields::open(&what, node, &tenancy_keys::TENANT, findings) else { continue };
        let rule = rule(&fields, findings);
        if key.text == EVERYBODY {
            tenancy.default = rule;
        } else if let Some(user) = user(&written, findings) {
            tenancy.listed.push((user, rule));
        }
    }
}

fn rule(fields: &Fields<'_>, findings: &mut Findings) -> Rule {
    let hosts = fields.take("hosts").map(|field| list(field, "a host name", HostPattern::parse, findings));
    let owners = fields.take("owners").map(|field| {
        let scalars = field.items(findings).iter();
        let shape = Shape::Address("a user");
        let mut owners = Vec::new();
        for node in scalars {
            owners.extend(Scalar::of(node, &field.name(), &shape, findings).and_then(|name| user(&name, findings)));
        }
        owners
    });
    Rule {
        hosts,
        upstreams: fields.take("upstreams").map(|field| places(field, findings)),
        owners,
        limits: limits(fields.take("limits"), findings),
    }
}

fn limits(field: Option<Field<'_>>, findings: &mut Findings) -> RuleLimits {
    let Some(fields) = open(field, &tenancy_keys::LIMITS, findings) else { return RuleLimits::default() };
    let mut size = |name| fields.take(name).and_then(|field| field.size(findings));
    let (bandwidth, buffered, logs) = (size("bandwidth"), size("buffered"), size("logs"));
    let mut number = |name| fields.take(name).and_then(|field| field.number(findings));
    RuleLimits {
        connections: number("connections"),
        requests_in_flight: number("requests_in_flight"),
        requests_per_second: number("requests_per_second"),
        handshakes_per_second: number("handshakes_per_second"),
        bandwidth,
        buffered,
        tunnels: number("tunnels"),
        upstream_connections: number("upstream_connections"),
        sites: number("sites"),
        names: number("names"),
        certificates: number("certificates"),
        logs,
    }
}

fn places(field: Field<'_>, findings: &mut Findings) -> Vec<Destination> {
    list(field, "a place to connect to", Destination::parse, findings)
}

/// What of a list can be read.
fn list<T, E: fmt::Display>(
    field: Field<'_>,
    what: &'static str,
    parse: fn(&str) -> Result<T, E>,
    findings: &mut Findings,
) -> Vec<T> {
    let mut values = Vec::new();
    for node in field.items(findings) {
        let Some(scalar) = Scalar::of(node, &field.name(), &Shape::Address(what), findings) else { continue };
        match parse(scalar.text) {
            Ok(value) => values.push(value),
            Err(error) => findings.push(scalar.is_not(catalogue::BAD_VALUE, what, &error)),
        }
    }
    values
}

/// A user who stands alone as a value.
pub(super) fn user_of(field: Field<'_>, findings: &mut Findings) -> Option<User> {
    let scalar = field.scalar(findings)?;
    Some(user(&scalar, findings)?.value)
}

/// A user by number or name.
fn user(scalar: &Scalar<'_>, findings: &mut Findings) -> Option<Spanned<User>> {
    let user = User::parse(scalar.text).ok();
    if user.is_none() {
        let message = format!("{} is no user", scalar.quoted());
        let finding = scalar.finding(catalogue::BAD_VALUE, message, "neither a name nor a number of a user");
        findings.push(finding.help("write a name as `id -un` tells it, or a number as `id -u` does"));
    }
    user.map(|user| scalar.spanned(user))
}
