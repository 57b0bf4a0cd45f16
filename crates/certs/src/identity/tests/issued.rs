//! Certificates of the store: what each host is shown, and when that changes.

use rustls::pki_types::CertificateDer;
use vestibule_names::TenantId;

use super::*;
use crate::{
    Fingerprint,
    store::{CaId, Issued},
    testing::host,
};

/// A vault, and a CA whose certificates come into its store.
struct Scene {
    dir: tempfile::TempDir,
    vault: Vault,
    ca: Authority,
    now: SystemTime,
}

impl Scene {
    fn new() -> Self {
        let (dir, vault) = vault();
        Self { dir, vault, ca: Authority::new("Test CA"), now: SystemTime::now() }
    }

    fn import(&self, names: &[&str]) -> Issued {
        self.import_for(TenantId::OPERATOR, names)
    }

    fn import_for(&self, tenant: TenantId, names: &[&str]) -> Issued {
        let made = self.ca.leaf(names).make();
        let (chain, key) = (made.chain_pem.as_bytes(), made.key_pem.as_bytes());
        self.vault.store().import(tenant, &CaId::new("test").unwrap(), chain, key, self.now).unwrap()
    }

    fn site(&self, hosts: &[&str], names: StoreNames) -> Arc<Identity> {
        self.vault.prepare(&request("a.yaml", hosts, Origin::Store { names })).unwrap().identity
    }

    /// The leaf that a client of both CAs is shown, if it trusts it.
    fn leaf(&self, identity: &Identity, host: &str, name: &str) -> Option<CertificateDer<'static>> {
        let roots = [self.ca.der().clone(), root_of(&self.vault)];
        let session = Session::open(&client(&roots, &TLS13), &identity.offer_for(host).unwrap().config, name).ok()?;
        Some(session.client.peer_certificates()?.first()?.clone().into_owned())
    }

    fn fingerprint(&self, identity: &Identity, host: &str) -> Option<Fingerprint> {
        self.leaf(identity, host, host).map(|leaf| Fingerprint::of(&leaf))
    }

    fn file(&self, issued: &Issued, name: &str) -> PathBuf {
        self.dir.path().join("certs/acme/live").join(issued.id.as_str()).join(name)
    }
}

#[test]
fn each_host_is_shown_the_latest_certificate_that_covers_it() {
    let scene = Scene::new();
    let pair = scene.import(&["a.example.com", "b.example.com"]);
    let wild = scene.import(&["*.w.example.com"]);
    scene.import_for(TenantId(7), &["a.example.com"]);
    let site =
        scene.site(&["a.example.com", "b.example.com", "*.w.example.com", "x.w.example.com"], StoreNames::Public);
    for (host, expected) in
        [("a.example.com", &pair), ("b.example.com", &pair), ("y.w.example.com", &wild), ("x.w.example.com", &wild)]
    {
        assert_eq!(site.shows(host), Shows::Certificate);
        assert_eq!(scene.fingerprint(&site, host).as_ref(), Some(&expected.fingerprint), "{host}");
        assert_eq!(site.facts_for(host).fingerprint, expected.fingerprint.to_string());
    }
    assert_eq!(site.facts().names, ["a.example.com", "b.example.com"]);
    let config = |host| site.offer_for(host).unwrap().config;
    assert!(Arc::ptr_eq(&config("a.example.com"), &config("b.example.com")), "one certificate, one configuration");
    assert!(!Arc::ptr_eq(&config("a.example.com"), &config("y.w.example.com")));
}

#[test]
fn private_names_have_local_certificates_for_exactly_them() {
    let scene = Scene::new();
    let issued = scene.import(&["a.example.com"]);
    let site = scene.site(&["a.example.com", "a.test", "192.168.1.1"], StoreNames::Public);
    assert_eq!(scene.fingerprint(&site, "a.example.com"), Some(issued.fingerprint));
    let local = CertificateFacts::read(&scene.leaf(&site, "a.test", "a.test").unwrap()).unwrap();
    assert_eq!(local.names, ["a.test", "192.168.1.1"]);
    assert_eq!((site.shows("a.test"), site.facts_for("a.test").issuer.as_str()), (Shows::Certificate, "local CA"));

    // A CA of the operator's own certifies them too.
    let site = scene.site(&["a.test"], StoreNames::All);
    assert_eq!(site.shows("a.test"), Shows::Placeholder);
    let own = scene.import(&["a.test"]);
    assert!(matches!(site.refresh(), Refresh::Swapped));
    assert_eq!(scene.fingerprint(&site, "a.test"), Some(own.fingerprint));
}

#[test]
fn before_the_first_certificate_there_is_a_placeholder_that_nobody_trusts() {
    let scene = Scene::new();
    let site = scene.site(&["a.example.com"], StoreNames::Public);
    assert_eq!(site.shows("a.example.com"), Shows::Placeholder);
    assert_eq!(scene.leaf(&site, "a.example.com", "a.example.com"), None, "not even with the local CA's root");
    assert_eq!(site.facts().issuer, "placeholder");
    let placeholder = site.offer_for("a.example.com").unwrap().config;
    assert_eq!((placeholder.send_tls13_tickets, placeholder.ticketer.enabled()), (0, false));
    assert!(matches!(site.refresh(), Refresh::Unchanged));

    let issued = scene.import(&["a.example.com"]);
    assert!(Arc::ptr_eq(&placeholder, &site.offer_for("a.example.com").unwrap().config), "until the refresh");
    assert!(matches!(site.refresh(), Refresh::Swapped));
    assert!(matches!(site.refresh(), Refresh::Unchanged));
    assert_eq!(site.shows("a.example.com"), Shows::Certificate);
    assert_eq!(scene.fingerprint(&site, "a.example.com"), Some(issued.fingerprint));
    assert_eq!(site.shows("elsewhere.example.com"), Shows::Placeholder, "no host of the site");
}

#[test]
fn a_renewal_is_swapped_in_and_leaves_the_others_alone() {
    let scene = Scene::new();
    let (first, _) = (scene.import(&["a.example.com"]), scene.import(&["b.example.com"]));
    let site = scene.site(&["a.example.com", "b.example.com"], StoreNames::Public);
    let before = ["a.example.com", "b.example.com"].map(|host| site.offer_for(host).unwrap().config);
    let trusted = client(&[scene.ca.der().clone()], &TLS13);
    let mut open = Session::open(&trusted, &before[0], "a.example.com").unwrap();

    let second = scene.import(&["a.example.com"]);
    assert!(matches!(site.refresh(), Refresh::Swapped));
    let after = ["a.example.com", "b.example.com"].map(|host| site.offer_for(host).unwrap().config);
    assert!(!Arc::ptr_eq(&before[0], &after[0]) && Arc::ptr_eq(&before[1], &after[1]));
    assert_eq!(scene.fingerprint(&site, "a.example.com"), Some(second.fingerprint));
    open.turn().unwrap();
    let shown = open.client.peer_certificates().unwrap();
    assert_eq!(Fingerprint::of(&shown[0]), first.fingerprint, "an open connection stays");
    // Resumption outlives the renewal: tickets are bound to the site.
    assert!(Session::open(&trusted, &after[0], "a.example.com").unwrap().is_resumed());
}

#[test]
fn a_damaged_certificate_makes_room_for_the_one_before() {
    for (file, content) in [
        ("key.pem", None),
        ("key.pem", Some("")),
        ("key.pem", Some("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")),
        ("chain.pem", None),
        ("chain.pem", Some("")),
        ("chain.pem", Some("another's")),
    ] {
        let scene = Scene::new();
        let first = scene.import(&["a.example.com"]);
        let second = scene.import(&["a.example.com"]);
        let other = scene.import(&["b.example.com"]);
        let content = match content {
            Some("another's") => Some(fs::read(scene.file(&other, "chain.pem")).unwrap()),
            content => content.map(|content| content.as_bytes().to_vec()),
        };
        match content {
            None => fs::remove_file(scene.file(&second, file)).unwrap(),
            Some(content) => fs::write(scene.file(&second, file), content).unwrap(),
        }
        let site = scene.site(&["a.example.com", "b.example.com"], StoreNames::Public);
        assert_eq!(scene.fingerprint(&site, "a.example.com"), Some(first.fingerprint), "{file}");
        let broken = scene.vault.store().broken();
        let [broken] = &broken[..] else { panic!("{broken:?}") };
        assert_eq!(broken.path, scene.file(&second, file).parent().unwrap(), "{file}");
        assert!(scene.vault.store().find(TenantId::OPERATOR, &host("a.example.com")).unwrap().id == first.id);
        assert_eq!(scene.fingerprint(&site, "b.example.com"), Some(other.fingerprint), "the other entry serves");
    }
}

#[test]
fn without_any_certificate_that_can_be_read_there_is_a_placeholder() {
    let scene = Scene::new();
    let issued = scene.import(&["a.example.com"]);
    fs::remove_file(scene.file(&issued, "key.pem")).unwrap();
    let site = scene.site(&["a.example.com"], StoreNames::Public);
    assert_eq!(site.shows("a.example.com"), Shows::Certificate, "nobody has read it yet");
    assert_eq!(site.offer_for("a.example.com").unwrap().shows, Shows::Placeholder);
    assert_eq!(scene.leaf(&site, "a.example.com", "a.example.com"), None);
    assert_eq!(site.shows("a.example.com"), Shows::Placeholder);
}

/// A certificate that began a day ago and ends now.
fn import_ended(scene: &Scene, name: &str) -> Issued {
    let made = scene.ca.leaf(&[name]).with(|params| params.not_after = scene.now.into()).make();
    let (chain, key) = (made.chain_pem.as_bytes(), made.key_pem.as_bytes());
    let ca = CaId::new("test").unwrap();
    scene.vault.store().import(TenantId::OPERATOR, &ca, chain, key, scene.now - DAY / 2).unwrap()
}

#[test]
fn a_certificate_that_runs_out_while_it_is_shown_is_shown_on() {
    let scene = Scene::new();
    let issued = import_ended(&scene, "a.example.com");
    let site = scene.site(&["a.example.com", "b.example.com"], StoreNames::Public);
    assert!(site.offer_at("a.example.com", scene.now - DAY / 2).is_ok());
    let later = scene.now + DAY * 60;
    scene.import(&["b.example.com"]);
    assert!(matches!(site.refresh_at(later), Refresh::Swapped));
    assert_eq!(
        (site.shows("a.example.com"), site.facts_at(later).fingerprint),
        (Shows::Certificate, issued.fingerprint.to_string())
    );
}

#[test]
fn one_that_had_run_out_long_before_counts_as_none() {
    for (age, expected) in [(DAY, Shows::Certificate), (DAY * 6, Shows::Certificate), (DAY * 8, Shows::Placeholder)] {
        let scene = Scene::new();
        import_ended(&scene, "a.example.com");
        let site = scene.site(&["a.example.com"], StoreNames::Public);
        let shown = site.offer_at("a.example.com", scene.now + age).unwrap().config;
        assert_eq!(site.shows("a.example.com"), expected, "{age:?}");
        let placeholder = site.placeholder(scene.now + age).unwrap();
        assert_eq!(Arc::ptr_eq(&shown, &placeholder.config), expected == Shows::Placeholder);
        assert!(matches!(site.refresh_at(scene.now + age), Refresh::Unchanged));

        let issued = scene.import(&["a.example.com"]);
        assert!(matches!(site.refresh_at(scene.now + age), Refresh::Swapped));
        assert_eq!(scene.fingerprint(&site, "a.example.com"), Some(issued.fingerprint));
    }
}

#[test]
fn one_that_counts_comes_before_a_later_one_that_has_run_out() {
    let scene = Scene::new();
    let wild = scene.import(&["*.example.com"]);
    import_ended(&scene, "a.example.com");
    let site = scene.site(&["a.example.com"], StoreNames::Public);
    site.offer_at("a.example.com", scene.now + DAY).unwrap();
    assert_eq!(scene.fingerprint(&site, "a.example.com"), Some(wild.fingerprint));
}

#[test]
fn first_handshakes_at_one_moment_get_one_configuration() {
    let scene = Scene::new();
    scene.import(&["a.example.com", "b.example.com"]);
    let site = scene.site(&["a.example.com", "b.example.com"], StoreNames::Public);
    let configs: Vec<_> = thread::scope(|scope| {
        let ask = |n: usize| site.offer_for(["a.example.com", "b.example.com"][n % 2]).unwrap().config;
        let asking: Vec<_> = (0..8).map(|n| scope.spawn(move || ask(n))).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(configs.iter().all(|config| Arc::ptr_eq(config, &configs[0])));
}

#[test]
fn handshakes_and_renewals_at_once_always_find_a_certificate() {
    let scene = Scene::new();
    scene.import(&["a.example.com"]);
    let site = scene.site(&["a.example.com"], StoreNames::Public);
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            for _ in 0..50 {
                assert!(scene.leaf(&site, "a.example.com", "a.example.com").is_some());
            }
        });
        while !worker.is_finished() {
            scene.import(&["a.example.com"]);
            site.refresh();
        }
    });
    assert!(scene.vault.store().broken().is_empty(), "what was replaced meanwhile is not damaged");
}

#[test]
fn two_sites_of_a_tenant_share_the_key_of_a_wildcard() {
    let scene = Scene::new();
    scene.import(&["*.example.com"]);
    let [one, other] = [["a.example.com", "a.yaml"], ["b.example.com", "b.yaml"]].map(|[name, site]| {
        let origin = Origin::Store { names: StoreNames::Public };
        let identity = scene.vault.prepare(&request(site, &[name], origin)).unwrap().identity;
        assert!(scene.leaf(&identity, name, name).is_some());
        (identity.offer_for(name).unwrap().config, identity)
    });
    assert!(!Arc::ptr_eq(&one.0, &other.0), "tickets are of one site only");
    let entry = |name| scene.vault.store().entry(TenantId::OPERATOR, &host(name), scene.now).unwrap();
    let load = |name| scene.vault.store().load(&entry(name)).unwrap();
    assert!(Arc::ptr_eq(&load("a.example.com"), &load("b.example.com")));
}

/// A site that asks for three certificates where two may be in memory.
#[test]
fn a_certificate_that_makes_room_is_read_again_and_is_what_the_store_has_by_then() {
    let (hosts, dir) = (["a.example.com", "b.example.com", "c.example.com"], tempfile::tempdir().unwrap());
    let now = SystemTime::now();
    let vault = Vault::open_with(&dir.path().join("certs"), now, 2).unwrap();
    let scene = Scene { dir, vault, ca: Authority::new("Test CA"), now };
    let issued = hosts.map(|host| scene.import(&[host]));
    let site = scene.site(&hosts, StoreNames::Public);
    let config = |host| site.offer_for(host).unwrap().config;
    let shown = |host| scene.fingerprint(&site, host).unwrap();

    let first = config(hosts[0]);
    assert!(Arc::ptr_eq(&first, &config(hosts[0])), "in memory");
    for (host, issued) in hosts.iter().zip(&issued).cycle().take(9) {
        assert_eq!(shown(host), issued.fingerprint);
    }
    assert!(!Arc::ptr_eq(&first, &config(hosts[0])), "it made room, and was read again");

    // Renewed while it is not in memory.
    let (_, _) = (shown(hosts[1]), shown(hosts[2]));
    let renewed = scene.import(&[hosts[0]]);
    assert_eq!(shown(hosts[0]), issued[0].fingerprint, "until the refresh");
    let (_, _) = (shown(hosts[1]), shown(hosts[2]));
    assert!(matches!(site.refresh(), Refresh::Swapped));
    assert_eq!(shown(hosts[0]), renewed.fingerprint);

    // Its files vanish while it is not in memory: the one before is shown, and nobody else notices.
    let (_, _) = (shown(hosts[1]), shown(hosts[2]));
    std::fs::remove_file(scene.file(&renewed, "chain.pem")).unwrap();
    assert_eq!(shown(hosts[0]), issued[0].fingerprint);
    assert_eq!([shown(hosts[1]), shown(hosts[2])], [issued[1].fingerprint, issued[2].fingerprint]);
    assert_eq!(scene.vault.store().broken().len(), 1);
}

#[test]
fn a_session_is_resumed_though_its_certificate_made_room_meanwhile() {
    let dir = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    let vault = Vault::open_with(&dir.path().join("certs"), now, 1).unwrap();
    let scene = Scene { dir, vault, ca: Authority::new("Test CA"), now };
    let _issued = ["a.example.com", "b.example.com"].map(|host| scene.import(&[host]));
    let site = scene.site(&["a.example.com", "b.example.com"], StoreNames::Public);
    let client = client(&[scene.ca.der().clone()], &TLS13);
    let visit = |host: &str| Session::open(&client, &site.offer_for(host).unwrap().config, host).unwrap();
    assert!(!visit("a.example.com").is_resumed());
    let before = site.offer_for("a.example.com").unwrap().config;
    visit("b.example.com");
    assert!(!Arc::ptr_eq(&before, &site.offer_for("a.example.com").unwrap().config), "it made room");
    assert!(visit("a.example.com").is_resumed());
}
