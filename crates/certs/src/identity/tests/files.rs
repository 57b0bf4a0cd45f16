//! A site's own files: first load, refresh, swap.

use super::*;

/// A site with files of its own, and the authority that made them.
struct Site {
    dir: tempfile::TempDir,
    ca: Authority,
    vault: Vault,
    identity: Arc<Identity>,
}

fn site() -> Site {
    let (dir, vault) = vault();
    let ca = Authority::new("Test CA");
    let origin = ca.leaf(&["a.test"]).make().write(dir.path());
    let prepared = vault.prepare(&request("a.yaml", &["a.test"], origin)).unwrap();
    assert_eq!(prepared.warnings, []);
    Site { dir, ca, vault, identity: prepared.identity }
}

impl Site {
    fn check(&self, expected: &str) {
        self.check_at(SystemTime::now(), expected);
    }

    fn check_at(&self, now: SystemTime, expected: &str) {
        let found = match self.identity.refresh_at(now) {
            Refresh::Unchanged => "unchanged".to_owned(),
            Refresh::Swapped => "swapped".to_owned(),
            Refresh::Refused(found) => codes(&found).join(" "),
        };
        assert_eq!(found, expected);
    }

    fn fingerprint(&self) -> String {
        self.identity.facts().fingerprint
    }

    fn another(&self) -> Made {
        self.ca.leaf(&["a.test"]).make()
    }
}

#[test]
fn its_certificate_is_shown() {
    let site = site();
    let facts = site.identity.facts();
    assert_eq!((facts.issuer.as_str(), &facts.names[..]), ("Test CA", &["a.test".to_owned()][..]));
    for version in [&TLS12, &TLS13] {
        let client = client(&[site.ca.der().clone()], version);
        Session::open(&client, &site.identity.offer_for("a.test").unwrap().config, "a.test").unwrap();
    }
}

#[test]
fn an_open_connection_outlives_a_swap() {
    let site = site();
    let client = client(&[site.ca.der().clone()], &TLS13);
    let mut open = Session::open(&client, &site.identity.offer_for("a.test").unwrap().config, "a.test").unwrap();
    let (old, new) = (site.fingerprint(), site.another());
    new.write(site.dir.path());
    site.check("swapped");
    assert_ne!(site.fingerprint(), old);

    use std::io::{Read, Write};
    open.client.writer().write_all(b"still here").unwrap();
    open.turn().unwrap();
    let mut read = [0; 10];
    open.server.reader().read_exact(&mut read).unwrap();
    assert_eq!(&read, b"still here");

    let fresh = Session::open(
        &super::client(&[site.ca.der().clone()], &TLS13),
        &site.identity.offer_for("a.test").unwrap().config,
        "a.test",
    );
    assert_eq!(fresh.unwrap().client.peer_certificates().unwrap(), new.chain_der);
    // And the swap kept the tickets.
    assert!(Session::open(&client, &site.identity.offer_for("a.test").unwrap().config, "a.test").unwrap().is_resumed());
}

#[test]
fn a_chain_replaced_before_its_key_is_refused_until_the_key_follows() {
    let site = site();
    let (old, new) = (site.fingerprint(), site.another());
    put(site.dir.path(), "chain.pem", &new.chain_pem);
    site.check("V0503");
    assert!(site.identity.facts().last_refusal.unwrap().contains("does not belong"));
    assert_eq!(site.fingerprint(), old);
    site.check("unchanged"); // Told already.
    put(site.dir.path(), "key.pem", &new.key_pem);
    site.check("swapped");
    assert_eq!(site.identity.facts().last_refusal, None);
}

#[test]
fn a_refusal_ends_when_the_old_files_come_back() {
    let site = site();
    let chain = fs::read(site.dir.path().join("chain.pem")).unwrap();
    put(site.dir.path(), "chain.pem", "garbage");
    site.check("V0502");
    put(site.dir.path(), "chain.pem", "");
    site.check("V0502");
    fs::remove_file(site.dir.path().join("chain.pem")).unwrap();
    site.check("V0501");
    put(site.dir.path(), "chain.pem", chain);
    site.check("unchanged");
    assert_eq!(site.identity.facts().last_refusal, None);
}

#[test]
fn nothing_worse_is_ever_swapped_in() {
    let (site, now) = (site(), SystemTime::now());
    let old = site.fingerprint();
    let refused = |made: Made, code: &str| {
        made.write(site.dir.path());
        site.check(code);
        assert_eq!(site.fingerprint(), old);
    };
    refused(site.ca.leaf(&["b.test"]).make(), "V0504");
    refused(site.ca.leaf(&["a.test"]).with(|params| params.not_after = (now - DAY / 2).into()).make(), "V0505");
    refused(site.ca.leaf(&["a.test"]).with(|params| params.not_before = (now + DAY).into()).make(), "V0505");
}

#[test]
fn a_certificate_that_begins_later_is_taken_when_it_begins() {
    let (site, now) = (site(), SystemTime::now());
    let early = site.ca.leaf(&["a.test"]).with(|params| params.not_before = (now + DAY).into()).make();
    early.write(site.dir.path());
    site.check_at(now, "V0505");
    site.check_at(now + DAY / 2, "unchanged");
    site.check_at(now + 2 * DAY, "swapped");
}

#[test]
fn unchanged_files_cost_a_stat_each() {
    let site = site();
    let later = SystemTime::now() + DAY;
    site.check_at(later, "unchanged");
    // Settled now: were the files read, this mode would draw an error from whoever is not root.
    assert!(site.identity.lock().as_ref().unwrap().seen.unwrap().settled);
    site.check_at(later, "unchanged");
    // Touched, not changed.
    let chain = fs::read(site.dir.path().join("chain.pem")).unwrap();
    put(site.dir.path(), "chain.pem", chain);
    site.check_at(later, "unchanged");
}

/// Two changes within one tick of the file system's clock may leave equal stamps.
#[test]
fn a_change_within_a_tick_of_the_last_look_is_seen() {
    let site = site();
    let files = site.identity.request.files(0).unwrap();
    site.another().write(site.dir.path());
    site.identity.lock().as_mut().unwrap().seen = Some(Seen { stamps: files.look(), settled: false });
    site.check("swapped");
}

#[test]
fn what_is_wrong_at_first_is_an_error_with_its_code() {
    let (dir, vault) = vault();
    let ca = Authority::new("CA");
    let check = |origin: Origin, expected: &[&str]| {
        let request = request("a.yaml", &["a.test"], origin);
        assert_eq!(codes(&vault.prepare(&request).unwrap_err()), expected);
        assert_eq!(codes(&crate::check(&request, rustix::process::geteuid().as_raw())), expected);
    };
    let files = |chain: PathBuf, key: PathBuf| Origin::Files(Box::new(CertificateFiles { chain, key }));
    let paths = |chain: &str, key: &str| files(dir.path().join(chain), dir.path().join(key));
    let good = ca.leaf(&["a.test"]).make();
    good.write(dir.path());
    check(paths("none", "none"), &["V0501", "V0501"]);
    check(paths("key.pem", "chain.pem"), &["V0502", "V0502"]);
    check(paths("chain.pem", "certs"), &["V0501"]);
    check(files("chain.pem".into(), "key.pem".into()), &["V0501", "V0501"]);
    check(ca.leaf(&["b.test"]).make().write(dir.path()), &["V0504"]);
    let expired = ca.leaf(&["a.test"]).with(|params| params.not_after = (SystemTime::now() - DAY / 2).into());
    check(expired.make().write(dir.path()), &["V0505"]);
    good.write(dir.path());
    put(dir.path(), "other.pem", ca.leaf(&["a.test"]).make().key_pem);
    check(paths("chain.pem", "other.pem"), &["V0503"]);
    put(dir.path(), "large.pem", vec![b'\n'; 1024 * 1024 + 1]);
    check(paths("large.pem", "key.pem"), &["V0501"]);
}

#[test]
fn the_files_of_another_user_are_not_read() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("skipped: needs root to be a gateway for several users");
    }
    let (dir, vault) = vault();
    let mut asked = request("a.yaml", &["a.test"], Authority::new("CA").leaf(&["a.test"]).make().write(dir.path()));
    asked.certificate.tenant = TenantId(1000);
    assert_eq!(codes(&vault.prepare(&asked).unwrap_err()), ["V0507", "V0507"]);
    for name in ["chain.pem", "key.pem"] {
        std::os::unix::fs::chown(dir.path().join(name), Some(1000), None).unwrap();
    }
    vault.prepare(&asked).unwrap();
}

#[test]
fn an_end_that_is_near_is_a_warning() {
    let (dir, vault) = vault();
    let now = SystemTime::now();
    let ca = Authority::new("CA");
    let made = ca.leaf(&["a.test"]).with(|params| {
        params.not_before = (now - 85 * DAY).into();
        params.not_after = (now + 5 * DAY).into();
    });
    let request = request("a.yaml", &["a.test"], made.make().write(dir.path()));
    assert_eq!(codes(&vault.prepare(&request).unwrap().warnings), ["V0505"]);
}

#[test]
fn refreshes_and_handshakes_at_once_always_find_a_whole_pair() {
    let site = site();
    let pairs = [site.another(), site.another()];
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let client = client(&[site.ca.der().clone()], &TLS13);
            for _ in 0..50 {
                Session::open(&client, &site.identity.offer_for("a.test").unwrap().config, "a.test").unwrap();
            }
        });
        while !worker.is_finished() {
            for pair in &pairs {
                pair.write(site.dir.path());
                site.identity.refresh();
            }
        }
    });
    drop(site.vault);
}

#[test]
fn a_key_that_everybody_can_read_is_a_warning() {
    use std::os::unix::fs::PermissionsExt;
    let (dir, vault) = vault();
    let request = request("a.yaml", &["a.test"], Authority::new("CA").leaf(&["a.test"]).make().write(dir.path()));
    let check = |mode, expected: &[&str]| {
        fs::set_permissions(dir.path().join("key.pem"), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(codes(&vault.prepare(&request).unwrap().warnings), expected, "{mode:o}");
    };
    check(0o600, &[]);
    check(0o640, &[]);
    check(0o644, &["V0507"]);
}
