//! TLS-ALPN-01 against servers that are right, and wrong in one way each.

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{
    ServerConfig,
    pki_types::PrivateKeyDer,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const PROOF: &str = "token.thumbprint";

/// A server with one self-signed certificate.
async fn server(names: &[&str], extension: Option<CustomExtension>, alpn: &[u8]) -> SocketAddr {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.custom_extensions.extend(extension);
    let key = KeyPair::generate().unwrap();
    let leaf = params.self_signed(&key).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    // Not checked against the key: that check knows no critical acmeIdentifier.
    let signer = default_provider().key_provider.load_private_key(key).unwrap();
    let resolver = SingleCertAndKey::from(CertifiedKey::new(vec![leaf], signer));
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![alpn.to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        // The client ends it as soon as it has seen the certificate.
        let _ = TlsAcceptor::from(Arc::new(config)).accept(stream).await;
    });
    address
}

fn proof(of: &str) -> CustomExtension {
    CustomExtension::new_acme_identifier(digest::digest(&digest::SHA256, of.as_bytes()).as_ref())
}

async fn check(name: &str, server: SocketAddr, expected: Result<(), &str>) {
    let question = Question {
        authorization: 0,
        index: 0,
        kind: "tls-alpn-01",
        name: HostPattern::parse(name).unwrap(),
        token: "token".to_owned(),
        key_authorization: PROOF.to_owned(),
    };
    let verdict = tls_alpn(server, &question).await.map_err(|problem| problem.document()["type"].clone());
    let expected = expected.map_err(|kind| format!("urn:ietf:params:acme:error:{kind}").into());
    assert_eq!(verdict, expected, "{name}");
}

#[tokio::test]
async fn the_certificate_is_for_the_name_and_proves_the_key() {
    let alpn = b"acme-tls/1";
    for name in ["a.test", "127.0.0.1", "::1"] {
        check(name, server(&[name], Some(proof(PROOF)), alpn).await, Ok(())).await;
        check(name, server(&[name], Some(proof("another")), alpn).await, Err("unauthorized")).await;
        check(name, server(&["b.test"], Some(proof(PROOF)), alpn).await, Err("unauthorized")).await;
        check(name, server(&[name, "b.test"], Some(proof(PROOF)), alpn).await, Err("unauthorized")).await;
        check(name, server(&[name], None, alpn).await, Err("unauthorized")).await;
        let mut careless = proof(PROOF);
        careless.set_criticality(false);
        check(name, server(&[name], Some(careless), alpn).await, Err("unauthorized")).await;
        check(name, server(&[name], Some(proof(PROOF)), b"http/1.1").await, Err("tls")).await;
    }
}

#[test]
fn addresses_have_names_of_their_own() {
    let name = |text: &str| server_name(&HostPattern::parse(text).unwrap());
    assert_eq!(name("192.0.2.7"), "7.2.0.192.in-addr.arpa");
    let long = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa";
    assert_eq!(name("2001:db8::1"), long);
}
