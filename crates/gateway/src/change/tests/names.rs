//! Names over whole stories: grace, restarts, the operator's hand, limits. The clock is the test's.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

use vestibule_vhost::UnixTime;

use super::*;

const ANN: u32 = 1000;
const BOB: u32 = 1001;
/// The grace of the settings below.
const GRACE: u64 = 3600;

/// A story with settings and a clock.
struct Town {
    story: Story,
    now: Arc<AtomicU64>,
    tenancy: Tenancy,
}

impl Town {
    fn new(settings: &str) -> Self {
        let parsed = vestibule_site::parse_settings(format!("claims: {{grace: 1h}}\n{settings}").as_bytes());
        assert!(parsed.diagnostics.is_empty(), "{:?}", parsed.diagnostics);
        let (tenancy, _) = Tenancy::decide(&parsed.value.expect("it parses").tenancy, |_| None);
        Self { story: Story::new(), now: Arc::new(AtomicU64::new(1000)), tenancy }.dressed()
    }

    fn dressed(mut self) -> Self {
        let now = Arc::clone(&self.now);
        self.story.sites.surroundings.clock = Clock::of(move || UnixTime(now.load(SeqCst)));
        self.story.sites.surroundings.tenancy = self.tenancy.clone();
        self
    }

    fn restart(self) -> Self {
        Self { story: self.story.restart(), ..self }.dressed()
    }

    fn pass(&mut self, seconds: u64) {
        self.now.fetch_add(seconds, SeqCst);
        let step = self.story.sites.expire();
        self.story.publish(step);
    }

    fn put(&mut self, id: &str, owner: u32, hosts: &str) {
        self.story.apply(vec![written(id, owner, &super::site(hosts, id))]);
    }

    fn codes(&self, id: &str) -> Vec<String> {
        self.story.row(id).reports.into_iter().map(|report| report.code).collect()
    }
}

#[test]
fn a_name_given_up_waits_for_its_tenant_also_over_a_restart() {
    let mut town = Town::new("");
    town.put("a.yaml", ANN, "shop.test");
    town.put("b.yaml", BOB, "shop.test, bob.test");
    town.story.apply(vec![removed("a.yaml")]);
    assert_eq!(town.story.answer("shop.test"), None);
    let mut town = town.restart();
    // The attacker's file is read first.
    town.put("b.yaml", BOB, "shop.test, bob.test");
    assert_eq!((town.story.answer("shop.test"), town.story.answer("bob.test").as_deref()), (None, Some("b.yaml")));
    assert_eq!((town.story.state("b.yaml"), town.codes("b.yaml")), (SiteState::Partial, vec!["V0303".to_owned()]));
    assert_eq!(town.story.sites.expires_in(), Some(GRACE));
    town.pass(GRACE - 1);
    town.put("c.yaml", ANN, "shop.test");
    assert_eq!(town.story.answer("shop.test").as_deref(), Some("c.yaml"));
    town.story.apply(vec![removed("c.yaml")]);
    // The end of the grace wakes who waits, without an edit.
    town.pass(GRACE);
    assert_eq!(town.story.answer("shop.test").as_deref(), Some("b.yaml"));
    assert_eq!(town.story.state("b.yaml"), SiteState::Live);
    let mut town = town.restart();
    town.put("a.yaml", ANN, "shop.test");
    assert_eq!(town.story.answer("shop.test"), None, "the ledger knows the new holder");
}

#[test]
fn the_operators_hand_moves_a_name_at_once() {
    let mut town = Town::new("");
    let name = HostPattern::parse("shop.test").expect("a pattern");
    town.put("a.yaml", ANN, "shop.test, ann.test");
    town.put("b.yaml", BOB, "shop.test");
    let (step, before) = town.story.sites.transfer(&name, TenantId(BOB)).expect("moved");
    town.story.publish(step);
    assert_eq!(before.tenant, TenantId(ANN));
    assert_eq!(town.story.answer("shop.test").as_deref(), Some("b.yaml"));
    assert_eq!(town.story.answer("ann.test").as_deref(), Some("a.yaml"), "her other names stay");
    assert_eq!((town.story.state("a.yaml"), town.codes("a.yaml")), (SiteState::Partial, vec!["V0303".to_owned()]));
    let (step, _) = town.story.sites.free(&name).expect("freed");
    town.story.publish(step);
    assert_eq!(town.story.answer("shop.test").as_deref(), Some("a.yaml"), "who waited gets it");
    let town = town.restart();
    assert_eq!(town.story.sites.holder(&name).map(|claim| claim.tenant), Some(TenantId(ANN)));
}

#[test]
fn a_site_that_cannot_go_live_anew_loses_a_name_all_the_same() {
    let name = HostPattern::parse("shop.test").expect("a pattern");
    for has_waiter in [true, false] {
        let mut town = Town::new("");
        town.story.write("a.yaml", "hosts: [shop.test, ann.test]\nupstream: 7000\n");
        let put_bob = |town: &mut Town| town.put("b.yaml", BOB, "shop.test");
        if has_waiter {
            put_bob(&mut town);
        }
        // From now on the version that is live would be refused.
        town.story.sites.surroundings.listen.push("127.0.0.1:7000".parse().expect("an address"));
        let (step, _) = town.story.sites.transfer(&name, TenantId(BOB)).expect("moved");
        town.story.publish(step);
        let holder = |town: &Town, host| town.story.table.load().resolve(host).map(|site| site.vhost.tenant.0);
        assert_eq!(holder(&town, "shop.test"), has_waiter.then_some(BOB));
        assert_eq!(holder(&town, "ann.test"), Some(ANN), "her other names stay");
        put_bob(&mut town);
        // Her next edit takes nothing out of the table that is not hers.
        town.put("a.yaml", ANN, "ann.test");
        assert_eq!(holder(&town, "shop.test"), Some(BOB));
        town.story.apply(vec![removed("a.yaml")]);
        assert_eq!(holder(&town, "shop.test"), Some(BOB));
    }
}

#[test]
fn files_over_the_limit_wait_outside_and_come_in_when_there_is_room() {
    let mut town = Town::new("tenants: {default: {limits: {sites: 2}}}\n");
    for number in 0..5 {
        town.put(&format!("a{number}.yaml"), ANN, &format!("a{number}.test"));
    }
    town.put("b.yaml", BOB, "b.test");
    let served = |town: &Town| -> Vec<usize> {
        (0..5).filter(|number| town.story.answer(&format!("a{number}.test")).is_some()).collect()
    };
    assert_eq!((served(&town), town.codes("a4.yaml")), (vec![0, 1], vec!["V0607".to_owned()]));
    let record = town.story.sites.records.get(&SiteId::new("a4.yaml")).expect("known by its name");
    assert!(record.reports().is_empty() && record.asked_for().is_empty(), "and nothing else is kept of it");
    assert_eq!(town.story.answer("b.test").as_deref(), Some("b.yaml"));
    town.story.apply(vec![removed("a0.yaml")]);
    let turns = town.story.sites.turns();
    assert_eq!(turns, [SiteId::new("a2.yaml")]);
    town.put("a2.yaml", ANN, "a2.test");
    assert_eq!(served(&town), [1, 2]);
    // Who was in before a restart is in before anybody else, whatever the files are called.
    let mut town = town.restart();
    for number in [3, 4, 1, 2] {
        town.put(&format!("a{number}.yaml"), ANN, &format!("a{number}.test"));
    }
    assert_eq!(served(&town), [1, 2]);
    // Somebody who is gone, or cannot be read, keeps nobody out.
    town.story.apply(vec![removed("a1.yaml")]);
    assert_eq!(town.story.sites.turns(), [SiteId::new("a3.yaml")]);
    town.story.apply(vec![unreadable("a3.yaml")]);
    assert_eq!(town.story.sites.turns(), [SiteId::new("a4.yaml")]);
    town.put("a4.yaml", ANN, "a4.test");
    assert_eq!(served(&town), [2, 4]);
}

#[test]
fn an_allow_list_and_a_limit_of_names_quarantine_the_name_alone() {
    let mut town = Town::new("tenants: {1000: {hosts: ['*.ann.test'], limits: {names: 2}}}\n");
    town.put("a.yaml", ANN, "a.ann.test, shop.test, b.ann.test, c.ann.test");
    assert_eq!(town.codes("a.yaml"), ["V0308", "V0309"]);
    assert_eq!(town.story.answer("b.ann.test").as_deref(), Some("a.yaml"));
    assert_eq!((town.story.answer("shop.test"), town.story.answer("c.ann.test")), (None, None));
    town.put("b.yaml", BOB, "shop.test");
    assert_eq!(town.story.answer("shop.test").as_deref(), Some("b.yaml"));
}

#[test]
fn a_site_that_cannot_go_live_keeps_a_freed_name_from_nobody() {
    let mut town = Town::new("tenants: {default: {limits: {names: 2}}}\n");
    town.put("a.yaml", ANN, "a.test, spare.test");
    town.story.write("b.yaml", "hosts: b.test\nupstream: 7000\n");
    town.put("c.yaml", ANN, "c.test");
    assert_eq!((town.codes("b.yaml"), town.codes("c.yaml")), (vec!["V0309".to_owned()], vec!["V0309".to_owned()]));
    // From now on the site that waits longest would be refused.
    town.story.sites.surroundings.listen.push("127.0.0.1:7000".parse().expect("an address"));
    town.put("a.yaml", ANN, "a.test");
    town.pass(GRACE);
    assert_eq!(town.story.answer("c.test").as_deref(), Some("c.yaml"));
    assert_eq!((town.story.state("b.yaml"), town.story.state("c.yaml")), (SiteState::Broken, SiteState::Live));
}

#[test]
fn a_flood_of_one_tenant_leaves_nothing_behind_but_its_names() {
    const FILES: usize = 20_000;
    let mut town = Town::new("tenants: {default: {limits: {sites: 10}}}\n");
    let padding = "# ".repeat(2000);
    for chunk in (0..FILES).collect::<Vec<_>>().chunks(1000) {
        let text = |number: &usize| format!("hosts: n{number}.test\nrespond: x\n{padding}\n");
        let changes = chunk.iter().map(|number| written(&format!("f{number}.yaml"), ANN, &text(number))).collect();
        town.story.apply(changes);
    }
    town.put("b.yaml", BOB, "b.test");
    assert_eq!(town.story.answer("b.test").as_deref(), Some("b.yaml"));
    let kept = town.story.sites.records.values().filter(|record| record.is_of_use()).count();
    assert_eq!((town.story.table.load().len(), kept), (11, 11));
}

#[test]
fn a_file_outside_that_changes_hands_is_forgotten_by_the_first_owner() {
    let mut town = Town::new("tenants: {default: {limits: {sites: 1}}}\n");
    for id in ["a0.yaml", "a1.yaml", "a2.yaml"] {
        town.put(id, ANN, &format!("{id}.test"));
    }
    town.put("a1.yaml", BOB, "bob.test");
    town.story.apply(vec![removed("a0.yaml")]);
    assert_eq!(town.story.sites.turns(), [SiteId::new("a2.yaml")], "the turn is that of a file of hers");
}
