//! The provider and the server template: one of each per vault, shared by all sites.
//!
//! A site's configuration is a clone of the template with its own certificate and tickets; everything else is shared
//! behind `Arc`s: a hot site costs some 2 KiB with its key, a cold one half a KiB (measured with 10,000 local ones).

use std::sync::Arc;

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs as provider},
    server::{NoServerSessionStorage, ResolvesServerCertUsingSni, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SingleCertAndKey},
    version::{TLS12, TLS13},
};

/// RFC 8446 section 4.6.1 leaves the number open: two, because a browser soon opens a second connection, and a client
/// should use a ticket once only (appendix C.4).
const TICKETS_PER_HANDSHAKE: usize = 2;

/// The default cipher suites (all with forward secrecy), and the hybrid post-quantum exchange first.
pub(crate) fn crypto_provider() -> Arc<CryptoProvider> {
    use provider::kx_group::{SECP256R1, SECP384R1, X25519, X25519MLKEM768};
    let kx_groups = vec![X25519MLKEM768, X25519, SECP256R1, SECP384R1];
    Arc::new(CryptoProvider { kx_groups, ..provider::default_provider() })
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
