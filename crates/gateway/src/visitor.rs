//! Who is there: what the handshake of a connection proved of its client, held against what a site demands of its
//! visitors. A site that demands something is served on connections whose handshake demanded just that, and on no other:
//! not on one that is coalesced, older than the demand, or clear. To sites that demand nothing this is one comparison.
//!
//! Not here: whether a certificate is good (`vestibule_certs`), and what a backend is told of it (the header law).

use std::{sync::Arc, time::SystemTime};

use http::HeaderValue;
use rustls::pki_types::CertificateDer;
use vestibule_certs::{Shows, Visitor};
use vestibule_proxy::{ClientCertificate, Refusal};
use vestibule_tls::Fault;

use crate::{live::LiveSite, request::Walker};

/// A client that has shown a good certificate, as backends are told.
#[derive(Debug)]
pub(crate) struct Known {
    field: HeaderValue,
    until: SystemTime,
}

/// What was verified cannot be told to a backend: nobody is let in of whom nothing can be said.
#[derive(Debug, thiserror::Error)]
#[error("the verified certificate cannot be written as a header field")]
pub(crate) struct Untold;

/// Who has shown these certificates in a finished handshake; `None` where none were asked for, or none shown.
pub(crate) fn known(chain: Option<&[CertificateDer<'static>]>) -> Result<Option<Arc<Known>>, Untold> {
    let Some(chain) = chain else { return Ok(None) };
    let visitor = Visitor::of(chain).ok_or(Untold)?;
    let field = HeaderValue::from_str(visitor.field()).map_err(|_| Untold)?;
    Ok(Some(Arc::new(Known { field, until: visitor.until() })))
}

/// Did the handshake fail for the client's certificate: none, or none that is good?
pub(crate) fn is_at_fault(fault: &Fault) -> bool {
    matches!(fault, Fault::Tls(rustls::Error::NoCertificatesPresented | rustls::Error::InvalidCertificate(_)))
}

/// What is known of the client of a request for this site. On a TLS connection that was made under another demand, or
/// whose certificate has ended meanwhile, the request is refused and the connection closed: a new one is asked anew.
pub(crate) fn judge<'a>(walker: &'a Walker, site: &LiveSite) -> Result<ClientCertificate<'a>, Refusal> {
    let Some(handshake) = &walker.facts().handshake else { return Ok(ClientCertificate::NotAsked) };
    let demand = site.client_policy();
    let ended = |known: &Known| known.until <= SystemTime::now();
    if handshake.client_policy != demand || demand.is_some() && handshake.visitor.as_deref().is_some_and(ended) {
        walker.vitals().ask_close();
        return Err(Refusal::Misdirected);
    }
    Ok(match (demand, &handshake.visitor) {
        (None, _) => ClientCertificate::NotAsked,
        (Some(_), None) => ClientCertificate::NotShown,
        (Some(_), Some(known)) => ClientCertificate::Shown(&known.field),
    })
}

/// A clear connection shows nothing, whatever a proxy says of it: there a site that demands something is not served.
pub(crate) fn judge_clear(walker: &Walker, site: &LiveSite, shows: Shows) -> Result<(), Refusal> {
    match (&walker.facts().handshake, site.client_policy(), shows) {
        (Some(_), ..) | (None, None, _) => Ok(()),
        (None, Some(_), Shows::Placeholder) => Err(Refusal::NoCertificate),
        (None, Some(_), Shows::Certificate) => Err(Refusal::TlsOnly),
    }
}
