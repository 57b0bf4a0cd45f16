//! `tls`, `redirect_to_https` and `upstream_tls`.

use vestibule_diagnostics::{Diagnostic, catalogue};

use super::{
    fields::{Field, Fields},
    hosts::hostname,
};
use crate::{
    findings::Findings,
    schema::site_keys,
    site::{RedirectToHttps, Spanned, Tls, UpstreamTls},
    yaml::Value,
};

/// How TLS is served; what cannot be read counts as `auto`.
pub(super) fn tls(field: Field<'_>, findings: &mut Findings) -> Spanned<Tls> {
    let value = match field.node.value {
        Value::Mapping(_) => tls_mapping(field, findings),
        _ => field.choice(findings).map(|(_, word)| match word {
            "off" => Tls::Off,
            "internal" => Tls::Internal,
            _ => Tls::Auto,
        }),
    };
    Spanned { value: value.unwrap_or(Tls::Auto), span: field.node.span }
}

fn tls_mapping(field: Field<'_>, findings: &mut Findings) -> Option<Tls> {
    let fields = Fields::open("`tls`", field.node, &site_keys::TLS, findings)?;
    let certificate = fields.take("certificate");
    let has_files = fields.mentions("chain") || fields.mentions("key");
    if let Some(certificate) = certificate {
        if let Some(file) = fields.take("chain").or(fields.take("key")) {
            findings.push(
                Diagnostic::new(
                    catalogue::CONFLICTING_KEYS,
                    format!("`certificate` and {} exclude each other", file.name()),
                )
                .at(certificate.key_span, "the gateway's certificate")
                .and_at(file.key_span, "the site's own")
                .help("keep `chain` and `key`, or `certificate`"),
            );
        }
        let (_, word) = certificate.choice(findings)?;
        return Some(if word == "internal" { Tls::Internal } else { Tls::Auto });
    }
    if !has_files && fields.mentions("certificate") {
        return None;
    }
    let chain = fields.require("chain", field.key_span, findings);
    let key = fields.require("key", field.key_span, findings);
    let chain = chain.and_then(|field| field.absolute_path(findings));
    let key = key.and_then(|field| field.absolute_path(findings));
    Some(Tls::Files { chain: chain?, key: key? })
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
