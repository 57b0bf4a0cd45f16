//! The operator's rules one by one: subdomains, suffixes, lists, limits, proofs.

use super::*;

/// Alice (or the operator) holds some names; may Bob have this one?
fn check(holder: TenantId, held: &[&str], hosts: Option<&[&str]>, asked: &str, expected: Result<(), Code>) {
    let mut town = Town::default();
    let told = town.settle("a.yaml", holder, held);
    assert_eq!(told.granted.len(), held.len(), "{held:?}: {:?}", told.messages);
    let hosts = hosts.map(patterns);
    let rule = ClaimRule { hosts: hosts.as_deref(), ..RULE };
    let told = town.ask("b.yaml", BOB, rule, &[asked]);
    assert_eq!(
        told.codes.first().copied().map_or(Ok(()), Err),
        expected,
        "{held:?} {hosts:?} {asked}: {:?}",
        told.messages
    );
    assert_eq!(told.granted.len(), usize::from(expected.is_ok()));
}

#[test]
fn a_claimed_name_reserves_what_is_below_it() {
    let reserved = Err(catalogue::HOST_RESERVED);
    for (held, asked, expected) in [
        (&["example.com"][..], "x.example.com", reserved),
        (&["example.com"], "y.x.example.com", reserved),
        (&["example.com"], "*.example.com", reserved),
        (&["example.com"], "*.x.example.com", reserved),
        (&["example.com"], "example.org", Ok(())),
        (&["example.com"], "badexample.com", Ok(())),
        (&["x.example.com"], "example.com", Ok(())),
        (&["x.example.com"], "y.example.com", Ok(())),
        // A wildcard reserves what is below its name, not that name.
        (&["*.a.example.com"], "x.a.example.com", reserved),
        (&["*.a.example.com"], "y.x.a.example.com", reserved),
        (&["*.a.example.com"], "*.x.a.example.com", reserved),
        (&["*.a.example.com"], "a.example.com", Ok(())),
        // A wildcard that would cover names of others.
        (&["x.example.com"], "*.example.com", reserved),
        (&["y.x.example.com"], "*.example.com", reserved),
        (&["*.x.example.com"], "*.example.com", reserved),
        (&["x.example.com"], "*.y.example.com", Ok(())),
        (&["192.0.2.7"], "192.0.2.8", Ok(())),
        // Names that the public DNS does not know. One of one label is no zone.
        (&["test"], "blog.test", Ok(())),
        (&["blog.test"], "test", Ok(())),
        (&["blog.test"], "x.blog.test", reserved),
        (&["blog.test"], "shop.test", Ok(())),
    ] {
        check(ALICE, held, None, asked, expected);
    }
}

#[test]
fn a_wildcard_is_no_way_to_list_the_names_of_others() {
    let told = |tenant| {
        let mut town = Town::default();
        town.settle("a.yaml", ALICE, &["secret.shop.test"]);
        town.settle("b.yaml", tenant, &["*.shop.test"])
    };
    assert_eq!(told(BOB).messages, ["*.shop.test would cover a name that is held by another tenant"]);
}

#[test]
fn the_operator_delegates_by_listing() {
    let (reserved, not_allowed) = (Err(catalogue::HOST_RESERVED), Err(catalogue::HOST_NOT_ALLOWED));
    for (holder, held, hosts, asked, expected) in [
        (ROOT, &["users.example"][..], None, "bob.users.example", reserved),
        (ROOT, &["users.example"], Some(&["*.users.example"][..]), "bob.users.example", Ok(())),
        (ROOT, &["users.example"], Some(&["bob.users.example"]), "bob.users.example", Ok(())),
        (ROOT, &["users.example"], Some(&["*.bob.users.example"]), "*.bob.users.example", Ok(())),
        (ROOT, &["users.example"], Some(&["bob.users.example"]), "ann.users.example", not_allowed),
        (ROOT, &["lan"], None, "bob.lan", reserved),
        (ROOT, &["lan"], Some(&["*.lan"]), "bob.lan", Ok(())),
        (ROOT, &["*.users.example"], Some(&["*.users.example"]), "bob.users.example", Ok(())),
        // A list of everything below gives nobody a part of what another tenant claimed there.
        (ALICE, &["ann.users.example"], Some(&["*.users.example"]), "x.ann.users.example", reserved),
        (ALICE, &["ann.users.example"], Some(&["x.ann.users.example"]), "x.ann.users.example", Ok(())),
        (ALICE, &["a.test"], Some(&["*.b.test"]), "b.test", not_allowed),
        (ALICE, &["a.test"], Some(&["*.b.test"]), "c.x.b.test", Ok(())),
        (ALICE, &["a.test"], Some(&[]), "b.test", not_allowed),
    ] {
        check(holder, held, hosts, asked, expected);
    }
}

#[test]
fn public_suffixes_are_nobodys_but_the_operators() {
    let suffix = Err(catalogue::PUBLIC_SUFFIX);
    for (asked, expected) in [
        ("com", suffix),
        ("co.uk", suffix),
        ("*.co.uk", suffix),
        ("*.github.io", suffix),
        ("github.io", suffix),
        ("bob.github.io", Ok(())),
        ("*.bob.github.io", Ok(())),
        ("localhost", Ok(())),
        ("*.localhost", suffix),
        ("*.nonesuch", suffix),
        ("*.shop.localhost", Ok(())),
        ("blog.test", Ok(())),
        ("*.corp.internal", Ok(())),
        ("intranet", Ok(())),
        ("*.somewhere.nonesuch", Ok(())),
    ] {
        check(ALICE, &[], None, asked, expected);
    }
    check(ALICE, &[], Some(&["github.io"]), "github.io", Ok(()));
    check(ALICE, &[], Some(&["*.io"]), "github.io", suffix);
    let mut town = Town::default();
    assert_eq!(town.settle("o.yaml", ROOT, &["github.io", "*.co.uk"]).granted, ["github.io", "*.co.uk"]);
}

#[test]
fn a_name_of_one_label_gives_nobody_what_is_below_it() {
    let mut town = Town::default();
    let rule = ClaimRule { proof: Proof::DnsTxt, ..RULE };
    // A top-level domain that the list does not know yet is no proof for what is below it, in this file or in another.
    let told = town.ask("a.yaml", ALICE, rule, &["nonesuch", "bank.nonesuch"]);
    assert_eq!((told.granted, told.codes), (vec!["nonesuch".to_owned()], vec![catalogue::HOST_UNPROVEN]));
    assert_eq!(town.ask("b.yaml", ALICE, rule, &["x.bank.nonesuch"]).codes, [catalogue::HOST_UNPROVEN]);
    assert_eq!(town.claims.proven_by_zone(), []);
    let told = town.settle("c.yaml", ALICE, &["*.test", "test", "a.test"]);
    assert_eq!(
        (told.granted.len(), told.messages),
        (2, vec!["*.test would cover what everybody may claim".to_owned()])
    );
    assert_eq!(town.settle("d.yaml", BOB, &["b.test", "*.b.test"]).granted.len(), 2);
    // Whoever listed it, or runs a gateway of one's own, may have the wildcard; it reserves nothing.
    let hosts = patterns(&["*.lan"]);
    assert_eq!(town.ask("e.yaml", ALICE, ClaimRule { hosts: Some(&hosts), ..RULE }, &["*.lan"]).granted, ["*.lan"]);
    assert_eq!(town.settle("f.yaml", BOB, &["printer.lan"]).granted, ["printer.lan"]);
    let own = ClaimRule { single_labels: SingleLabels::Own, ..RULE };
    assert_eq!(town.ask("g.yaml", ALICE, own, &["*.localhost"]).granted, ["*.localhost"]);
}

#[test]
fn what_was_held_before_stays_its_holders() {
    let mut town = Town::default();
    town.settle("b.yaml", BOB, &["shop.example.com"]);
    town.settle("a.yaml", ALICE, &["example.com"]);
    assert_eq!(town.settle("b.yaml", BOB, &["shop.example.com", "new.example.com"]).granted, ["shop.example.com"]);
    assert_eq!(town.settle("a.yaml", ALICE, &["example.com", "x.shop.example.com"]).granted, ["example.com"]);
    // What is below Bob's name is his, and hers again when he is gone for good.
    assert_eq!(town.settle("b.yaml", BOB, &["shop.example.com", "y.shop.example.com"]).granted.len(), 2);
    town.remove("b.yaml");
    assert_eq!(town.settle("a.yaml", ALICE, &["example.com", "shop.example.com"]).granted, ["example.com"]);
    assert_eq!(town.pass(GRACE).woken, ["a.yaml"]);
    let names = ["example.com", "shop.example.com", "x.shop.example.com"];
    assert_eq!(town.settle("a.yaml", ALICE, &names).granted, names);
}

#[test]
fn who_waits_for_a_reserved_name_is_woken_when_the_name_above_is_free() {
    let mut town = Town::default();
    town.settle("a.yaml", ALICE, &["example.com"]);
    town.settle("b.yaml", BOB, &["x.example.com"]);
    let waits = town.claims.waits();
    assert_eq!(
        waits.iter().map(|wait| &wait.reason).collect::<Vec<_>>(),
        [&WaitReason::Reserved(pattern("example.com"))]
    );
    town.remove("a.yaml");
    assert_eq!(town.pass(GRACE).woken, ["b.yaml"]);
    assert_eq!(town.settle("b.yaml", BOB, &["x.example.com"]).granted, ["x.example.com"]);
}

#[test]
fn open_subdomains_are_anybodys() {
    let rule = ClaimRule { subdomains: Subdomains::Open, ..RULE };
    let mut town = Town::default();
    town.ask("a.yaml", ALICE, rule, &["example.com", "shop.example.com"]);
    let told = town.ask("b.yaml", BOB, rule, &["x.example.com", "*.example.com", "*.com"]);
    assert_eq!((told.granted.len(), told.codes), (2, vec![catalogue::PUBLIC_SUFFIX]));
}

#[test]
fn a_tenant_holds_so_many_names_and_no_more() {
    let mut town = Town::default();
    let rule = ClaimRule { names: 2, ..RULE };
    let told = town.ask("a.yaml", ALICE, rule, &["a.test", "b.test", "c.test"]);
    assert_eq!((told.granted.len(), told.codes), (2, vec![catalogue::NAMES_LIMIT]));
    // Neither an edit nor another file makes room: a name in its grace counts.
    assert_eq!(town.ask("a.yaml", ALICE, rule, &["a.test", "c.test"]).granted, ["a.test"]);
    assert_eq!(town.ask("d.yaml", ALICE, rule, &["d.test"]).granted, [""; 0]);
    assert_eq!(town.ask("b.yaml", BOB, rule, &["c.test"]).granted, ["c.test"], "others are not touched");
    let told = town.pass(GRACE);
    assert_eq!((told.released.len(), told.woken), (1, vec!["a.yaml".to_owned()]), "one name, one that waited for room");
    // Without a grace an edit makes its own room.
    let rule = ClaimRule { names: 1, grace: Duration::ZERO, ..RULE };
    let mut town = Town::default();
    town.ask("a.yaml", ALICE, rule, &["a.test"]);
    assert_eq!(town.ask("a.yaml", ALICE, rule, &["b.test"]).granted, ["b.test"]);
}

#[test]
fn room_that_the_woken_does_not_take_is_the_next_ones() {
    let rule = ClaimRule { names: 2, grace: Duration::ZERO, ..RULE };
    let full = || {
        let mut town = Town::default();
        town.ask("a.yaml", ALICE, rule, &["a.test", "b.test"]);
        for (file, name) in [("c.yaml", "c.test"), ("d.yaml", "d.test"), ("e.yaml", "e.test")] {
            assert_eq!(town.ask(file, ALICE, rule, &[name]).codes, [catalogue::NAMES_LIMIT]);
        }
        assert_eq!(town.ask("a.yaml", ALICE, rule, &["a.test"]).woken, ["c.yaml"]);
        town
    };
    // The woken is edited, removed, or cannot be settled before its turn comes.
    assert_eq!(full().ask("c.yaml", ALICE, rule, &["a.test"]).woken, ["d.yaml"]);
    assert_eq!(full().ask("c.yaml", BOB, rule, &["c.test"]).woken, ["d.yaml"]);
    assert_eq!(full().remove("c.yaml").woken, ["d.yaml"]);
    let mut town = full();
    assert_eq!(Told::from(town.claims.forgo_room(&site("c.yaml"))).woken, ["d.yaml"]);
    assert_eq!(Told::from(town.claims.forgo_room(&site("c.yaml"))).woken, [""; 0], "it waits for room no more");
    assert_eq!(town.ask("d.yaml", ALICE, rule, &["d.test"]).woken, [""; 0], "there is no more to pass on");
    // Two names come free before the woken is settled; it takes one.
    let mut town = full();
    assert_eq!(town.ask("a.yaml", ALICE, rule, &[]).woken, ["c.yaml"]);
    assert_eq!(town.ask("c.yaml", ALICE, rule, &["c.test"]).woken, ["d.yaml"]);
    assert_eq!(town.ask("d.yaml", ALICE, rule, &["d.test"]).woken, [""; 0]);
    assert_eq!(town.claims.waits().len(), 1);
}

#[test]
fn a_list_that_the_operator_shortens_takes_names_away() {
    let mut town = Town::default();
    town.settle("a.yaml", ALICE, &["a.test", "b.test"]);
    let hosts = patterns(&["a.test"]);
    let told = town.ask("a.yaml", ALICE, ClaimRule { hosts: Some(&hosts), ..RULE }, &["a.test", "b.test"]);
    assert_eq!((told.granted, told.codes), (vec!["a.test".to_owned()], vec![catalogue::HOST_NOT_ALLOWED]));
    assert!(town.claims.holder(&pattern("b.test")).unwrap().until.is_some());
}

#[test]
fn a_public_name_waits_for_its_proof() {
    let rule = ClaimRule { proof: Proof::DnsTxt, ..RULE };
    let domain = |name: &str| vestibule_names::Hostname::parse(name).unwrap();
    let mut town = Town::default();
    let told = town.ask("a.yaml", ALICE, rule, &["a.test", "example.com", "*.example.com", "localhost"]);
    assert_eq!(told.granted, ["a.test", "localhost"], "private names need none");
    assert_eq!(told.codes, [catalogue::HOST_UNPROVEN; 2]);
    assert_eq!(town.claims.unproven().collect::<Vec<_>>(), [(ALICE, &domain("example.com"))]);
    // Bob proves nothing by asking, and Alice's proof is not his.
    town.ask("b.yaml", BOB, rule, &["example.com"]);
    assert_eq!(Told::from(town.claims.prove(ALICE, &domain("example.com"))).woken, ["a.yaml"]);
    assert_eq!(town.ask("b.yaml", BOB, rule, &["example.com"]).granted, [""; 0]);
    let names = ["deep.x.example.com", "example.com", "*.example.com"];
    assert_eq!(town.ask("a.yaml", ALICE, rule, &names).granted, names);
    assert_eq!(town.ask("b.yaml", BOB, rule, &["example.com"]).codes, [catalogue::HOST_CLAIMED]);
    // Another file of hers waited for a proof that is not needed any more.
    let mut late = Town::default();
    late.ask("b.yaml", ALICE, rule, &["x.example.com"]);
    late.ask("a.yaml", ALICE, rule, &["example.com"]);
    assert_eq!(late.claims.proven_by_zone(), []);
    drop(late.claims.prove(ALICE, &domain("example.com")));
    assert_eq!(late.ask("a.yaml", ALICE, rule, &["example.com"]).granted, ["example.com"]);
    assert_eq!(late.claims.proven_by_zone(), [(ALICE, domain("x.example.com"))]);
    // What is held stays held without a look at DNS.
    let mut town = town.restart();
    assert_eq!(town.ask("a.yaml", ALICE, rule, &names).granted, names);
    // Nobody waits for it: nothing is remembered.
    assert_eq!(Told::from(town.claims.prove(BOB, &domain("nobody.example.org"))).woken, [""; 0]);
    // The operator's word is proof enough.
    let hosts = patterns(&["example.org"]);
    let listed = ClaimRule { hosts: Some(&hosts), ..rule };
    assert_eq!(town.ask("c.yaml", BOB, listed, &["example.org"]).granted, ["example.org"]);
    assert_eq!(town.ask("o.yaml", ROOT, rule, &["example.net"]).granted, ["example.net"]);
}

#[test]
fn a_tenant_learns_of_others_only_that_they_are_others() {
    let mut town = Town { now: 1_767_225_600, ..Town::default() };
    town.settle("secret/alices-startup.yaml", ALICE, &["x.test"]);
    for (names, file, tenant) in [(["x.test"], "b.yaml", BOB), (["*.x.test"], "b.yaml", BOB)] {
        let id = site(file);
        let petition = Petition { site: &id, tenant, rule: RULE, now: UnixTime(town.now) };
        let told = format!("{:?}", town.claims.preview(&petition, &wanted(&names)).diagnostics);
        assert!(told.contains("another tenant") && told.contains("2026-01-01 00:00 UTC"), "{told}");
        assert!(!told.contains("startup") && !told.contains("1000"), "{told}");
    }
    let told = town.settle("o.yaml", ROOT, &["x.test"]);
    assert_eq!(told.messages, ["x.test is held by uid 1000 (site secret/alices-startup.yaml)"]);
}
