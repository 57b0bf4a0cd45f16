//! Claims over whole stories: strings in, holders out. Time is a number.

mod hijack;
mod random;
mod rules;

use std::time::Duration;

use vestibule_diagnostics::{Code, Span, catalogue};
use vestibule_site::tenancy::{Proof, Subdomains};

use super::*;

const ALICE: TenantId = TenantId(1000);
const BOB: TenantId = TenantId(1001);
const ROOT: TenantId = TenantId::OPERATOR;
const GRACE: u64 = 100;

/// The defaults of the settings, with a grace that is quick to write.
const RULE: ClaimRule<'static> = ClaimRule {
    hosts: None,
    names: 100,
    subdomains: Subdomains::Reserved,
    proof: Proof::FirstCome,
    grace: Duration::from_secs(GRACE),
    single_labels: SingleLabels::Everybodys,
};

fn site(name: &str) -> SiteId {
    SiteId::new(name)
}

fn pattern(name: &str) -> HostPattern {
    HostPattern::parse(name).unwrap()
}

fn patterns(names: &[&str]) -> Vec<HostPattern> {
    names.iter().map(|name| pattern(name)).collect()
}

fn wanted(names: &[&str]) -> Vec<Spanned<HostPattern>> {
    let spanned = |(at, name): (usize, &&str)| Spanned { value: pattern(name), span: Span { start: at, end: at + 1 } };
    names.iter().enumerate().map(spanned).collect()
}

/// Claims, a clock and a rule: what a test moves.
#[derive(Default)]
struct Town {
    claims: Claims,
    now: u64,
}

impl Town {
    /// Settles; what may be served, and what was refused with which code.
    fn ask(&mut self, file: &str, tenant: TenantId, rule: ClaimRule<'_>, names: &[&str]) -> Told {
        let (id, wanted) = (site(file), wanted(names));
        let petition = Petition { site: &id, tenant, rule, now: UnixTime(self.now) };
        let preview = self.claims.preview(&petition, &wanted);
        let settled = self.claims.settle(&petition, &wanted);
        assert_eq!(preview.granted, settled.granted, "a preview says what is settled");
        assert_eq!(format!("{:?}", preview.diagnostics), format!("{:?}", settled.diagnostics));
        self.claims.held.check();
        Told::from(settled)
    }

    /// By the usual rule.
    fn settle(&mut self, file: &str, tenant: TenantId, names: &[&str]) -> Told {
        self.ask(file, tenant, RULE, names)
    }

    fn remove(&mut self, file: &str) -> Told {
        let id = site(file);
        let petition = Petition { site: &id, tenant: ROOT, rule: RULE, now: UnixTime(self.now) };
        let settled = self.claims.release(&petition);
        self.claims.held.check();
        Told::from(settled)
    }

    fn pass(&mut self, seconds: u64) -> Told {
        self.now += seconds;
        let settled = self.claims.expire(UnixTime(self.now));
        self.claims.held.check();
        Told::from(settled)
    }

    fn holder(&self, name: &str) -> Option<TenantId> {
        self.claims.holder(&pattern(name)).map(|claim| claim.tenant)
    }

    /// Nothing but what the ledger keeps is left.
    fn restart(self) -> Self {
        let ledger: Vec<_> = self.claims.iter().map(|(name, claim)| (name.clone(), claim.clone())).collect();
        Self { claims: Claims::restore(ledger), now: self.now }
    }
}

/// A settlement in words.
#[derive(Debug)]
struct Told {
    granted: Vec<String>,
    codes: Vec<Code>,
    messages: Vec<String>,
    released: Vec<String>,
    woken: Vec<String>,
}

impl From<Settlement> for Told {
    fn from(settled: Settlement) -> Self {
        let text = |patterns: &[HostPattern]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
        Self {
            granted: text(&settled.granted),
            codes: settled.diagnostics.iter().map(|found| found.code).collect(),
            messages: settled.diagnostics.iter().map(|found| found.message.clone()).collect(),
            released: text(&settled.released),
            woken: settled.woken.iter().chain(&settled.unseated).map(ToString::to_string).collect(),
        }
    }
}

#[test]
fn the_earlier_claim_holds_and_other_names_work() {
    let mut town = Town::default();
    town.settle("a.yaml", ALICE, &["x.test"]);
    let names = ["y.test", "x.test", "z.test", "y.test"];
    let settled = town
        .claims
        .settle(&Petition { site: &site("b.yaml"), tenant: BOB, rule: RULE, now: UnixTime(9) }, &wanted(&names));
    assert_eq!(settled.granted, patterns(&["y.test", "z.test"]));
    let noted: Vec<_> = settled.recorded.iter().map(|(_, claim)| (claim.since, claim.at.0, claim.until)).collect();
    assert_eq!(noted, [(1, 9, None), (2, 9, None)]);
    let [lost] = &settled.diagnostics[..] else { panic!("one name is lost: {:?}", settled.diagnostics) };
    assert_eq!(lost.code, catalogue::HOST_CLAIMED);
    assert_eq!(lost.message, "x.test is held by another tenant");
    assert_eq!(lost.primary.as_ref().unwrap().span.start, 1);
    let contenders: Vec<_> = town.claims.contenders(&site("a.yaml")).collect();
    assert_eq!(contenders, [(&pattern("x.test"), BOB, &site("b.yaml"))]);
    assert_eq!(town.claims.contenders(&site("b.yaml")).count(), 0);
}

#[test]
fn a_name_that_was_given_up_is_its_tenants_for_a_while() {
    let mut town = Town::default();
    town.settle("a.yaml", ALICE, &["x.test", "y.test"]);
    assert_eq!(town.settle("b.yaml", BOB, &["x.test"]).granted, [""; 0]);
    // An edit, and a removal.
    assert_eq!(town.settle("a.yaml", ALICE, &["y.test"]).woken, [""; 0]);
    assert_eq!(town.remove("a.yaml").released, [""; 0]);
    town.now += GRACE - 1;
    assert_eq!(town.settle("b.yaml", BOB, &["x.test"]).codes, [catalogue::HOST_CLAIMED]);
    // Any file of hers takes it back, and the claim is as old as it was.
    assert_eq!(town.settle("c.yaml", ALICE, &["x.test"]).granted, ["x.test"]);
    let claim = town.claims.holder(&pattern("x.test")).unwrap();
    assert_eq!((claim.since, claim.at, claim.until), (0, UnixTime(0), None));
    assert_eq!(town.pass(1).released, ["y.test"]);
    assert_eq!(town.claims.next_expiry(), None);
    town.remove("c.yaml");
    assert_eq!(town.claims.next_expiry(), Some(UnixTime(town.now + GRACE)));
    let told = town.pass(GRACE);
    assert_eq!((told.released, told.woken), (vec!["x.test".to_owned()], vec!["b.yaml".to_owned()]));
    assert_eq!(town.settle("b.yaml", BOB, &["x.test"]).granted, ["x.test"]);
}

#[test]
fn two_files_of_a_tenant_hand_a_name_over_at_once() {
    let mut town = Town::default();
    town.settle("a.yaml", ALICE, &["x.test"]);
    town.settle("z.yaml", BOB, &["x.test"]);
    let told = town.settle("b.yaml", ALICE, &["x.test"]);
    assert_eq!(told.messages, ["x.test is already held by your site a.yaml"]);
    assert_eq!(town.remove("a.yaml").woken, ["b.yaml"]);
    assert_eq!(town.settle("b.yaml", ALICE, &["x.test"]).granted, ["x.test"]);
}

#[test]
fn losers_wake_in_the_order_of_their_wait() {
    let mut town = Town::default();
    let rule = ClaimRule { grace: Duration::ZERO, ..RULE };
    town.ask("a.yaml", ALICE, rule, &["x.test", "y.test"]);
    town.ask("c.yaml", BOB, rule, &["x.test"]);
    town.ask("b.yaml", BOB, rule, &["x.test", "y.test"]);
    // Settling again neither loses the place nor doubles the wait.
    town.ask("c.yaml", BOB, rule, &["c.test", "x.test"]);
    let told = town.ask("a.yaml", ALICE, rule, &["y.test"]);
    assert_eq!(
        (told.released, told.woken),
        (vec!["x.test".to_owned()], vec!["c.yaml".to_owned(), "b.yaml".to_owned()])
    );
    assert_eq!(town.ask("c.yaml", BOB, rule, &["c.test", "x.test"]).granted, ["c.test", "x.test"]);
    assert_eq!(town.ask("b.yaml", BOB, rule, &["x.test", "y.test"]).granted, [""; 0]);
}

#[test]
fn the_ledger_brings_back_who_holds_and_until_when() {
    let mut town = Town::default();
    town.settle("b.yaml", ALICE, &["x.test", "w.test"]);
    town.settle("b.yaml", ALICE, &["x.test"]);
    town.settle("a.yaml", BOB, &["y.test", "x.test"]);
    let mut town = town.restart();
    let mut serving: Vec<_> = town.claims.sites().collect();
    serving.sort_unstable();
    assert_eq!(serving, [(&site("a.yaml"), BOB), (&site("b.yaml"), ALICE)]);
    // The other order of files, the same holders.
    assert_eq!(town.settle("a.yaml", BOB, &["y.test", "x.test", "w.test"]).granted, ["y.test"]);
    town.settle("c.yaml", BOB, &["z.test"]);
    assert_eq!(town.claims.holder(&pattern("z.test")).unwrap().since, 3, "later than all that was restored");
    assert_eq!(town.pass(GRACE).released, ["w.test"]);
}

#[test]
fn the_operators_hand_on_a_file() {
    let mut town = Town::default();
    town.settle("a.yaml", ALICE, &["x.test"]);
    // An edit as root: served on, and still hers.
    assert_eq!(town.settle("a.yaml", ROOT, &["x.test"]).granted, ["x.test"]);
    assert_eq!(town.holder("x.test"), Some(ALICE));
    assert_eq!(town.settle("a.yaml", BOB, &["x.test"]).granted, [""; 0], "not through root to somebody else");
    assert_eq!(town.settle("root.yaml", ROOT, &["x.test"]).codes, [catalogue::HOST_CLAIMED]);
    assert_eq!(town.settle("a.yaml", ALICE, &["x.test"]).granted, ["x.test"]);
    // A file of the operator's that becomes a tenant's takes its names along.
    town.settle("o.yaml", ROOT, &["o.test"]);
    assert_eq!(town.settle("o.yaml", BOB, &["o.test"]).granted, ["o.test"]);
    assert_eq!(town.holder("o.test"), Some(BOB));
}

#[test]
fn the_operator_transfers_and_frees() {
    let mut town = Town::default();
    let name = pattern("x.test");
    town.settle("a.yaml", ALICE, &["x.test"]);
    town.settle("c.yaml", TenantId(1002), &["x.test"]);
    town.settle("b.yaml", BOB, &["x.test"]);
    let (now, until) = (UnixTime(5), UnixTime(50));
    assert_eq!(town.claims.transfer(&pattern("n.test"), BOB, now, until).unwrap_err(), HandError::Unheld);
    assert_eq!(town.claims.transfer(&name, ALICE, now, until).unwrap_err(), HandError::Already);
    let told = Told::from(town.claims.transfer(&name, BOB, now, until).unwrap());
    assert_eq!(told.woken, ["b.yaml", "a.yaml"], "the new holder's, then the one that lost it");
    assert_eq!(town.settle("b.yaml", BOB, &["x.test"]).granted, ["x.test"]);
    assert_eq!(town.settle("a.yaml", ALICE, &["x.test"]).granted, [""; 0]);
    let told = Told::from(town.claims.free_by_hand(&name).unwrap());
    assert_eq!(told.woken, ["c.yaml", "a.yaml", "b.yaml"], "who waits longest, and the one that had it last of all");
    assert_eq!(town.settle("c.yaml", TenantId(1002), &["x.test"]).granted, ["x.test"]);
    assert!(town.claims.free_by_hand(&pattern("n.test")).is_err());
}
