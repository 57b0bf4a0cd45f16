//! Which CA and which challenge have their turn: CAs that are configured no more, and challenges that failed.

use vestibule_certs::store::CaId;

use super::{super::*, scene::*};
use crate::{
    FailureKind,
    config::{ChallengeKind, DnsProvider, SiteOptions},
    failure::NameFailure,
};

#[test]
fn what_a_ca_gave_that_is_configured_no_more_is_served_and_replaced_at_once() {
    for (ca, at_once) in [("letsencrypt-staging", true), ("imported", false), ("letsencrypt", false)] {
        let mut staged = issued(1, "a.com", T);
        staged.draft.ca = CaId::new(ca).unwrap();
        let now = T.after(DAY);
        let mut planner = planner(&[staged.clone()], now);
        want(&mut planner, 1, "a.com", &SiteOptions::default(), now);
        assert_eq!(planner.status_of(&pattern("a.com"), now).unwrap().issuance, Some(staged.id.clone()), "{ca}");
        let placed = orders(&mut planner, now.after(seconds(60))); // without records the budget starts empty
        assert_eq!(!placed.is_empty(), at_once, "{ca}");
        if let Some((_, order)) = placed.first() {
            assert_eq!(order.renews, Some((staged.id, None)), "nothing that the new CA does not know");
            assert_eq!(order.ca, lets_encrypt().id);
        }
    }
}

#[test]
fn each_challenge_has_its_turn_when_those_before_have_failed() {
    let mut ca = lets_encrypt();
    let provider = DnsProvider::AcmeDns { server: "https://x".into(), credentials_file: "/x".into() };
    ca.dns = vec![crate::config::NamedProvider::for_all("default", provider)];
    let mut planner = Planner::restore(config(vec![ca]), Vec::new(), &[], T);
    want(&mut planner, 1, "a.com", &SiteOptions::default(), T);
    let mut led = Vec::new();
    for hour in 0..1000 {
        let now = T.after(HOUR * hour);
        for (job, order) in orders(&mut planner, now) {
            led.push(order.challenges[0]);
            let kind = FailureKind::ValidationConnection;
            let challenge = Some(order.challenges[0]);
            let of_name = NameFailure { name: order.names[0].clone(), kind, challenge, sentence: "no".into() };
            let failed = crate::Failure { names: vec![of_name], ..failure(kind) };
            planner.ordered(job, Err(failed), now, &mut Half);
        }
    }
    let (http, alpn, dns) = (ChallengeKind::Http01, ChallengeKind::TlsAlpn01, ChallengeKind::Dns01);
    assert_eq!(led[..6], [http, alpn, dns, http, alpn, dns]);
}
