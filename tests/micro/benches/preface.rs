//! The first bytes of a connection.

use std::{hint::black_box, sync::Arc};

use criterion::Criterion;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use vestibule_preface::{read_clear, read_tls};

pub(crate) fn bench(criterion: &mut Criterion) {
    let hello = hello();
    criterion.bench_function("preface/tls", |bench| bench.iter(|| read_tls(black_box(&hello))));
    criterion.bench_function("preface/clear", |bench| bench.iter(|| read_clear(black_box(b"GET / HTTP/1.1\r\n"))));
}

/// With a post-quantum key share, as browsers send it.
fn hello() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.expect("the provider has them").with_root_certificates(RootCertStore::empty());
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let name = "blog.example.com".try_into().expect("it is a name");
    let mut client = ClientConnection::new(Arc::new(config), name).expect("the configuration is complete");
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).expect("memory takes everything");
    bytes
}
