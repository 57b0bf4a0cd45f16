//! `tls`, `redirect_to_https` and `upstream_tls`.

use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::HostPattern;

use super::{
    acme::of_site,
    fields::{Field, Fields},
    hosts::hostname,
};
use crate::{
    acme::SiteAcme,
    findings::Findings,
    schema::site_keys,
    site::{RedirectToHttps, Spanned, Tls, UpstreamTls},
    yaml::Value,
};

/// How TLS is served, and what is wanted of a public certificate; what cannot be read counts as `auto`.
pub(super) fn tls(
    field: Field<'_>,
    hosts: &[Spanned<HostPattern>],
    findings: &mut Findings,
) -> (Spanned<Tls>, SiteAcme) {
    let (value, acme) = match field.node.value {
        Value::Mapping(_) => tls_mapping(field, hosts, findings),
        _ => (field.choice(findings).map(|(_, word)| source(word)), SiteAcme::default()),
    };
    (Spanned { value: value.unwrap_or(Tls::Auto), span: field.node.span }, acme)
}

/// What a word of `tls` or of `certificate` stands for.
fn source(word: &str) -> Tls {
    match word {
        "off" => Tls::Off,
        "internal" => Tls::Internal,
        "acme" => Tls::Acme,
        _ => Tls::Auto,
    }
}

fn tls_mapping(field: Field<'_>, hosts: &[Spanned<HostPattern>], findings: &mut Findings) -> (Option<Tls>, SiteAcme) {
    let Some(fields) = Fields::open("`tls`", field.node, &site_keys::TLS, findings) else {
        return (None, SiteAcme::default());
    };
    let acme = of_site::site_acme(&fields, hosts, findings);
    let certificate = fields.take("certificate");
    let file = fields.take("chain").or(fields.take("key"));
    let wish = of_site::KEYS.iter().find_map(|key| fields.take(key));
    if let (Some(one), Some(file)) = (certificate.or(wish), file) {
        findings.push(
            Diagnostic::new(
                catalogue::CONFLICTING_KEYS,
                format!("{} and {} exclude each other", one.name(), file.name()),
            )
            .at(one.key_span, "the gateway's certificate")
            .and_at(file.key_span, "the site's own")
            .help(format!("keep `chain` and `key`, or {}", one.name())),
        );
    }
    if let Some(certificate) = certificate {
        let source = certificate.choice(findings).map(|(_, word)| source(word));
        if let (Some(Tls::Internal), Some(wish)) = (&source, wish) {
            findings.push(
                Diagnostic::new(
                    catalogue::CONFLICTING_KEYS,
                    format!("{} is for certificates of a CA, and this site has the local one's", wish.name()),
                )
                .at(wish.key_span, "asks something of a CA")
                .and_at(certificate.node.span, "asks none")
                .help(format!("remove {}, or write `certificate: auto`", wish.name())),
            );
        }
        return (source, acme);
    }
    let has_files = fields.mentions("chain") || fields.mentions("key");
    let says_something = fields.mentions("certificate") || of_site::KEYS.iter().any(|key| fields.mentions(key));
    if !has_files && says_something {
        return (None, acme);
    }
    let chain = fields.require("chain", field.key_span, findings);
    let key = fields.require("key", field.key_span, findings);
    let chain = chain.and_then(|field| field.absolute_path(findings));
    let key = key.and_then(|field| field.absolute_path(findings));
    (chain.zip(key).map(|(chain, key)| Tls::Files { chain, key }), acme)
}

/// What clear HTTP gets.
pub(super) fn redirect_to_https(
    field: Option<Field<'_>>,
    tls: &Spanned<Tls>,
    findings: &mut Findings,
) -> RedirectToHttps {
    let served = tls.value != Tls::Off;
    let wanted = field.and_then(|field| Some((field, field.flag(findings)?)));
    match wanted {
        Some((field, true)) if !served => {
            findings.push(
                Diagnostic::new(catalogue::CONFLICTING_KEYS, "there is no HTTPS to redirect to")
                    .at(field.key_span, "wants a redirect to HTTPS")
                    .and_at(tls.span, "but TLS is off")
                    .help("remove one of the two"),
            );
            RedirectToHttps::No
        }
        Some((_, true)) => RedirectToHttps::Yes,
        Some((_, false)) => RedirectToHttps::No,
        None if served => RedirectToHttps::Yes,
        None => RedirectToHttps::No,
    }
}

/// How `https://` backends are verified.
pub(super) fn upstream_tls(field: Field<'_>, findings: &mut Findings) -> UpstreamTls {
    let Some(fields) = Fields::open("`upstream_tls`", field.node, &site_keys::UPSTREAM_TLS, findings) else {
        return UpstreamTls::default();
    };
    UpstreamTls {
        ca: fields.take("ca").and_then(|field| field.absolute_path(findings)),
        server_name: fields.take("server_name").and_then(|field| hostname(field, findings)),
    }
}
