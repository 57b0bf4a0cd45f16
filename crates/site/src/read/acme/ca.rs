//! One CA of the settings: the first one, whose keys stand in `acme` itself, or one of `failover`.

use std::{path::PathBuf, time::Duration};

use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::{Authority, quantity::parse_duration};

use super::{challenge, profile, word};
use crate::{
    acme::{AcmeCa, AcmeLimits, CA_NAME_LIMIT, Challenge},
    findings::Findings,
    read::{
        fields::{Field, Fields},
        values::{self, Scalar, path},
    },
    schema::{acme_keys, table::Shape},
    site::Spanned,
};

/// The longest URL of a directory.
const URL_LIMIT: usize = 1024;
/// No such limit, as the planner understands it.
const NO_LIMIT: (u32, Duration) = (u32::MAX, Duration::ZERO);

/// The keys of one CA.
pub(super) fn ca(fields: &Fields<'_>, findings: &mut Findings) -> AcmeCa {
    let directory = fields.take("directory");
    let staging = fields.take("staging").and_then(|field| Some((field, field.flag(findings)?)));
    if let (Some(directory), Some((staging, true))) = (directory, staging) {
        findings.push(
            Diagnostic::new(catalogue::CONFLICTING_KEYS, "`directory` and `staging: true` exclude each other")
                .at(staging.key_span, "Let's Encrypt's staging environment")
                .and_at(directory.key_span, "another directory")
                .help("keep one of them; the staging environment of another CA has a `directory` of its own"),
        );
    }
    AcmeCa {
        name: fields.take("name").and_then(|field| name(field, findings)),
        directory: directory.and_then(|field| self::directory(field, findings)),
        staging: staging.is_some_and(|(_, on)| on),
        root: fields.take("root").and_then(|field| file(field, findings)),
        email: fields.take("email").and_then(|field| email(field, findings)),
        eab: fields.take("eab").and_then(|field| eab(field, findings)),
        profile: fields.take("profile").and_then(|field| profile(field, findings)),
        challenges: fields.take("challenges").map(|field| challenges(field, findings)).unwrap_or_default(),
        preferred_chain: fields.take("preferred_chain").and_then(|field| common_name(field, findings)),
        limits: fields.take("limits").map(|field| limits(field, findings)).unwrap_or_default(),
    }
}

fn name(field: Field<'_>, findings: &mut Findings) -> Option<String> {
    let scalar = field.scalar(findings)?;
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edges = !scalar.text.starts_with('-') && !scalar.text.ends_with('-');
    if (1..=CA_NAME_LIMIT).contains(&scalar.text.len()) && scalar.text.bytes().all(fits) && edges {
        return Some(scalar.text.to_owned());
    }
    let message = format!("{} is no name of a CA", scalar.quoted());
    let finding = scalar.finding(catalogue::BAD_VALUE, message, "names a folder and a metric");
    findings
        .push(finding.help(format!("use at most {CA_NAME_LIMIT} lower case letters, digits and hyphens: `our-ca`")));
    None
}

/// A URL that a CA can be asked at: ACME is spoken over HTTPS alone (RFC 8555 section 6.1).
fn directory(field: Field<'_>, findings: &mut Findings) -> Option<String> {
    let scalar = field.scalar(findings)?;
    let refused = |why: &str, help: &str| {
        let message = format!("{} is no directory of a CA", scalar.quoted());
        scalar.finding(catalogue::CA_DIRECTORY, message, why).help(help)
    };
    let example = "write the URL that the CA publishes: `https://ca.example/acme/directory`";
    let known = scalar.text.to_ascii_lowercase().replace(['\'', ' ', '_', '-'], "");
    let finding = if known == "letsencrypt" {
        refused("a name, not a URL", "Let's Encrypt is asked without a `directory`: remove the line")
    } else if known == "staging" || known == "letsencryptstaging" {
        refused("a name, not a URL", "for Let's Encrypt's staging environment write `staging: true` instead")
    } else if scalar.text.starts_with("http://") {
        refused(
            "clear HTTP",
            "ACME is spoken over HTTPS alone (RFC 8555 section 6.1): write `https://`, and name the \
                               roots of a private CA with `root`",
        )
    } else if scalar.text.len() > URL_LIMIT || scalar.text.bytes().any(|b| !b.is_ascii_graphic()) {
        refused("too long, or with a blank or control character", example)
    } else {
        match scalar.text.strip_prefix("https://").map(host_of) {
            Some(Ok(())) => return Some(scalar.text.to_owned()),
            Some(Err(why)) => refused(why, example),
            None => refused("does not begin with `https://`", example),
        }
    };
    findings.push(finding);
    None
}

/// What follows `https://` begins with a host, has no user and no fragment.
fn host_of(rest: &str) -> Result<(), &'static str> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match Authority::parse(authority) {
        _ if authority.contains('@') => Err("a user or password in it"),
        _ if rest.contains('#') => Err("a fragment in it"),
        Ok(_) => Ok(()),
        Err(_) => Err("no host in it"),
    }
}

/// A path that is meant from the folder of the settings file.
fn file(field: Field<'_>, findings: &mut Findings) -> Option<Spanned<PathBuf>> {
    path(&field.scalar(findings)?, findings)
}

fn email(field: Field<'_>, findings: &mut Findings) -> Option<String> {
    let scalar = field.scalar(findings)?;
    let bare = scalar.text.strip_prefix("mailto:").unwrap_or(scalar.text);
    let graphic = bare.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b',' | b';' | b'<' | b'>' | b'?' | b'"'));
    let parts =
        bare.split_once('@').filter(|(user, host)| !user.is_empty() && host.contains('.') && !host.contains('@'));
    // RFC 8555 section 7.3: a contact has no more than one address, and no headers.
    if bare.len() == scalar.text.len() && graphic && parts.is_some() && bare.len() <= 254 {
        return Some(bare.to_owned());
    }
    let message = format!("{} is no mail address", scalar.quoted());
    let finding = scalar.finding(catalogue::BAD_VALUE, message, "one address is expected");
    let help = if bare.len() == scalar.text.len() { "write it bare: `ops@example.com`" } else { "leave out `mailto:`" };
    findings.push(finding.help(help));
    None
}

fn eab(field: Field<'_>, findings: &mut Findings) -> Option<(String, Spanned<PathBuf>)> {
    let fields = Fields::open("`eab`", field.node, &acme_keys::EAB_KEYS, findings)?;
    let kid = fields.require("kid", field.key_span, findings);
    let file = fields.require("hmac_file", field.key_span, findings);
    let kid = kid.and_then(|field| word(field, findings));
    let file = file.and_then(|field| self::file(field, findings));
    Some((kid?.text.to_owned(), file?))
}

fn challenges(field: Field<'_>, findings: &mut Findings) -> Vec<Challenge> {
    let mut found: Vec<(Challenge, Scalar<'_>)> = Vec::new();
    for node in field.items(findings) {
        let Some((scalar, word)) = values::choice(node, &field.name(), &field.key.shape, findings) else { continue };
        let challenge = challenge(word);
        if let Some((_, first)) = found.iter().find(|(known, _)| *known == challenge) {
            findings.push(
                scalar
                    .finding(catalogue::NO_EFFECT, format!("`{word}` is listed twice"), "again here")
                    .and_at(first.span, "first here"),
            );
            continue;
        }
        found.push((challenge, scalar));
    }
    found.into_iter().map(|(challenge, _)| challenge).collect()
}

fn common_name(field: Field<'_>, findings: &mut Findings) -> Option<String> {
    let scalar = field.scalar(findings)?;
    if scalar.text.is_empty() || scalar.text.len() > 256 || scalar.text.contains(char::is_control) {
        let message = format!("{} is no name of an issuer", scalar.quoted());
        let finding = scalar.finding(catalogue::BAD_VALUE, message, "not a common name");
        findings.push(finding.help("write the common name of a root or intermediate: `ISRG Root X1`"));
        return None;
    }
    Some(scalar.text.to_owned())
}

fn limits(field: Field<'_>, findings: &mut Findings) -> AcmeLimits {
    let Some(fields) = Fields::open("`limits` of a CA", field.node, &acme_keys::ACME_LIMITS, findings) else {
        return AcmeLimits::default();
    };
    let mut rate = |name| fields.take(name).and_then(|field| self::rate(field, findings));
    AcmeLimits {
        orders: rate("orders"),
        certificates_per_domain: rate("certificates_per_domain"),
        certificates_per_set: rate("certificates_per_set"),
        failed_authorizations: rate("failed_authorizations"),
        names_per_certificate: fields.take("names_per_certificate").and_then(|field| field.number(findings)),
    }
}

/// `300/3h`, or `none`.
fn rate(field: Field<'_>, findings: &mut Findings) -> Option<(u32, Duration)> {
    debug_assert!(matches!(field.key.shape, Shape::Rate));
    let scalar = field.scalar(findings)?;
    if scalar.text == "none" {
        return Some(NO_LIMIT);
    }
    let refused = |why: &str| {
        let message = format!("{} is no limit", scalar.quoted());
        scalar.finding(catalogue::BAD_VALUE, message, why).help("write how many within how long, `300/3h`, or `none`")
    };
    let Some((count, window)) = scalar.text.split_once('/') else {
        findings.push(refused("no `/` between a number and a time"));
        return None;
    };
    let (count, window) = (count.trim_end(), window.trim_start());
    let digits = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
    match (count.parse::<u32>().ok().filter(|_| digits), parse_duration(window)) {
        (Some(0), _) => findings.push(refused("nothing would ever be ordered")),
        (Some(count), Ok(window)) if count < u32::MAX && window >= Duration::from_secs(1) => {
            return Some((count, window));
        }
        (Some(_), Ok(_)) => findings.push(refused("not within what can be counted")),
        (None, _) => findings.push(refused("no whole number before the `/`")),
        (_, Err(_)) => findings.push(refused("no time after the `/`")),
    }
    None
}
