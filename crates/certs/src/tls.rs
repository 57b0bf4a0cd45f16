//! The provider and the server template: one of each per vault, shared by all sites.
//!
//! A site's configuration is a clone of the template with its own certificate and tickets; everything else is shared
//! behind `Arc`s: a hot site costs some 2 KiB with its key, a cold one half a KiB (measured with 10,000 local ones).

use std::sync::Arc;

use rustls::{
    CipherSuite, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs as provider},
    server::{NoServerSessionStorage, ResolvesServerCertUsingSni, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};

/// RFC 8446 section 4.6.1 leaves the number open: two, because a browser soon opens a second connection, and a client
/// should use a ticket once only (appendix C.4).
const TICKETS_PER_HANDSHAKE: usize = 2;

/// The default cipher suites (all with forward secrecy and AEAD) in an order of our own, and the hybrid post-quantum
/// exchange first.
pub(crate) fn crypto_provider() -> Arc<CryptoProvider> {
    use provider::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
    let kx_groups = vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1];
    let defaults = provider::default_provider();
    let mut cipher_suites = defaults.cipher_suites.clone();
    cipher_suites.sort_by_key(|suite| (suite.tls13().is_none(), rank(suite.suite())));
    Arc::new(CryptoProvider { cipher_suites, kx_groups, ..defaults })
}

/// Browsers ask for AES with 128 bits first: the cheapest where the processor knows AES, and strong enough.
fn rank(suite: CipherSuite) -> u8 {
    use CipherSuite as S;
    match suite {
        S::TLS13_AES_128_GCM_SHA256
        | S::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
        | S::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 0,
        S::TLS13_AES_256_GCM_SHA384
        | S::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | S::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => 1,
        _ => 2,
    }
}

/// What all sites have in common that know no visitors; it has no certificate and refuses every handshake.
pub(crate) fn server_template(provider: &Arc<CryptoProvider>) -> Result<ServerConfig, rustls::Error> {
    let mut template = guarded_template(provider, WebPkiClientVerifier::no_client_auth())?;
    template.send_tls13_tickets = TICKETS_PER_HANDSHAKE;
    Ok(template)
}

/// The same for a site whose visitors show certificates. It knows no sessions: see `clients`.
pub(crate) fn guarded_template(
    provider: &Arc<CryptoProvider>,
    clients: Arc<dyn ClientCertVerifier>,
) -> Result<ServerConfig, rustls::Error> {
    let mut template = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
    // Ours is the order: no client is talked into another suite than we would choose.
    template.ignore_client_order = true;
    template.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Tickets carry the sessions; a store beside them would only cost memory, and would be shared by all sites.
    template.session_storage = Arc::new(NoServerSessionStorage {});
    template.send_tls13_tickets = 0;
    // Early data can be replayed (RFC 8470).
    template.max_early_data_size = 0;
    Ok(template)
}

/// The configuration of one site. Its certificate is shown whatever the SNI says: who chose the site has looked at it.
pub(crate) fn site_config(template: &ServerConfig, certified: Arc<CertifiedKey>) -> ServerConfig {
    let mut config = template.clone();
    config.cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    config
}
