//! Where a session may be resumed, and where not.

use super::*;

/// Opens twice with one client: at `first`, then at `second`.
fn resumes(
    vault: &Vault,
    first: &ServerConfig,
    second: &ServerConfig,
    version: &'static rustls::SupportedProtocolVersion,
) -> bool {
    let client = client(&[root_of(vault)], version);
    let opened = Session::open(&client, &Arc::new(first.clone()), "a.test").unwrap();
    assert!(!opened.is_resumed());
    Session::open(&client, &Arc::new(second.clone()), "a.test").unwrap().is_resumed()
}

#[test]
fn it_works_within_a_site_and_never_across() {
    let (_dir, vault) = vault();
    let of = |site: &str, uid: u32| {
        let mut request = request(site, &["a.test"], Origin::LocalCa);
        request.certificate.tenant = TenantId(uid);
        vault.prepare(&request).unwrap().identity.offer_for("a.test").unwrap().config
    };
    let site = of("a.yaml", 1000);
    for version in [&TLS12, &TLS13] {
        assert!(resumes(&vault, &site, &site, version));
        // The site's file was edited: another identity, the same site.
        assert!(resumes(&vault, &site, &of("a.yaml", 1000), version));
        // The name moved to another site; the file moved to another user.
        assert!(!resumes(&vault, &site, &of("b.yaml", 1000), version));
        assert!(!resumes(&vault, &site, &of("a.yaml", 1001), version));
    }
}

#[test]
fn another_name_of_the_same_site_is_not_resumed_either() {
    let (_dir, vault) = vault();
    let server = local(&vault, "a.yaml", &["a.test", "b.test"]).offer_for("a.test").unwrap().config;
    for version in [&TLS12, &TLS13] {
        let mut config = (*client(&[root_of(&vault)], version)).clone();
        config.resumption = rustls::client::Resumption::store(Arc::new(OneSession::default()));
        let client = Arc::new(config);
        Session::open(&client, &server, "a.test").unwrap();
        assert!(Session::open(&client, &server, "a.test").unwrap().is_resumed(), "{version:?}");
        assert!(!Session::open(&client, &server, "b.test").unwrap().is_resumed(), "{version:?}");
    }
}

#[test]
fn it_outlives_a_new_certificate() {
    let (_dir, vault) = vault();
    let (identity, now) = (local(&vault, "a.yaml", &["a.test"]), SystemTime::now());
    let old = identity.offer_at("a.test", now).unwrap().config;
    let new = identity.offer_at("a.test", now + 70 * DAY).unwrap().config;
    assert!(!Arc::ptr_eq(&old, &new));
    // The client judges the new certificate by the clock of today only when it is shown: resumption shows none.
    for version in [&TLS12, &TLS13] {
        assert!(resumes(&vault, &old, &new, version));
    }
}

#[test]
fn two_tickets_are_given() {
    let (_dir, vault) = vault();
    let server = local(&vault, "a.yaml", &["a.test"]).offer_for("a.test").unwrap().config;
    let session = Session::open(&client(&[root_of(&vault)], &TLS13), &server, "a.test").unwrap();
    assert_eq!(session.client.tls13_tickets_received(), 2);
}

/// A client that offers its last session to whomever it speaks: what a hostile one would try.
#[derive(Debug, Default)]
struct OneSession {
    tls12: Mutex<Option<rustls::client::Tls12ClientSessionValue>>,
    tls13: Mutex<Vec<rustls::client::Tls13ClientSessionValue>>,
}

impl rustls::client::ClientSessionStore for OneSession {
    fn set_kx_hint(&self, _: rustls::pki_types::ServerName<'static>, _: NamedGroup) {}
    fn kx_hint(&self, _: &rustls::pki_types::ServerName<'_>) -> Option<NamedGroup> {
        None
    }
    fn set_tls12_session(
        &self,
        _: rustls::pki_types::ServerName<'static>,
        value: rustls::client::Tls12ClientSessionValue,
    ) {
        *self.tls12.lock().unwrap() = Some(value);
    }
    fn tls12_session(&self, _: &rustls::pki_types::ServerName<'_>) -> Option<rustls::client::Tls12ClientSessionValue> {
        self.tls12.lock().unwrap().clone()
    }
    fn remove_tls12_session(&self, _: &rustls::pki_types::ServerName<'static>) {}
    fn insert_tls13_ticket(
        &self,
        _: rustls::pki_types::ServerName<'static>,
        value: rustls::client::Tls13ClientSessionValue,
    ) {
        self.tls13.lock().unwrap().push(value);
    }
    fn take_tls13_ticket(
        &self,
        _: &rustls::pki_types::ServerName<'static>,
    ) -> Option<rustls::client::Tls13ClientSessionValue> {
        self.tls13.lock().unwrap().pop()
    }
}
