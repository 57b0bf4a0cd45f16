//! What works: certificates, renewal information, revocation, keys changed, binding.

use std::time::{Duration, SystemTime};

use instant_acme::{ExternalAccountKey, NewOrder, OrderStatus, RevocationReason, RevocationRequest};
use rustls::{
    RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
};
use vestibule_testkit::ca::{Clock, Endpoint, Limits, SimulatedCa};

use super::{account, finish, id, identifiers, kind, leaf, obtain, order, try_account};

/// Would a client of the site accept that chain?
fn assert_trusted(ca: &SimulatedCa, chain: &str, names: &[&str]) {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(ca.issuing_roots().as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(chain.as_bytes()).map(Result::unwrap).collect();
    let parsed = ParsedCertificate::try_from(&chain[0]).unwrap();
    let algorithms = rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms;
    verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &chain[1..], UnixTime::now(), algorithms.all).unwrap();
    for name in names {
        let name = ServerName::try_from(name.replace('*', "any")).unwrap();
        rustls::client::verify_server_name(&parsed, &name).unwrap();
    }
}

#[tokio::test]
async fn a_certificate_for_names_of_every_kind() {
    let ca = SimulatedCa::start().await;
    let (account, _) = account(&ca).await;
    let names = ["*.a.test", "127.0.0.1", "a.test"];
    let chain = obtain(&account, &names).await.unwrap();
    assert_trusted(&ca, &chain, &names);
    let seen = ca.certificates();
    assert_eq!(seen.len(), 1);
    let mut sorted = names.map(str::to_owned).to_vec();
    sorted.sort();
    assert_eq!((seen[0].names.clone(), seen[0].account.as_str()), (sorted, account.id()));
    assert_eq!(seen[0].id, id(&chain).to_string());
    assert_eq!((ca.most_per_set(), ca.accounts()), (1, 1));
    assert_eq!(ca.orders()[0].status, "valid");
    assert!(ca.violations().is_empty());
    assert_eq!(ca.count(Endpoint::Finalize), 1);
    assert!(ca.requests().iter().all(|request| request.user_agent.is_some() && request.status.is_some()));
}

#[tokio::test]
async fn profiles_have_their_lifetimes() {
    let ca = SimulatedCa::start().await;
    let (account, _) = account(&ca).await;
    assert_eq!(account.profiles().count(), 3);
    let names = identifiers(&["a.test"]);
    let mut order = account.new_order(&NewOrder::new(&names).profile("shortlived")).await.unwrap();
    finish(&mut order, &["a.test"]).await.unwrap();
    let seen = ca.certificates().remove(0);
    assert_eq!(seen.not_after.duration_since(seen.not_before).unwrap(), Duration::from_secs(160 * 3600));
    assert_eq!(seen.profile.as_deref(), Some("shortlived"));
    assert_eq!(kind(account.new_order(&NewOrder::new(&names).profile("baroque")).await), "invalidProfile");
}

#[tokio::test]
async fn renewal_information_and_replaces() {
    let ca = SimulatedCa::builder().lifetime(Duration::from_secs(9 * 86_400)).start().await;
    let (account, _) = account(&ca).await;
    let names = identifiers(&["a.test"]);
    let chain = obtain(&account, &["a.test"]).await.unwrap();
    let (info, again) = account.renewal_info(&id(&chain)).await.unwrap();
    let seen = ca.certificates().remove(0);
    let start = SystemTime::from(info.suggested_window.start);
    let into_life = start.duration_since(seen.not_before).unwrap();
    assert!(into_life.abs_diff(Duration::from_secs(6 * 86_400)) <= Duration::from_secs(1), "{into_life:?}");
    assert!(again > Duration::from_secs(5 * 3600), "{again:?}");

    ca.renew_all_now();
    let (info, _) = account.renewal_info(&id(&chain)).await.unwrap();
    assert!(SystemTime::from(info.suggested_window.end) <= SystemTime::now());

    let renewal = || NewOrder::new(&names).replaces(id(&chain));
    let mut order = account.new_order(&renewal()).await.unwrap();
    // Also while the first is only pending (RFC 9773 section 5).
    assert_eq!(kind(account.new_order(&renewal()).await), "alreadyReplaced");
    finish(&mut order, &["a.test"]).await.unwrap();
    assert_eq!(kind(account.new_order(&renewal()).await), "alreadyReplaced");
    assert_eq!(ca.certificates()[1].replaces, Some(id(&chain).to_string()));
}

#[tokio::test]
async fn a_revocation_is_once_and_shows_in_renewal_information() {
    let ca = SimulatedCa::start().await;
    let (account, _) = account(&ca).await;
    let chain = obtain(&account, &["a.test"]).await.unwrap();
    let certificate = leaf(&chain);
    let request = |reason| RevocationRequest { certificate: &certificate, reason: Some(reason) };
    let odd = account.revoke(&request(RevocationReason::AaCompromise)).await;
    assert_eq!(kind(odd), "badRevocationReason");
    let (stranger, _) = super::account(&ca).await;
    assert_eq!(kind(stranger.revoke(&request(RevocationReason::Superseded)).await), "unauthorized");
    account.revoke(&request(RevocationReason::Superseded)).await.unwrap();
    assert_eq!(ca.certificates()[0].revoked, Some(4));
    assert_eq!(kind(account.revoke(&request(RevocationReason::Superseded)).await), "alreadyRevoked");
    let (info, _) = account.renewal_info(&id(&chain)).await.unwrap();
    assert!(SystemTime::from(info.suggested_window.end) <= SystemTime::now());
}

#[tokio::test]
async fn a_changed_key_is_the_only_one() {
    let ca = SimulatedCa::start().await;
    let (mut account, _) = account(&ca).await;
    let old = account.clone();
    let _ = account.update_key().await.unwrap();
    obtain(&account, &["a.test"]).await.unwrap();
    assert_eq!(kind(order(&old, &["b.test"]).await), "malformed");
    assert_eq!(ca.accounts(), 1);
}

#[tokio::test]
async fn external_account_binding_is_verified() {
    let ca = SimulatedCa::builder().eab("kid-1", b"a secret of thirty-two bytes 123").start().await;
    let key = |kid: &str, secret: &[u8]| ExternalAccountKey::new(kid.to_owned(), secret);
    for (eab, refusal) in [
        (None, "externalAccountRequired"),
        (Some(key("kid-2", b"a secret of thirty-two bytes 123")), "unauthorized"),
        (Some(key("kid-1", b"another secret, as long as that.")), "unauthorized"),
    ] {
        assert_eq!(kind(try_account(&ca, eab.as_ref()).await.0), refusal);
    }
    let bound = try_account(&ca, Some(&key("kid-1", b"a secret of thirty-two bytes 123"))).await.0.unwrap();
    obtain(&bound, &["a.test"]).await.unwrap();
}

#[tokio::test]
async fn authorizations_may_be_reused_and_chains_have_alternates() {
    let ca = SimulatedCa::builder().reuse_authorizations().alternates(1).start().await;
    let (account, transport) = account(&ca).await;
    obtain(&account, &["a.test"]).await.unwrap();
    let answer = transport.last();
    let links = answer.headers.get_all("link").iter().map(|link| link.to_str().unwrap().to_owned());
    let links: Vec<String> = links.filter(|link| link.contains("alternate")).collect();
    assert_eq!(links, [format!("<{}/cert/0/1>;rel=\"alternate\"", ca.directory().trim_end_matches("/directory"))]);
    let mut again = order(&account, &["a.test"]).await.unwrap();
    assert_eq!(again.state().status, OrderStatus::Ready);
    finish(&mut again, &["a.test"]).await.unwrap();
}

#[tokio::test]
async fn time_is_the_clocks() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
    let ca = SimulatedCa::builder().clock(Clock::manual(start)).limits(Limits::lets_encrypt()).start().await;
    let (account, transport) = account(&ca).await;
    let pending = order(&account, &["b.test"]).await.unwrap().into_parts().0;
    ca.clock().advance(Duration::from_secs(6 * 86_400));
    obtain(&account, &["a.test"]).await.unwrap();
    assert_eq!(ca.certificates()[0].at, start + Duration::from_secs(6 * 86_400));
    let date = transport.last().header("date").unwrap().to_owned();
    assert_eq!(date, "Tue, 24 May 2033 03:33:20 GMT");
    ca.clock().advance(Duration::from_secs(2 * 86_400));
    let mut expired = account.order(pending).await.unwrap();
    assert_eq!(expired.state().status, OrderStatus::Invalid);
}
