//! [`Verifier`]: webpki's judgement of a visitor's certificate, within bounds, by CAs that are valid at this moment.
//!
//! webpki takes a trust anchor for good however old it is (RFC 5280 section 6.1 leaves that to whoever trusts it). Here a
//! CA ends when its certificate does, without a look at the file.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, TrustAnchor, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};

use super::Demand;
use crate::facts;

/// A longer certificate is refused: what a backend is told of it must fit into one header line of common servers.
const LEAF_SIZE_LIMIT: usize = 5 * 1024;
/// A longer chain is no chain. What it costs to look for a way through it is bounded by webpki, too.
const INTERMEDIATES_LIMIT: usize = 4;

/// A CA, and when it counts.
pub(super) struct Root {
    pub(super) anchor: TrustAnchor<'static>,
    pub(super) from: SystemTime,
    pub(super) until: SystemTime,
}

/// Are clients told the names of the CAs?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hints {
    Sent,
    Withheld,
}

/// Judges visitors' certificates.
pub(super) struct Verifier {
    /// By all CAs. It also has everything that needs no CA.
    whole: Arc<dyn ClientCertVerifier>,
    roots: Vec<Root>,
    provider: Arc<CryptoProvider>,
}

impl Root {
    pub(super) fn counts(&self, now: SystemTime) -> bool {
        self.from <= now && now < self.until
    }
}

impl Verifier {
    pub(super) fn new(
        roots: Vec<Root>,
        demand: Demand,
        hints: Hints,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        let mut builder = WebPkiClientVerifier::builder_with_provider(store(&roots), Arc::clone(provider));
        if demand == Demand::Optional {
            builder = builder.allow_unauthenticated();
        }
        if hints == Hints::Withheld {
            builder = builder.clear_root_hint_subjects();
        }
        let whole = builder.build().map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { whole, roots, provider: Arc::clone(provider) })
    }

    /// By those CAs alone that count now: the rare way, once one of them has ended.
    #[cold]
    fn verify_by_part(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let roots = store(self.roots.iter().filter(|root| root.counts(time(now))));
        if roots.is_empty() {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&self.provider));
        let part = builder.build().map_err(|error| Error::General(error.to_string()))?;
        part.verify_client_cert(end_entity, intermediates, now)
    }
}

fn store<'a>(roots: impl IntoIterator<Item = &'a Root>) -> Arc<RootCertStore> {
    Arc::new(roots.into_iter().map(|root| root.anchor.clone()).collect())
}

fn time(now: UnixTime) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(now.as_secs())
}

impl ClientCertVerifier for Verifier {
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        // A backend is told of whoever is let in: what cannot be read is refused, whatever webpki says of it.
        if facts::parse(end_entity).is_none() {
            return Err(CertificateError::BadEncoding.into());
        }
        if end_entity.len() > LEAF_SIZE_LIMIT || intermediates.len() > INTERMEDIATES_LIMIT {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        if self.roots.iter().all(|root| root.counts(time(now))) {
            self.whole.verify_client_cert(end_entity, intermediates, now)
        } else {
            self.verify_by_part(end_entity, intermediates, now)
        }
    }

    fn client_auth_mandatory(&self) -> bool {
        self.whole.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.whole.root_hint_subjects()
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.whole.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.whole.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.whole.supported_verify_schemes()
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("roots", &self.roots.len()).finish_non_exhaustive()
    }
}
