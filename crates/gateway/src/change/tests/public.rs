//! Sites and public CAs: where certificates come from, what the engine is told, and what owners are told.

use vestibule_acme::config::{ChallengeKind, DnsProvider, NamedProvider, SiteDns, SiteOptions, Tenants};
use vestibule_certs::{Origin, StoreNames};
use vestibule_names::Hostname;

use super::*;
use crate::config::AcmeStanding;

fn standing(dns: &[&str]) -> Option<AcmeStanding> {
    Some(AcmeStanding { dns: dns.iter().map(|name| provider(name)).collect(), ..AcmeStanding::default() })
}

fn provider(name: &str) -> NamedProvider {
    let exec = DnsProvider::Exec { program: "/bin/true".into(), timeout: std::time::Duration::from_secs(1) };
    NamedProvider::for_all(name, exec)
}

/// One provider, for these tenants and this zone.
fn bound(name: &str, tenants: &[u32], zone: &str) -> Option<AcmeStanding> {
    let tenants = Tenants::Only(tenants.iter().copied().map(TenantId).collect());
    let zones = vec![Hostname::parse(zone).expect("a zone")];
    let dns = vec![NamedProvider { tenants, zones, ..provider(name) }];
    Some(AcmeStanding { dns, ..AcmeStanding::default() })
}

impl Story {
    fn with_acme(dns: &[&str]) -> Self {
        let mut story = Self::new();
        story.sites.surroundings.acme = standing(dns);
        story
    }

    /// What the engine is told of these changes, in words.
    fn told(&mut self, changes: Vec<Change>) -> Vec<String> {
        let mut step = self.sites.apply(changes);
        let wishes = std::mem::take(&mut step.wishes);
        self.publish(step);
        wishes.iter().map(in_words).collect()
    }

    fn codes(&self, id: &str) -> Vec<(String, bool)> {
        self.row(id).reports.iter().map(|report| (report.code.clone(), report.is_error())).collect()
    }
}

fn in_words(wish: &Wish) -> String {
    match wish {
        Wish::Want(site, tenant, names, options) => {
            let names: Vec<_> = names.iter().map(ToString::to_string).collect();
            let dressed = if *options == SiteOptions::default() { "" } else { " with options" };
            format!("{site} of {} wants {}{dressed}", tenant.0, names.join(" "))
        }
        Wish::Unwant(site) => format!("{site} wants nothing"),
    }
}

fn auto(id: &str, hosts: &str) -> Change {
    written(id, 1000, &site(hosts, "one"))
}

#[test]
fn the_engine_is_told_what_changed_and_nothing_else() {
    let mut story = Story::with_acme(&[]);
    assert_eq!(
        story.told(vec![auto("a.yaml", "a.example.com, a.localhost, 10.0.0.7")]),
        ["a.yaml of 1000 wants a.example.com"]
    );
    // Seen again, edited elsewhere, broken, mended: the names are the same.
    assert!(story.told(vec![auto("a.yaml", "a.example.com, a.localhost, 10.0.0.7")]).is_empty());
    assert!(story.told(vec![auto("a.yaml", "a.example.com, b.localhost")]).is_empty());
    assert!(story.told(vec![written("a.yaml", 1000, BROKEN)]).is_empty());
    assert!(story.told(vec![written("a.yaml", 1000, &site("a.example.com", "two"))]).is_empty());
    assert_eq!(
        story.told(vec![auto("a.yaml", "b.example.com, a.example.com")]),
        ["a.yaml of 1000 wants b.example.com a.example.com"]
    );
    assert_eq!(story.told(vec![auto("a.yaml", "b.example.com")]), ["a.yaml of 1000 wants b.example.com"]);
    let dressed = format!("{}tls: {{challenge: http-01}}\n", site("b.example.com", "one"));
    assert_eq!(
        story.told(vec![written("a.yaml", 1000, &dressed)]),
        ["a.yaml of 1000 wants b.example.com with options"]
    );
    assert!(story.told(vec![written("a.yaml", 1000, &dressed)]).is_empty());
    assert_eq!(story.told(vec![removed("a.yaml")]), ["a.yaml wants nothing"]);
    assert!(story.told(vec![removed("a.yaml")]).is_empty());
}

#[test]
fn sites_that_no_ca_certifies_are_not_told() {
    let mut story = Story::with_acme(&[]);
    for (hosts, tls) in [
        ("a.localhost", "auto"),
        ("192.168.1.7", "auto"),
        ("a.example.com", "internal"),
        ("a.example.com", "off"),
        ("\"*.example.com\"", "auto"),
    ] {
        let text = format!("{}tls: {tls}\n", site(hosts, "one"));
        assert!(story.told(vec![written("a.yaml", 1000, &text)]).is_empty(), "{text}");
    }
    let acme = format!("{}tls: acme\n", site("a.localhost", "one"));
    assert_eq!(story.told(vec![written("a.yaml", 1000, &acme)]), ["a.yaml of 1000 wants a.localhost"]);
    assert_eq!(story.told(vec![auto("a.yaml", "a.localhost")]), ["a.yaml wants nothing"]);
    story.sites.surroundings.acme = None;
    assert!(story.told(vec![auto("b.yaml", "b.example.com")]).is_empty(), "nobody has agreed to a CA's terms");
}

#[test]
fn a_name_is_told_for_its_holder_only() {
    let mut story = Story::with_acme(&[]);
    story.told(vec![auto("a.yaml", "shared.example.com, a.example.com")]);
    assert_eq!(
        story.told(vec![auto("b.yaml", "shared.example.com, b.example.com")]),
        ["b.yaml of 1000 wants b.example.com"]
    );
    assert!(story.told(vec![auto("c.yaml", "shared.example.com")]).is_empty(), "it holds nothing");
    // The holder lets go: first it is told, then who takes over.
    assert_eq!(
        story.told(vec![auto("a.yaml", "a.example.com")]),
        ["a.yaml of 1000 wants a.example.com", "b.yaml of 1000 wants shared.example.com b.example.com"]
    );
    assert_eq!(
        story.told(vec![removed("b.yaml")]),
        ["b.yaml wants nothing", "c.yaml of 1000 wants shared.example.com"]
    );
}

#[test]
fn a_renamed_file_and_a_new_owner_are_told_in_order() {
    let mut story = Story::with_acme(&[]);
    story.told(vec![auto("a.yaml", "a.example.com")]);
    assert_eq!(
        story.told(vec![removed("a.yaml"), auto("b.yaml", "a.example.com")]),
        ["a.yaml wants nothing", "b.yaml of 1000 wants a.example.com"]
    );
    assert_eq!(
        story.told(vec![auto("c.yaml", "a.example.com"), removed("b.yaml")]),
        ["b.yaml wants nothing", "c.yaml of 1000 wants a.example.com"]
    );
    let others = written("c.yaml", 1001, &site("a.example.com", "theirs"));
    // The name is 1000's in its grace, whoever's file stands there.
    assert_eq!(story.told(vec![others]), ["c.yaml wants nothing"]);
    assert_eq!(story.told(vec![written("c.yaml", 1000, BROKEN)]), [""; 0]);
    assert_eq!(story.told(vec![auto("c.yaml", "a.example.com")]), ["c.yaml of 1000 wants a.example.com"]);
}

#[test]
fn a_restart_tells_everything_once_also_of_a_file_that_is_broken_by_now() {
    let mut story = Story::with_acme(&[]);
    story.told(vec![auto("a.yaml", "a.example.com"), auto("b.yaml", "b.example.com")]);
    let mut story = story.restart();
    story.sites.surroundings.acme = standing(&[]);
    assert_eq!(
        story.told(vec![auto("a.yaml", "a.example.com"), written("b.yaml", 1000, BROKEN)]),
        ["a.yaml of 1000 wants a.example.com", "b.yaml of 1000 wants b.example.com"]
    );
}

#[test]
fn options_reach_the_engine() {
    let mut story = Story::with_acme(&["zone"]);
    let text = format!("{}tls: {{challenge: dns-01, dns: zone}}\n", site("\"*.example.com\"", "one"));
    let step = story.sites.apply(vec![written("a.yaml", 1000, &text)]);
    let [Wish::Want(_, _, names, options)] = &*step.wishes else { panic!("{:?}", step.wishes) };
    assert_eq!(names.len(), 1, "a wildcard with a provider is wanted");
    assert_eq!(options.challenge, Some(ChallengeKind::Dns01));
    assert_eq!(options.dns, Some(SiteDns::Named("zone".to_owned())));
}

#[test]
fn certificates_come_from_where_names_and_settings_say() {
    let (public, all) = (Origin::Store { names: StoreNames::Public }, Origin::Store { names: StoreNames::All });
    for (tls, hosts, acme, expected) in [
        ("auto", "a.example.com", standing(&[]), &public),
        ("auto", "a.localhost, a.example.com", standing(&[]), &public),
        ("auto", "a.localhost", standing(&[]), &Origin::LocalCa),
        ("auto", "a.example.com", None, &Origin::LocalCa),
        ("acme", "a.localhost", standing(&[]), &all),
        ("acme", "a.example.com", None, &Origin::LocalCa),
        ("internal", "a.example.com", standing(&[]), &Origin::LocalCa),
    ] {
        let mut story = Story::new();
        story.sites.surroundings.acme = acme;
        story.write("a.yaml", &format!("{}tls: {tls}\n", site(hosts, "one")));
        let table = story.table.load();
        let live = table.resolve(hosts.split(", ").next().expect("a host")).expect("live");
        assert_eq!(story.sites.surroundings.origin(&live.vhost), *expected, "{tls} {hosts}");
    }
}

/// What the file of a site is told, with these providers in the settings: codes, and whether they are errors.
fn codes(acme: Option<AcmeStanding>, owner: u32, text: &str) -> Vec<(String, bool)> {
    let mut story = Story::new();
    story.sites.surroundings.acme = acme;
    story.apply(vec![written("a.yaml", owner, text)]);
    story.codes("a.yaml")
}

#[test]
fn owners_are_told_what_stands_in_the_way_of_a_certificate() {
    let named = "hosts: a.example.com\nrespond: one\ntls: {dns: zone}\n";
    let program = "hosts: a.example.com\nrespond: one\ntls: {dns: {exec: /usr/local/bin/dns}}\n";
    let wildcard = "hosts: \"*.example.com\"\nrespond: one\n";
    let challenge = "hosts: a.example.com\nrespond: one\nroutes:\n  /.well-known/acme-challenge: {respond: mine}\n";
    let below = "hosts: a.example.com\nrespond: one\nroutes:\n  /.well-known/acme-challenge/x: {respond: mine}\n";
    let beside = "hosts: a.example.com\nrespond: one\nroutes:\n  /.well-known: {respond: mine}\n";
    let acme = "hosts: a.example.com\nrespond: one\ntls: acme\n";
    let warning = |code: &str| vec![(code.to_owned(), false)];
    let error = |code: &str| vec![(code.to_owned(), true)];
    for (acme, owner, text, expected) in [
        (standing(&["zone"]), 1000, named, vec![]),
        (standing(&["other"]), 1000, named, error("V0509")),
        (standing(&[]), 1000, program, error("V0509")),
        (standing(&[]), 0, program, vec![]),
        (None, 1000, program, [warning("V0506"), error("V0509")].concat()),
        (standing(&["zone"]), 1000, wildcard, warning("V0510")),
        (standing(&["default"]), 1000, wildcard, vec![]),
        (bound("default", &[], "example.com"), 1000, wildcard, warning("V0510")),
        (bound("default", &[1000], "example.org"), 1000, wildcard, warning("V0510")),
        (bound("default", &[1000], "example.com"), 1000, wildcard, vec![]),
        (bound("default", &[], "example.com"), 0, wildcard, vec![]),
        (bound("zone", &[1001], "example.com"), 1000, named, error("V0509")),
        (bound("zone", &[1000], "example.org"), 1000, named, error("V0509")),
        (bound("zone", &[1000], "example.com"), 1000, named, vec![]),
        (standing(&[]), 1000, challenge, warning("V0508")),
        (standing(&[]), 1000, below, warning("V0508")),
        (standing(&[]), 1000, beside, vec![]),
        (None, 1000, acme, warning("V0506")),
        (standing(&[]), 1000, acme, vec![]),
        (None, 1000, named, [warning("V0506"), warning("V0208")].concat()),
    ] {
        let found = codes(acme, owner, text);
        let found: Vec<_> = found.into_iter().filter(|(code, _)| code.starts_with("V05") || code == "V0208").collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn no_wildcard_is_wanted_of_a_provider_that_does_not_serve_it() {
    for (acme, expected) in [
        (bound("default", &[], "example.com"), "a.example.com"),
        (bound("default", &[1000], "example.com"), "a.example.com *.example.com"),
        (bound("default", &[1000], "example.org"), "a.example.com"),
    ] {
        let mut story = Story::new();
        story.sites.surroundings.acme = acme;
        let text = site("a.example.com, \"*.example.com\"", "one");
        let step = story.sites.apply(vec![written("a.yaml", 1000, &text)]);
        let [Wish::Want(_, _, names, _)] = &*step.wishes else { panic!("{:?}", step.wishes) };
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        assert_eq!(names.join(" "), expected);
    }
}

#[test]
fn a_provider_that_the_settings_lose_takes_no_site_off() {
    let mut story = Story::with_acme(&["zone"]);
    let text = "hosts: a.example.com\nrespond: one\ntls: {dns: zone}\n";
    story.write("a.yaml", text);
    let mut story = story.restart();
    story.sites.surroundings.acme = standing(&[]);
    story.write("a.yaml", text);
    assert_eq!(story.answer("a.example.com").as_deref(), Some("one"));
    assert_eq!(story.codes("a.yaml"), [("V0509".to_owned(), false)]);
    story.write("a.yaml", &text.replace("one", "two"));
    assert_eq!(story.answer("a.example.com").as_deref(), Some("one"), "an edit is judged anew");
}

#[test]
fn an_import_is_for_the_one_tenant_who_holds_the_names() {
    let mut story = Story::with_acme(&[]);
    story.apply(vec![
        written("a.yaml", 1000, &site("a.example.com, www.a.example.com", "one")),
        written("b.yaml", 1001, &site("b.example.com", "two")),
        written("c.yaml", 1000, &site("x.c.example.com", "three")),
    ]);
    let holder = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| HostPattern::parse(name).expect("a name")).collect();
        story.sites.holder_of_all(&names).map(|tenant| tenant.0)
    };
    assert_eq!(holder(&["a.example.com", "www.a.example.com"]), Ok(1000));
    assert_eq!(holder(&["a.example.com", "old.a.example.com"]), Ok(1000), "a name that nobody holds does not matter");
    assert_eq!(holder(&["*.c.example.com"]), Ok(1000), "whoever holds names below a wildcard");
    for (names, what) in [
        (&["a.example.com", "b.example.com"][..], "several tenants"),
        (&["*.example.com"], "several tenants"),
        (&["d.example.com"], "write the site file first"),
        (&["*.d.example.com"], "write the site file first"),
        (&[], "write the site file first"),
    ] {
        let refused = holder(names).expect_err("refused");
        assert!(refused.contains(what), "{names:?}: {refused}");
    }
}

#[test]
fn certificates_are_ordered_for_as_many_names_as_the_tenant_may_have() {
    let settings = b"tenants: {1000: {limits: {certificates: 3}}}";
    let settings = vestibule_site::parse_settings(settings).value.expect("it parses");
    let mut story = Story::with_acme(&[]);
    story.sites.surroundings.tenancy = Tenancy::decide(&settings.tenancy, |_| None).0;
    assert_eq!(
        story.told(vec![auto("a.yaml", "a.example.com, b.example.com")]),
        ["a.yaml of 1000 wants a.example.com b.example.com"]
    );
    let over = auto("b.yaml", "c.example.com, d.example.com, e.example.com");
    assert_eq!(story.told(vec![over]), ["b.yaml of 1000 wants c.example.com"]);
    assert!(story.codes("b.yaml").contains(&("V0512".to_owned(), false)), "{:?}", story.codes("b.yaml"));
    assert_eq!(story.told(vec![auto("c.yaml", "f.example.com")]), ["c.yaml wants nothing"]);
    let of_another = written("d.yaml", 1001, &site("g.example.com", "one"));
    assert_eq!(story.told(vec![of_another]), ["d.yaml of 1001 wants g.example.com"]);
    // What one site gives up is asked for by those that wait, in order, without an edit of theirs.
    let limit = |story: &Story, id: &str| {
        let reports = story.row(id).reports;
        reports.into_iter().find(|report| report.code == "V0512").map(|report| (report.message, report.line))
    };
    let told =
        |count| Some((format!("no public certificate is ordered for {count} of the names of this site"), Some(1)));
    assert_eq!((limit(&story, "b.yaml"), limit(&story, "c.yaml")), (told(2), told(1)));
    let fewer = auto("a.yaml", "a.example.com");
    let expected = ["a.yaml of 1000 wants a.example.com", "b.yaml of 1000 wants c.example.com d.example.com"];
    assert_eq!(story.told(vec![fewer]), expected);
    assert_eq!((limit(&story, "b.yaml"), limit(&story, "c.yaml")), (told(1), told(1)));
    assert_eq!(
        story.told(vec![removed("a.yaml")]),
        ["a.yaml wants nothing", "b.yaml of 1000 wants c.example.com d.example.com e.example.com"]
    );
    assert_eq!((limit(&story, "b.yaml"), limit(&story, "c.yaml")), (None, told(1)));
    // A site that is changed and one that waits in the same step; a third does not want any more.
    let again = auto("b.yaml", "c.example.com, d.example.com, e.example.com, h.example.com");
    assert_eq!(story.told(vec![again]), ["b.yaml of 1000 wants c.example.com d.example.com e.example.com"]);
    let both = vec![auto("b.yaml", "c.example.com"), auto("c.yaml", "f.example.com, i.example.com, j.example.com")];
    let expected = ["b.yaml of 1000 wants c.example.com", "c.yaml of 1000 wants f.example.com i.example.com"];
    assert_eq!(story.told(both), expected);
    assert_eq!(limit(&story, "c.yaml"), told(1));
    story.told(vec![removed("b.yaml"), removed("c.yaml")]);
    assert_eq!(story.told(vec![auto("e.yaml", "a.example.com, b.example.com, c.example.com")]).len(), 1);
}

#[test]
fn whose_file_is_broken_is_told_where() {
    let mut story = Story::new();
    let claim = |story: &Story, name: &str| {
        let step = story.sites.explain_claim(&HostPattern::parse(name).expect("a name"));
        (step.standing, step.sentence)
    };
    story.write("good.yaml", "hosts: a.example.com\nrespond: one\n");
    let (_, before) = claim(&story, "a.example.com");
    story.write("good.yaml", "hosts: [a.example.com, b.example.com]\nrespond: one\nupstreem: 5000\n");
    let place = "good.yaml:3:1: unknown key `upstreem`";
    let (standing, sentence) = claim(&story, "a.example.com");
    assert!(standing != "good" && sentence.starts_with(&before) && sentence.contains(place), "{sentence}");

    let (standing, sentence) = claim(&story, "b.example.com");
    let expected = "the file that asks for b.example.com is broken, and gives it to no site until it is mended: ";
    assert_eq!((standing.as_str(), sentence), ("bad", format!("{expected}{place}")));

    story.write("good.yaml", "hosts: [a.example.com, b.example.com]\nrespond: one\n");
    for name in ["a.example.com", "b.example.com"] {
        assert!(!claim(&story, name).1.contains("broken"), "{name}");
    }
}
