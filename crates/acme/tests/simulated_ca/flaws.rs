//! Certificates that are not what was asked for, and only in that way.

use rustls::{
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
    server::ParsedCertificate,
};
use vestibule_testkit::ca::{Endpoint, Fault, Flaw, SimulatedCa};

use super::{account, leaf, obtain};

async fn flawed(flaw: Flaw) -> (SimulatedCa, String) {
    let ca = SimulatedCa::start().await;
    let (account, _) = account(&ca).await;
    ca.inject(Endpoint::Finalize, Fault::Flaw(flaw), 1);
    let chain = obtain(&account, &["a.test", "b.test"]).await.unwrap();
    (ca, chain)
}

fn is_for(chain: &str, name: &str) -> bool {
    let leaf = leaf(chain);
    let parsed = ParsedCertificate::try_from(&leaf).unwrap();
    rustls::client::verify_server_name(&parsed, &ServerName::try_from(name.to_owned()).unwrap()).is_ok()
}

#[tokio::test]
async fn names_are_others_or_too_few() {
    for (flaw, name, other) in
        [(Flaw::WrongNames, false, false), (Flaw::MissingName, true, false), (Flaw::Expired, true, true)]
    {
        let (_ca, chain) = flawed(flaw).await;
        assert_eq!((is_for(&chain, "a.test"), is_for(&chain, "b.test")), (name, other), "{flaw:?}");
    }
}

#[tokio::test]
async fn times_are_past_or_to_come() {
    let (ca, _) = flawed(Flaw::Expired).await;
    assert!(ca.certificates()[0].not_after < ca.clock().now());
    let (ca, _) = flawed(Flaw::NotYetValid).await;
    assert!(ca.certificates()[0].not_before > ca.clock().now());
}

#[tokio::test]
async fn chains_are_turned_cut_or_no_pem() {
    let subject_is_leaf = |chain: &str| is_for(chain, "a.test");
    let count = |chain: &str| CertificateDer::pem_slice_iter(chain.as_bytes()).count();
    let (_ca, chain) = flawed(Flaw::WrongOrder).await;
    assert_eq!((subject_is_leaf(&chain), count(&chain)), (false, 2));
    let (_ca, chain) = flawed(Flaw::LeafOnly).await;
    assert_eq!((subject_is_leaf(&chain), count(&chain)), (true, 1));
    let (_ca, chain) = flawed(Flaw::NoPem).await;
    assert_eq!(count(&chain), 0);
    let (_ca, chain) = flawed(Flaw::WrongKey).await;
    assert_eq!((subject_is_leaf(&chain), count(&chain)), (true, 2));
}
