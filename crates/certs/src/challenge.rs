//! The certificate that answers a challenge of `acme-tls/1` (RFC 8737): self-signed, for exactly one name, with the hash
//! of the key authorization in a critical extension, so that nobody else can take it for a site's.
//!
//! Not here: which challenges are open (`acme`), and when a handshake is one (the gateway).

use std::sync::Arc;

use aws_lc_rs::digest;
use rcgen::{CertificateParams, CustomExtension, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};
use vestibule_names::HostPattern;

use crate::local_ca::{SignError, alt_name, common_name};

/// The only protocol of such a handshake (RFC 8737 section 6.2).
const ALPN: &[u8] = b"acme-tls/1";

/// The configuration for one challenge. For an address the certificate has the address itself as its one name, though the
/// handshake asks for a name under `arpa` (RFC 8738 section 6).
pub(crate) fn config(
    template: &ServerConfig,
    provider: &CryptoProvider,
    name: &HostPattern,
    key_authorization: &str,
) -> Result<Arc<ServerConfig>, SignError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("Vestibule challenge");
    params.subject_alt_names = vec![alt_name(name)?];
    let hash = digest::digest(&digest::SHA256, key_authorization.as_bytes());
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(hash.as_ref())];
    let certificate = params.self_signed(&key)?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let certified = CertifiedKey::new(vec![certificate.into()], provider.key_provider.load_private_key(key)?);
    let mut config = template.clone();
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    // The template seals no tickets by itself; nothing is to be resumed here.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use rustls::{
        ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        pki_types::{CertificateDer, ServerName, UnixTime},
        version::{TLS12, TLS13},
    };

    use super::*;
    use crate::{
        facts,
        testing::{Session, host},
        tls,
    };

    /// As a CA: looks at the certificate itself (webpki refuses every critical extension that it does not know).
    #[derive(Debug)]
    struct Validator(Arc<CryptoProvider>);

    impl ServerCertVerifier for Validator {
        fn verify_server_cert(
            &self,
            _: &CertificateDer<'_>,
            _: &[CertificateDer<'_>],
            _: &ServerName<'_>,
            _: &[u8],
            _: UnixTime,
        ) -> Result<ServerCertVerified, rustls::Error> {
            Ok(ServerCertVerified::assertion())
        }
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn verify_tls13_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, rustls::Error> {
            Ok(HandshakeSignatureValid::assertion())
        }
        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            self.0.signature_verification_algorithms.supported_schemes()
        }
    }

    fn validator(version: &'static SupportedProtocolVersion, alpn: &[u8]) -> Arc<ClientConfig> {
        let provider = tls::crypto_provider();
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Validator(provider)))
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        Arc::new(config)
    }

    fn answer(name: &str, key_authorization: &str) -> Arc<ServerConfig> {
        let provider = tls::crypto_provider();
        config(&tls::server_template(&provider).unwrap(), &provider, &host(name), key_authorization).unwrap()
    }

    #[test]
    fn a_ca_finds_what_rfc_8737_asks_for() {
        for (name, asked) in [
            ("a.test", "a.test"),
            ("192.0.2.7", "7.2.0.192.in-addr.arpa"),
            ("2001:db8::7", "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"),
        ] {
            let server = answer(name, "token.thumbprint");
            for version in [&TLS12, &TLS13] {
                let session = Session::open(&validator(version, ALPN), &server, asked).unwrap();
                assert_eq!(session.client.alpn_protocol(), Some(ALPN));
                assert_eq!(session.client.tls13_tickets_received(), 0);
                let [leaf] = session.client.peer_certificates().unwrap() else { panic!("one certificate") };
                let leaf = facts::parse(leaf).unwrap();
                assert_eq!(facts::names(&leaf), [name]);
                assert_eq!(leaf.subject().as_raw(), leaf.issuer().as_raw());
                leaf.verify_signature(None).expect("self-signed");
                let mut found = leaf.iter_extensions().filter(|e| e.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
                let extension = found.next().unwrap();
                assert!(extension.critical && found.next().is_none());
                let hash = digest::digest(&digest::SHA256, b"token.thumbprint");
                assert_eq!(extension.value, [&[0x04, 0x20], hash.as_ref()].concat());
            }
        }
    }

    #[test]
    fn no_other_protocol_is_spoken() {
        for alpn in [&b"h2"[..], b"http/1.1", b"acme-tls/2"] {
            assert!(Session::open(&validator(&TLS13, alpn), &answer("a.test", "x"), "a.test").is_err());
        }
    }

    #[test]
    fn a_browser_takes_it_for_nothing() {
        let client = crate::testing::client(&[], &TLS13);
        let mut client = (*client).clone();
        client.alpn_protocols = vec![ALPN.to_vec()];
        assert!(Session::open(&Arc::new(client), &answer("a.test", "x"), "a.test").is_err());
    }
}
