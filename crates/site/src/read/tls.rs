//! `tls`, `redirect_to_https` and `upstream_tls`.

use vestibule_diagnostics::{Diagnostic, Span, catalogue};
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
    site::{ClientCa, ClientCertificate, RedirectToHttps, Spanned, Tls, UpstreamTls},
    yaml::Value,
};

/// What `tls` says.
#[derive(Debug)]
pub(super) struct TlsKeys {
    /// How it is served.
    pub(super) tls: Spanned<Tls>,
    /// What is wanted of a public certificate.
    pub(super) acme: SiteAcme,
    /// Whose certificates visitors show.
    pub(super) client_ca: Option<ClientCa>,
}

impl TlsKeys {
    /// Of a site that says nothing; `span` is where it could.
    pub(super) fn unsaid(span: Span) -> Self {
        Self { tls: Spanned { value: Tls::Auto, span }, acme: SiteAcme::default(), client_ca: None }
    }
}

/// Reads `tls`; what cannot be read counts as `auto`.
pub(super) fn tls(field: Field<'_>, hosts: &[Spanned<HostPattern>], findings: &mut Findings) -> TlsKeys {
    let mut keys = TlsKeys::unsaid(field.node.span);
    let value = match field.node.value {
        Value::Mapping(_) => {
            let Some(fields) = Fields::open("`tls`", field.node, &site_keys::TLS, findings) else { return keys };
            keys.acme = of_site::site_acme(&fields, hosts, findings);
            keys.client_ca = fields.take("client_ca").and_then(|field| client_ca(field, findings));
            certificate(field, &fields, findings)
        }
        _ => field.choice(findings).map(|(_, word)| source(word)),
    };
    keys.tls.value = value.unwrap_or(Tls::Auto);
    keys
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

/// Where the certificate comes from, by a mapping.
fn certificate(field: Field<'_>, fields: &Fields<'_>, findings: &mut Findings) -> Option<Tls> {
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
        return source;
    }
    let has_files = fields.mentions("chain") || fields.mentions("key");
    let says_something = ["certificate", "client_ca"].iter().chain(&of_site::KEYS).any(|key| fields.mentions(key));
    if !has_files && says_something {
        return None;
    }
    let chain = fields.require("chain", field.key_span, findings);
    let key = fields.require("key", field.key_span, findings);
    let chain = chain.and_then(|field| field.absolute_path(findings));
    let key = key.and_then(|field| field.absolute_path(findings));
    chain.zip(key).map(|(chain, key)| Tls::Files { chain, key })
}

/// Whose certificates visitors show.
fn client_ca(field: Field<'_>, findings: &mut Findings) -> Option<ClientCa> {
    let (Value::Mapping(_), Some(table)) = (&field.node.value, field.key.shape.table()) else {
        let file = field.absolute_path(findings)?;
        return Some(ClientCa { file, certificate: ClientCertificate::default() });
    };
    let fields = Fields::open("`client_ca`", field.node, table, findings)?;
    let certificate = fields.take("certificate").and_then(|field| field.choice(findings));
    let file = fields.require("file", field.key_span, findings)?.absolute_path(findings)?;
    let certificate = match certificate {
        Some((_, "optional")) => ClientCertificate::Optional,
        _ => ClientCertificate::Required,
    };
    Some(ClientCa { file, certificate })
}

/// What clear HTTP gets.
pub(super) fn redirect_to_https(
    field: Option<Field<'_>>,
    TlsKeys { tls, client_ca, .. }: &TlsKeys,
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
        Some((field, false)) if let Some(client_ca) = client_ca => {
            findings.push(
                Diagnostic::new(catalogue::CONFLICTING_KEYS, "clear HTTP shows no client certificate")
                    .at(field.key_span, "wants the site served on clear HTTP")
                    .and_at(client_ca.file.span, "but its visitors are known by their certificates")
                    .help("remove `redirect_to_https`: clear HTTP is redirected to HTTPS, and never served"),
            );
            RedirectToHttps::Yes
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
