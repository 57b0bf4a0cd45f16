//! The site-change walk over whole stories: edits, mistakes, conflicts, restarts. The table and the ledger are the real
//! ones; only files are made up.

mod names;
mod public;

use std::collections::BTreeMap;

use vestibule_names::SiteId;
use vestibule_vhost::{LiveTable, VhostTable};
use vestibule_watch::{Change, SiteFile};

use super::*;

/// A box: sites over a real ledger, and the table they publish.
struct Story {
    dir: tempfile::TempDir,
    sites: Sites,
    table: LiveTable<LiveSite>,
}

impl Story {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (sites, table) = open(dir.path());
        Self { dir, sites, table }
    }

    /// As after a `kill -9`: nothing but the ledger is left.
    fn restart(self) -> Self {
        let Self { dir, sites, table } = self;
        drop((sites, table));
        let (sites, table) = open(dir.path());
        Self { dir, sites, table }
    }

    fn publish(&mut self, step: Step) {
        self.sites.commit(step.ledger).expect("the ledger takes it");
        self.table.publish(step.table);
    }

    fn apply(&mut self, changes: Vec<Change>) {
        let step = self.sites.apply(changes);
        self.publish(step);
    }

    fn write(&mut self, id: &str, text: &str) {
        self.apply(vec![written(id, 1000, text)]);
    }

    /// Which version answers for a host: the body of its fixed response, or nothing.
    fn answer(&self, host: &str) -> Option<String> {
        answer(&self.table.load(), host)
    }

    fn state(&self, id: &str) -> SiteState {
        self.row(id).state
    }

    fn row(&self, id: &str) -> crate::admin::model::SiteRow {
        self.sites
            .page(crate::admin::Caller::Operator, None, 1000)
            .sites
            .into_iter()
            .find(|row| row.site == id)
            .expect("a row")
    }
}

fn open(dir: &std::path::Path) -> (Sites, LiveTable<LiveSite>) {
    let ledger = Ledger::open(dir).expect("opens");
    let claims = ledger.claims().expect("reads");
    let surroundings = Surroundings {
        certifier: Certifier::Review { gateway_uid: 0 },
        ledger: Some(ledger),
        listen: vec!["0.0.0.0:443".parse().expect("an address")],
        admin_sockets: ["admin.sock", "tenants.sock"].map(|name| dir.join(name)).to_vec(),
        acme: None,
        tenancy: Tenancy::default(),
        clock: Clock::of_the_wall(),
    };
    (Sites::new(surroundings, claims), LiveTable::new())
}

fn written(id: &str, owner: u32, text: &str) -> Change {
    Change::Written(SiteFile { id: SiteId::new(id), owner: TenantId(owner), bytes: text.as_bytes().to_vec() })
}

fn removed(id: &str) -> Change {
    Change::Removed(SiteId::new(id))
}

fn site(hosts: &str, version: &str) -> String {
    format!("hosts: [{hosts}]\nrespond: {version}\n")
}

fn answer(table: &VhostTable<LiveSite>, host: &str) -> Option<String> {
    let site = table.resolve(host)?;
    let route = site.vhost.route("/")?;
    match &route.action {
        vestibule_vhost::Action::Respond(respond) => Some(respond.body.to_string()),
        _ => None,
    }
}

const BROKEN: &str = "hosts: a.test\nupstram: 5000\n";

#[test]
fn a_broken_edit_keeps_the_last_good_version_and_the_next_good_one_replaces_it() {
    let mut story = Story::new();
    story.write("a.yaml", &site("a.test", "one"));
    assert_eq!((story.answer("a.test").as_deref(), story.state("a.yaml")), (Some("one"), SiteState::Live));
    story.write("a.yaml", BROKEN);
    assert_eq!((story.answer("a.test").as_deref(), story.state("a.yaml")), (Some("one"), SiteState::Stale));
    assert!(story.row("a.yaml").reports.iter().any(|report| report.is_error() && report.line == Some(2)));
    story.write("a.yaml", &site("a.test", "two"));
    assert_eq!((story.answer("a.test").as_deref(), story.state("a.yaml")), (Some("two"), SiteState::Live));
    assert!(story.row("a.yaml").reports.is_empty());
}

#[test]
fn a_site_that_was_never_good_is_broken_and_served_by_nobody() {
    let mut story = Story::new();
    story.write("a.yaml", BROKEN);
    assert_eq!((story.answer("a.test"), story.state("a.yaml")), (None, SiteState::Broken));
}

#[test]
fn the_last_good_version_survives_a_restart_also_when_the_file_cannot_be_opened() {
    for broken in [written("a.yaml", 1000, BROKEN), unreadable("a.yaml")] {
        let mut story = Story::new();
        story.write("a.yaml", &site("a.test", "one"));
        let mut story = story.restart();
        assert_eq!(story.answer("a.test"), None);
        story.apply(vec![broken]);
        assert_eq!((story.answer("a.test").as_deref(), story.state("a.yaml")), (Some("one"), SiteState::Stale));
    }
}

#[test]
fn another_users_broken_file_does_not_inherit_the_site_that_had_its_name() {
    let mut story = Story::new();
    story.write("a.yaml", &site("a.test", "one"));
    let mut story = story.restart();
    story.apply(vec![written("a.yaml", 1001, BROKEN)]);
    assert_eq!((story.answer("a.test"), story.state("a.yaml")), (None, SiteState::Broken));
}

#[test]
fn the_earlier_claim_holds_over_restarts_and_the_losers_other_names_work() {
    let mut story = Story::new();
    story.write("z.yaml", &site("shared.test, z.test", "first"));
    story.write("a.yaml", &site("shared.test, a.test", "second"));
    for _ in 0..2 {
        assert_eq!(story.answer("shared.test").as_deref(), Some("first"));
        assert_eq!(story.answer("a.test").as_deref(), Some("second"));
        assert_eq!((story.state("z.yaml"), story.state("a.yaml")), (SiteState::Live, SiteState::Partial));
        let told = |id: &str, words: &str| story.row(id).reports.iter().any(|report| report.message.contains(words));
        assert!(told("a.yaml", "z.yaml"), "the loser learns who holds it");
        assert!(told("z.yaml", "a.yaml"), "the holder learns who asks");
        story = story.restart();
        // A start reads files in order of name: the later claim comes first, and still loses.
        story.apply(vec![
            written("a.yaml", 1000, &site("shared.test, a.test", "second")),
            written("z.yaml", 1000, &site("shared.test, z.test", "first")),
        ]);
    }
    story.apply(vec![removed("z.yaml")]);
    assert_eq!(story.answer("shared.test").as_deref(), Some("second"), "the wait is over");
    assert_eq!((story.answer("z.test"), story.state("a.yaml")), (None, SiteState::Live));
}

#[test]
fn a_stale_site_that_waits_gets_the_name_when_it_is_free_and_stays_stale() {
    let mut story = Story::new();
    story.write("a.yaml", &site("shared.test", "holder"));
    story.write("b.yaml", &site("shared.test, b.test", "waiter"));
    story.write("b.yaml", BROKEN);
    assert_eq!(story.state("b.yaml"), SiteState::Stale);
    story.apply(vec![removed("a.yaml")]);
    assert_eq!(story.answer("shared.test").as_deref(), Some("waiter"));
    assert_eq!(story.state("b.yaml"), SiteState::Stale);
}

#[test]
fn a_renamed_file_keeps_its_names_against_those_who_wait() {
    let mut story = Story::new();
    story.write("a.yaml", &site("shared.test", "holder"));
    story.write("b.yaml", &site("shared.test", "waiter"));
    story.apply(vec![removed("a.yaml"), written("c.yaml", 1000, &site("shared.test", "holder"))]);
    assert_eq!(story.answer("shared.test").as_deref(), Some("holder"));
    assert_eq!((story.state("b.yaml"), story.state("c.yaml")), (SiteState::Partial, SiteState::Live));
}

#[test]
fn names_that_an_edit_drops_lead_nowhere_and_unreleased_ones_stay() {
    let mut story = Story::new();
    story.write("a.yaml", &site("a.test, b.test, '*.c.test'", "one"));
    story.write("a.yaml", &site("b.test", "two"));
    assert_eq!((story.answer("a.test"), story.answer("x.c.test")), (None, None));
    assert_eq!(story.answer("b.test").as_deref(), Some("two"));
    assert_eq!(story.table.load().len(), 1);
}

#[test]
fn what_went_while_the_gateway_was_down_is_released() {
    let mut story = Story::new();
    story.write("gone.yaml", &site("a.test", "old"));
    let mut story = story.restart();
    story.apply(vec![written("new.yaml", 1000, &site("a.test", "new"))]);
    assert_eq!(story.answer("a.test"), None, "held by the ledger until the scan is complete");
    let step = story.sites.settle_missing(|id| Change::Removed(id.clone()));
    story.publish(step);
    assert_eq!(story.answer("a.test").as_deref(), Some("new"));
}

#[test]
fn an_upstream_that_leads_back_is_refused() {
    let mut story = Story::new();
    let socket = |name| format!("unix:{}", story.dir.path().join(name).display());
    for upstream in ["443".to_owned(), "localhost:443".to_owned(), socket("admin.sock"), socket("tenants.sock")] {
        story.write("a.yaml", &format!("hosts: a.test\nupstream: {upstream}\n"));
        let reports = story.row("a.yaml").reports;
        assert!(reports.iter().any(|report| report.code == "V0406"), "{upstream}: {reports:?}");
    }
}

fn unreadable(id: &str) -> Change {
    unreadable_of(id, None)
}

fn unreadable_of(id: &str, owner: Option<u32>) -> Change {
    Change::Unreadable { id: SiteId::new(id), owner: owner.map(TenantId), problem: OpenError::Symlink }
}

#[test]
fn another_users_unreadable_file_ends_the_site_and_ones_own_does_not() {
    for (owner, kept) in [(None, true), (Some(1000), true), (Some(0), true), (Some(1001), false)] {
        for restarts in [false, true] {
            let mut story = Story::new();
            story.write("a.yaml", &site("a.test", "one"));
            if restarts {
                story = story.restart();
            }
            story.apply(vec![unreadable_of("a.yaml", owner)]);
            let expected = if kept { (Some("one"), SiteState::Stale) } else { (None, SiteState::Broken) };
            assert_eq!((story.answer("a.test").as_deref(), story.state("a.yaml")), expected, "{owner:?} {restarts}");
            assert_eq!(story.row("a.yaml").owner, if kept { 1000 } else { 1001 });
        }
    }
}

#[test]
fn a_file_that_cannot_be_opened_makes_nobody_the_operator() {
    let mut story = Story::new();
    story.write("a.yaml", &site("shared.test", "holder"));
    story.write("b.yaml", &site("shared.test", "waiter"));
    story.apply(vec![unreadable("b.yaml")]);
    assert_eq!(story.row("b.yaml").owner, 1000);
    story.apply(vec![removed("a.yaml")]);
    let table = story.table.load();
    let live = table.resolve("shared.test").expect("the wait is over");
    assert_eq!(live.vhost.tenant, TenantId(1000));
    story.apply(vec![unreadable("never-seen.yaml")]);
    assert_eq!(story.row("never-seen.yaml").owner, UNKNOWN_OWNER.0);
}

#[test]
fn another_users_broken_file_ends_the_site_at_once_as_it_would_after_a_restart() {
    let mut story = Story::new();
    story.write("a.yaml", &site("a.test", "one"));
    story.write("b.yaml", &site("a.test", "waiter"));
    story.apply(vec![written("a.yaml", 1001, BROKEN)]);
    assert_eq!((story.answer("a.test").as_deref(), story.state("a.yaml")), (Some("waiter"), SiteState::Broken));
    let mut story = story.restart();
    story.apply(vec![written("a.yaml", 1001, BROKEN), written("b.yaml", 1000, &site("a.test", "waiter"))]);
    assert_eq!((story.answer("a.test").as_deref(), story.state("a.yaml")), (Some("waiter"), SiteState::Broken));
}

#[test]
fn a_site_that_cannot_be_looked_at_after_a_restart_keeps_its_names_and_its_last_good_version() {
    let mut story = Story::new();
    story.write("closed/a.yaml", &site("a.test", "one"));
    let mut story = story.restart();
    story.apply(vec![written("b.yaml", 1001, &site("a.test", "taker"))]);
    let closed = || OpenError::Io(std::io::ErrorKind::PermissionDenied.into());
    let step = story.sites.settle_missing(|id| Change::Unreadable { id: id.clone(), owner: None, problem: closed() });
    story.publish(step);
    assert_eq!(story.answer("a.test").as_deref(), Some("one"));
    assert_eq!((story.state("closed/a.yaml"), story.state("b.yaml")), (SiteState::Stale, SiteState::Partial));
}

#[test]
fn a_ledger_that_failed_is_opened_anew_and_loses_nothing() {
    let mut story = Story::new();
    story.write("a.yaml", &site("a.test", "one"));
    let step = story.sites.apply(vec![written("b.yaml", 1000, &site("b.test", "two"))]);
    let ledger = story.sites.surroundings.ledger.as_mut().expect("a ledger");
    ledger.fail_once();
    assert!(story.sites.commit(step.ledger).is_err());
    assert!(story.sites.uncommitted() > 0);
    story.write("c.yaml", &site("c.test", "three"));
    assert_eq!(story.sites.uncommitted(), 0);
    let mut story = story.restart();
    story.apply(["a.yaml", "b.yaml", "c.yaml"].map(|id| written(id, 1000, BROKEN)).into());
    assert_eq!(["a.test", "b.test", "c.test"].map(|host| story.answer(host).is_some()), [true; 3]);
}

#[test]
fn what_waits_for_certificate_files_goes_live_when_they_fit() {
    let mut story = Story::new();
    let missing = story.dir.path().join("chain.pem");
    let text = format!("hosts: a.test\nrespond: one\ntls: {{chain: {0}, key: {0}}}\n", missing.display());
    story.write("a.yaml", &text);
    assert_eq!(story.state("a.yaml"), SiteState::Broken);
    let (step, next) = story.sites.refresh_files(None, 10);
    assert!(step.table.is_empty() && next.is_none(), "nothing has changed");
    std::fs::write(&missing, "no certificate either").expect("written");
    story.sites.refresh_files(None, 10);
    let reports = story.row("a.yaml").reports;
    assert!(reports.iter().any(|report| report.code != "V0501" && report.code.starts_with("V05")), "{reports:?}");
}

#[test]
fn a_name_that_comes_free_does_not_end_the_wait_for_certificate_files() {
    let mut story = Story::new();
    let missing = story.dir.path().join("chain.pem");
    story.write("a.yaml", &site("shared.test", "holder"));
    story.write("b.yaml", &site("shared.test, b.test", "waiter"));
    story.write("b.yaml", &format!("hosts: b.test\nrespond: new\ntls: {{chain: {0}, key: {0}}}\n", missing.display()));
    assert_eq!(story.state("b.yaml"), SiteState::Stale);
    story.apply(vec![removed("a.yaml")]);
    assert_eq!(story.answer("shared.test").as_deref(), Some("waiter"));
    let told = story.row("b.yaml").reports;
    std::fs::write(&missing, "no certificate either").expect("written");
    story.sites.refresh_files(None, 10);
    assert_ne!(story.row("b.yaml").reports, told, "it was tried again");
}

#[test]
fn a_file_that_went_and_came_in_one_step_keeps_its_last_good_version() {
    let mut story = Story::new();
    story.write("a.yaml", &site("a.test", "one"));
    story.apply(vec![removed("a.yaml"), written("a.yaml", 1000, &site("a.test", "one"))]);
    let mut story = story.restart();
    story.apply(vec![written("a.yaml", 1000, BROKEN)]);
    assert_eq!(story.answer("a.test").as_deref(), Some("one"));
}

#[test]
fn the_operators_hand_on_a_tenants_file_ends_nothing() {
    let mut story = Story::new();
    story.write("a.yaml", &site("a.test", "one"));
    for _ in 0..2 {
        story.apply(vec![written("a.yaml", 0, BROKEN)]);
        let table = story.table.load();
        assert_eq!(table.resolve("a.test").expect("served").vhost.tenant, TenantId(1000));
        assert_eq!(story.row("a.yaml").owner, 0);
        story = story.restart();
    }
}

/// A small generator: the same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }
}

/// The files of a box as an oracle sees them: text and owner.
type Files = BTreeMap<String, (u32, String)>;

#[test]
fn after_any_story_a_restart_brings_the_same_table_back() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let mut story = Story::new();
        let mut files = Files::new();
        for version in 0..60 {
            let id = format!("s{}.yaml", dice.roll(6));
            let change = match dice.roll(5) {
                0 => {
                    files.remove(&id);
                    removed(&id)
                }
                1 => {
                    let owner = files.get(&id).map_or(1000, |(owner, _)| *owner);
                    files.insert(id.clone(), (owner, BROKEN.to_owned()));
                    written(&id, owner, BROKEN)
                }
                _ => {
                    let hosts = format!("h{}.test, h{}.test", dice.roll(5), 5 + dice.roll(5));
                    let text = site(&hosts, &format!("v{version}"));
                    files.insert(id.clone(), (1000, text.clone()));
                    written(&id, 1000, &text)
                }
            };
            story.apply(vec![change]);
        }
        let hosts: Vec<_> = (0..10).map(|host| format!("h{host}.test")).collect();
        let before: Vec<_> = hosts.iter().map(|host| story.answer(host)).collect();
        let mut story = story.restart();
        story.apply(files.iter().map(|(id, (owner, text))| written(id, *owner, text)).collect());
        let step = story.sites.settle_missing(|id| Change::Removed(id.clone()));
        story.publish(step);
        let after: Vec<_> = hosts.iter().map(|host| story.answer(host)).collect();
        assert_eq!(before, after, "seed {seed}");
    }
}
