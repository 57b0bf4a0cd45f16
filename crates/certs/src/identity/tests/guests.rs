//! Who is let in, and how that changes: what handshakes are held with, before and after the file of client CAs changes.

use rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};

use super::*;
use crate::{ClientCa, ClientPolicy, Demand, GuestRefresh, Visitor, tls};

/// A site with a file of client CAs.
struct Club {
    dir: tempfile::TempDir,
    vault: Vault,
    members: Authority,
}

impl Club {
    fn new() -> Self {
        let (dir, vault) = vault();
        let club = Self { dir, vault, members: Authority::new("Members") };
        club.put(club.members.pem());
        club
    }

    fn put(&self, pem: &str) {
        put(self.dir.path(), "members.pem", pem);
    }

    fn asks(&self, origin: Origin, demand: Demand) -> IdentityRequest {
        let mut request = request("club.yaml", &["a.test"], origin);
        request.client_ca = Some(Box::new(ClientCa { file: self.dir.path().join("members.pem"), demand }));
        request
    }

    fn open(&self, origin: Origin, demand: Demand) -> Arc<Identity> {
        self.vault.prepare(&self.asks(origin, demand)).unwrap().identity
    }

    /// A client with a certificate of this CA.
    fn visitor(&self, authority: &Authority, version: &'static rustls::SupportedProtocolVersion) -> Arc<ClientConfig> {
        let made = authority.leaf(&["ann"]).with(|params| params.extended_key_usages.clear()).make();
        let key = PrivateKeyDer::from_pem_slice(made.key_pem.as_bytes()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root_of(&self.vault)).unwrap();
        let builder = ClientConfig::builder_with_provider(tls::crypto_provider());
        let builder = builder.with_protocol_versions(&[version]).unwrap().with_root_certificates(roots);
        Arc::new(builder.with_client_auth_cert(made.chain_der, key).unwrap())
    }
}

fn shake(client: &Arc<ClientConfig>, identity: &Identity) -> Result<(Option<ClientPolicy>, Session), rustls::Error> {
    let offer = identity.offer_for("a.test").unwrap();
    Ok((offer.client_policy, Session::open(client, &offer.config, "a.test")?))
}

fn changed(identity: &Identity) -> Arc<Identity> {
    match identity.refresh_guests() {
        GuestRefresh::Changed(next) => next,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_handshake_proves_what_its_policy_demands_and_is_never_resumed() {
    let club = Club::new();
    for version in [&TLS12, &TLS13] {
        let site = club.open(Origin::LocalCa, Demand::Required);
        let anonymous = client(&[root_of(&club.vault)], version);
        assert_eq!(shake(&anonymous, &site).err(), Some(rustls::Error::NoCertificatesPresented));
        let stranger = club.visitor(&Authority::new("Strangers"), version);
        assert!(matches!(shake(&stranger, &site).err(), Some(rustls::Error::InvalidCertificate(_))));
        let member = club.visitor(&club.members, version);
        for _ in 0..2 {
            let (policy, session) = shake(&member, &site).unwrap();
            assert!(policy.is_some() && policy == site.client_policy());
            assert!(!session.is_resumed() && session.client.tls13_tickets_received() == 0);
            let shown = session.server.peer_certificates().unwrap();
            let visitor = Visitor::of(shown).unwrap();
            assert_eq!(visitor.field(), format!(":{}:", data_encoding::BASE64.encode(&shown[0])));
            assert!(visitor.until() > SystemTime::now() + 88 * DAY);
        }
        let optional = club.open(Origin::LocalCa, Demand::Optional);
        assert!(shake(&anonymous, &optional).unwrap().1.server.peer_certificates().is_none());
        assert!(shake(&member, &optional).unwrap().1.server.peer_certificates().is_some());
        assert!(shake(&stranger, &optional).is_err());
    }
}

#[test]
fn a_session_of_the_open_site_is_not_taken() {
    let club = Club::new();
    let open = local(&club.vault, "club.yaml", &["a.test"]);
    for version in [&TLS12, &TLS13] {
        let member = club.visitor(&club.members, version);
        shake(&member, &open).unwrap();
        assert!(shake(&member, &open).unwrap().1.is_resumed());
        assert!(!shake(&member, &club.open(Origin::LocalCa, Demand::Required)).unwrap().1.is_resumed());
        let anonymous = client(&[root_of(&club.vault)], version);
        shake(&anonymous, &open).unwrap();
        assert!(!shake(&anonymous, &club.open(Origin::LocalCa, Demand::Optional)).unwrap().1.is_resumed());
    }
}

#[test]
fn another_ca_makes_another_identity_with_the_same_certificate() {
    let club = Club::new();
    let made = club.members.leaf(&["a.test"]).make();
    for origin in [Origin::LocalCa, made.write(club.dir.path())] {
        club.put(club.members.pem());
        let (asked, other) = (club.asks(origin.clone(), Demand::Required), club.asks(origin, Demand::Optional));
        let site = club.vault.prepare(&asked).unwrap().identity;
        let leaf = site.facts().fingerprint;
        let before = site.offer_for("a.test").unwrap();
        assert!(matches!(site.refresh_guests(), GuestRefresh::Unchanged));
        let others = Authority::new("Others");
        club.put(others.pem());
        let next = changed(&site);
        assert_ne!(next.client_policy(), site.client_policy());
        assert!(next.is_for(&asked) && site.is_for(&asked), "it is asked for as before");
        let open = IdentityRequest { client_ca: None, ..asked };
        assert!(!next.is_for(&other) && !next.is_for(&open));
        let after = next.offer_for("a.test").unwrap();
        assert_eq!((before.client_policy, after.client_policy), (site.client_policy(), next.client_policy()));
        if !leaf.is_empty() {
            assert_eq!(next.facts().fingerprint, leaf);
        }
        let other = club.visitor(&others, &TLS13);
        assert!(Session::open(&other, &before.config, "a.test").is_err(), "what was asked for stays what it was");
        club.put(club.members.pem());
        assert_eq!(changed(&next).client_policy(), site.client_policy());
    }
}

#[test]
fn a_wrong_file_and_no_file_leave_the_policy_in_force_and_are_told_once() {
    let club = Club::new();
    let site = club.open(Origin::LocalCa, Demand::Required);
    let anonymous = client(&[root_of(&club.vault)], &TLS13);
    let path = club.dir.path().join("members.pem");
    for wrong in [Some("nonsense"), None] {
        match wrong {
            Some(text) => club.put(text),
            None => fs::remove_file(&path).unwrap(),
        }
        assert!(matches!(site.refresh_guests(), GuestRefresh::Refused(_)));
        assert!(matches!(site.refresh_guests(), GuestRefresh::Unchanged));
        assert!(site.facts().last_refusal.is_some_and(|why| why.contains("client CA file")));
        assert!(shake(&anonymous, &site).is_err());
        assert!(shake(&club.visitor(&club.members, &TLS13), &site).is_ok());
    }
    club.put(club.members.pem());
    assert!(matches!(site.refresh_guests(), GuestRefresh::Unchanged));
    assert_eq!(site.facts().last_refusal, None);
}
