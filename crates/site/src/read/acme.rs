//! `acme` of the settings: the CAs, and what happens around them.
//!
//! Not here: one CA (`ca`), providers of DNS-01 (`dns`), and what a site says in its `tls` (`of_site`).

mod ca;
mod dns;
pub(super) mod of_site;

use std::net::{IpAddr, SocketAddr};

use vestibule_diagnostics::{Diagnostic, catalogue};

use super::{
    fields::{Field, Fields},
    values::{Scalar, wrong_type},
};
use crate::{
    acme::{Acme, AcmeCa, Challenge, NamedProvider, WithoutCertificate},
    findings::Findings,
    schema::{acme_keys, table::Shape},
    site::Spanned,
    yaml::{Node, Value},
};

/// The longest name of a provider.
const PROVIDER_NAME_LIMIT: usize = 64;
/// The port of DNS.
const DNS_PORT: u16 = 53;

/// All of `acme`.
pub(super) fn acme(field: Field<'_>, findings: &mut Findings) -> Option<Acme> {
    let fields = Fields::open("`acme`", field.node, &acme_keys::ACME, findings)?;
    let flag = |name, findings: &mut Findings| fields.take(name).and_then(|field| field.flag(findings));
    let without = fields.take("without_certificate").and_then(|field| field.choice(findings));
    let first = Spanned { value: ca::ca(&fields, findings), span: field.key_span };
    let failover = fields.take("failover").map(|field| failover(field, &first, findings)).unwrap_or_default();
    Some(Acme {
        span: field.key_span,
        agree: flag("agree", findings).unwrap_or(false),
        ca: first.value,
        failover,
        hooks: fields.take("hooks").map(|field| hooks(field, findings)).unwrap_or_default(),
        dns: fields.take("dns").map(|field| providers(field, findings)).unwrap_or_default(),
        hold: fields.take("hold").and_then(|field| field.duration(findings)),
        without_certificate: match without {
            Some((_, "alert")) => WithoutCertificate::Alert,
            _ => WithoutCertificate::Placeholder,
        },
        resolvers: fields.take("resolvers").map(|field| addresses(field, resolver, findings)).unwrap_or_default(),
        public_addresses: fields
            .take("public_addresses")
            .map(|field| addresses(field, public_address, findings))
            .unwrap_or_default(),
        check_dns: flag("check_dns", findings).unwrap_or(true),
    })
}

fn failover(field: Field<'_>, first: &Spanned<AcmeCa>, findings: &mut Findings) -> Vec<AcmeCa> {
    let mut cas = vec![first.clone()];
    for node in field.items(findings) {
        let Some(fields) = Fields::open("a CA of `failover`", node, &acme_keys::FAILOVER, findings) else { continue };
        if !fields.mentions("directory") && !fields.mentions("staging") {
            findings.push(
                Diagnostic::new(catalogue::MISSING_KEY, "`directory` is missing in a CA of `failover`")
                    .at(node.span, "no `directory` here")
                    .help("write the URL of the directory, which the CA publishes"),
            );
            continue;
        }
        let ca = Spanned { value: ca::ca(&fields, findings), span: node.span };
        match cas.iter().find(|other| other.value.id() == ca.value.id()) {
            Some(other) => findings.push(same_name(&ca, other)),
            None => cas.push(ca),
        }
    }
    cas.into_iter().skip(1).map(|ca| ca.value).collect()
}

/// One folder, one account and one budget cannot serve two CAs.
fn same_name(ca: &Spanned<AcmeCa>, other: &Spanned<AcmeCa>) -> Diagnostic {
    let same = ca.value.directory() == other.value.directory();
    let help = if same { "remove one of them" } else { "give one of them a `name` of its own" };
    Diagnostic::new(catalogue::CONFLICTING_KEYS, format!("two CAs are called `{}`", ca.value.id()))
        .at(ca.span, "again here")
        .and_at(other.span, "first here")
        .help(help)
}

/// Command lines: a path, or a list of a path and its arguments.
fn hooks(field: Field<'_>, findings: &mut Findings) -> Vec<Spanned<Vec<String>>> {
    let Shape::AnyNumber { of: Shape::Command { most }, .. } = field.key.shape else {
        debug_assert!(false, "`hooks` takes commands in its table");
        return Vec::new();
    };
    let program = Shape::Command { most: *most };
    let mut hooks = Vec::new();
    for node in field.items(findings) {
        let words = Shape::OneOrMore { of: &Shape::Text("a word"), most: *most };
        let words = super::values::items(node, "a hook", &words, findings);
        let shape = |place| if place == 0 { &program } else { &Shape::Address("an argument") };
        let mut command = Vec::new();
        for (place, node) in words.iter().enumerate() {
            let Some(scalar) = Scalar::of(node, "a hook", shape(place), findings) else { continue };
            if place == 0 && !scalar.text.starts_with('/') {
                findings.push(no_program(&scalar));
                continue;
            }
            command.push(scalar.text.to_owned());
        }
        if let Some(program) = words.first().filter(|_| command.len() == words.len()) {
            hooks.push(Spanned { value: command, span: program.span });
        }
    }
    hooks
}

fn no_program(scalar: &Scalar<'_>) -> Diagnostic {
    let message = format!("{} is not an absolute path of a program", scalar.quoted());
    scalar
        .finding(catalogue::BAD_VALUE, message, "does not begin with `/`")
        .note("hooks are run without a shell and without a search path")
        .help("write the whole path; a program with arguments is a list of its own: `hooks: [[/usr/local/bin/notify, ops]]`")
}

/// Providers of DNS-01 by their names.
fn providers(field: Field<'_>, findings: &mut Findings) -> Vec<NamedProvider> {
    let Value::Mapping(entries) = &field.node.value else {
        findings.push(
            wrong_type(field.node, "`dns`", &field.key.shape)
                .help("write a name of your choice and under it `exec`, `rfc2136` or `acme_dns`"),
        );
        return Vec::new();
    };
    let (Shape::Entries { most, .. }, Some(table)) = (&field.key.shape, field.key.shape.table()) else {
        debug_assert!(false, "`dns` of the settings has entries in its table");
        return Vec::new();
    };
    let mut seen = super::fields::Seen::default();
    let mut found: Vec<NamedProvider> = Vec::new();
    for (key, node) in entries {
        if seen.again(key, findings) {
            continue;
        }
        if found.len() == *most {
            let message = format!("`dns` has more than {most} providers");
            findings.push(Diagnostic::new(catalogue::OUT_OF_RANGE, message).at(key.span, "one too many"));
            break;
        }
        // `dns: {exec: …}` is what somebody writes who has one provider: the name is missing, not the provider wrong.
        if table.key(&key.text).is_some() {
            findings.push(
                Diagnostic::new(catalogue::WRONG_TYPE, "`dns` takes providers by name, and this is a provider")
                    .at(key.span, "no name above it")
                    .help(format!("write `dns: {{default: {{{}: …}}}}`", key.text)),
            );
            continue;
        }
        if !is_name(&key.text) {
            let name = Scalar { text: &key.text, quoted: false, span: key.span };
            findings.push(
                name.finding(catalogue::BAD_VALUE, format!("{} is no name of a provider", name.quoted()), "not a name")
                    .help("use letters, digits, `-`, `_` and `.`"),
            );
            continue;
        }
        found.extend(dns::named(&key.text, node, table, findings));
    }
    found
}

/// Is this fit to name a provider?
fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=PROVIDER_NAME_LIMIT).contains(&text.len()) && text.bytes().all(fits)
}

fn addresses<T>(field: Field<'_>, read: fn(&Scalar<'_>) -> Result<T, &'static str>, findings: &mut Findings) -> Vec<T> {
    let mut addresses = Vec::new();
    for node in field.items(findings) {
        let Some(scalar) = Scalar::of(node, &field.name(), &Shape::Text("an IP address"), findings) else { continue };
        match read(&scalar) {
            Ok(address) => addresses.push(address),
            Err(advice) => {
                let message = format!("{} is not an address for {}", scalar.quoted(), field.name());
                findings.push(scalar.finding(catalogue::BAD_VALUE, message, "not an IP address").help(advice));
            }
        }
    }
    addresses
}

/// `9.9.9.9`, `9.9.9.9:5353`, `2001:db8::1`, `[2001:db8::1]:53`.
fn resolver(scalar: &Scalar<'_>) -> Result<SocketAddr, &'static str> {
    socket_address(scalar.text).ok_or("write an IP address, with a port unless it is 53: `9.9.9.9` or `127.0.0.1:5353`")
}

fn public_address(scalar: &Scalar<'_>) -> Result<IpAddr, &'static str> {
    let address = scalar.text.parse::<IpAddr>().map(|ip| ip.to_canonical());
    address.map_err(|_| "write IPv4 or IPv6 addresses, without ports and networks: `198.51.100.7`")
}

/// An address whose port is that of DNS unless written.
fn socket_address(text: &str) -> Option<SocketAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let with_default = || bare.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, DNS_PORT));
    text.parse::<SocketAddr>().ok().filter(|address| address.port() != 0).or_else(with_default)
}

/// A challenge by its word in the tables.
fn challenge(word: &str) -> Challenge {
    match word {
        "http-01" => Challenge::Http01,
        "tls-alpn-01" => Challenge::TlsAlpn01,
        _ => Challenge::Dns01,
    }
}

/// A profile: its name, or a mapping.
fn profile(field: Field<'_>, findings: &mut Findings) -> Option<crate::acme::Profile> {
    let named = |name: Field<'_>, required, findings: &mut Findings| {
        let scalar = name.scalar(findings)?;
        if !is_name(scalar.text) {
            let message = format!("{} is no name of a profile", scalar.quoted());
            let finding = scalar.finding(catalogue::BAD_VALUE, message, "not a name");
            findings.push(finding.help("write it as the CA's directory does: `tlsserver`"));
            return None;
        }
        Some(crate::acme::Profile { name: scalar.text.to_owned(), required })
    };
    let (Value::Mapping(_), Some(table)) = (&field.node.value, field.key.shape.table()) else {
        return named(field, false, findings);
    };
    let fields = Fields::open("`profile`", field.node, table, findings)?;
    let required = fields.take("required").and_then(|field| field.flag(findings)).unwrap_or(false);
    named(fields.require("name", field.key_span, findings)?, required, findings)
}

/// Text of visible ASCII characters without blanks, as URLs, key names and identifiers are.
fn word<'t>(field: Field<'t>, findings: &mut Findings) -> Option<Scalar<'t>> {
    const WORD_LIMIT: usize = 1024;
    let scalar = field.scalar(findings)?;
    let good = !scalar.text.is_empty() && scalar.text.len() <= WORD_LIMIT;
    if good && scalar.text.bytes().all(|b| b.is_ascii_graphic()) {
        return Some(scalar);
    }
    let message = format!("{} takes {}, not {}", field.name(), field.key.shape, scalar.quoted());
    let finding = scalar.finding(catalogue::BAD_VALUE, message, "not one word of visible ASCII characters");
    findings.push(finding);
    None
}

/// Points at a node whose value is of no use; for callers that hold no field.
fn at(node: &Node, code: vestibule_diagnostics::Code, message: impl Into<String>, label: &str) -> Diagnostic {
    Diagnostic::new(code, message).at(node.span, label)
}
