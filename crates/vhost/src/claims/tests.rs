use vestibule_diagnostics::Span;

use super::*;

fn site(name: &str) -> SiteId {
    SiteId::new(name)
}

fn pattern(name: &str) -> HostPattern {
    HostPattern::parse(name).unwrap()
}

fn wanted(names: &[&str]) -> Vec<Spanned<HostPattern>> {
    let spanned = |(at, name): (usize, &&str)| Spanned { value: pattern(name), span: Span { start: at, end: at + 1 } };
    names.iter().enumerate().map(spanned).collect()
}

const ALICE: TenantId = TenantId(1000);
const BOB: TenantId = TenantId(1001);

/// Settles, and tells what was granted, released and who was woken.
fn settle(
    claims: &mut Claims,
    name: &str,
    tenant: TenantId,
    names: &[&str],
) -> (Vec<String>, Vec<String>, Vec<SiteId>) {
    let preview = format!("{:?}", claims.preview(&site(name), tenant, &wanted(names)));
    let settled = claims.settle(&site(name), tenant, &wanted(names));
    assert_eq!(preview, format!("{settled:?}"), "a preview says what is settled");
    let text = |patterns: &[HostPattern]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>();
    (text(&settled.granted), text(&settled.released), settled.woken)
}

#[test]
fn the_earlier_claim_holds_and_other_names_work() {
    let mut claims = Claims::default();
    settle(&mut claims, "a.yaml", ALICE, &["x.test", "*.x.test"]);
    let names = ["y.test", "x.test", "z.x.test", "y.test"];
    let settled = claims.settle(&site("b.yaml"), BOB, &wanted(&names));
    assert_eq!(settled.granted, [pattern("y.test"), pattern("z.x.test")]);
    assert_eq!(settled.taken.iter().map(|(_, claim)| claim.since).collect::<Vec<_>>(), [2, 3]);
    let [lost] = &settled.diagnostics[..] else { panic!("one name is lost: {:?}", settled.diagnostics) };
    assert_eq!(lost.code, catalogue::HOST_CLAIMED);
    assert_eq!(lost.message, "x.test is already held by the site a.yaml");
    assert_eq!(lost.primary.as_ref().unwrap().span.start, 1);
    assert_eq!(claims.contenders(&site("a.yaml")), [(pattern("x.test"), site("b.yaml"))]);
    assert_eq!(claims.contenders(&site("b.yaml")), []);
    assert_eq!(claims.holder(&pattern("x.test")).unwrap().site, site("a.yaml"));
}

#[test]
fn losers_wake_in_the_order_of_their_wait() {
    let mut claims = Claims::default();
    settle(&mut claims, "a.yaml", ALICE, &["x.test", "y.test"]);
    settle(&mut claims, "c.yaml", BOB, &["x.test"]);
    settle(&mut claims, "b.yaml", BOB, &["x.test", "y.test"]);
    // Settling again neither loses the place nor doubles the wait.
    settle(&mut claims, "c.yaml", BOB, &["c.test", "x.test"]);
    assert_eq!(settle(&mut claims, "a.yaml", ALICE, &["y.test"]).2, [site("c.yaml"), site("b.yaml")]);
    assert_eq!(settle(&mut claims, "c.yaml", BOB, &["c.test", "x.test"]).0, ["c.test", "x.test"]);
    assert_eq!(settle(&mut claims, "b.yaml", BOB, &["x.test", "y.test"]).0, [""; 0]);
    let released = claims.release(&site("a.yaml"));
    assert_eq!((released.released, released.woken), (vec![pattern("y.test")], vec![site("b.yaml")]));
}

#[test]
fn a_renamed_file_keeps_its_names_from_who_waits() {
    let mut claims = Claims::default();
    settle(&mut claims, "old.yaml", ALICE, &["x.test"]);
    settle(&mut claims, "b.yaml", BOB, &["x.test"]);
    assert_eq!(claims.release(&site("old.yaml")).woken, [site("b.yaml")]);
    assert_eq!(settle(&mut claims, "new.yaml", ALICE, &["x.test"]).0, ["x.test"]);
    assert_eq!(settle(&mut claims, "b.yaml", BOB, &["x.test"]).0, [""; 0]);
}

#[test]
fn a_changed_owner_is_a_changed_claim() {
    for (then, since) in [(TenantId::OPERATOR, 0), (BOB, 1)] {
        let mut claims = Claims::default();
        settle(&mut claims, "a.yaml", ALICE, &["x.test"]);
        let settled = claims.settle(&site("a.yaml"), then, &wanted(&["x.test"]));
        assert_eq!(settled.taken, [(pattern("x.test"), Claim { site: site("a.yaml"), tenant: then, since })]);
        let again = claims.settle(&site("a.yaml"), then, &wanted(&["x.test"]));
        assert_eq!((again.granted.len(), again.taken, again.released), (1, vec![], vec![]));
    }
}

#[test]
fn the_ledger_brings_back_who_holds() {
    let mut claims = Claims::default();
    settle(&mut claims, "b.yaml", ALICE, &["x.test"]);
    settle(&mut claims, "a.yaml", BOB, &["y.test", "x.test"]);
    let ledger: Vec<_> = claims.iter().map(|(pattern, claim)| (pattern.clone(), claim.clone())).collect();
    assert_eq!(ledger.iter().map(|(pattern, _)| pattern.to_string()).collect::<Vec<_>>(), ["x.test", "y.test"]);

    let mut restored = Claims::restore(ledger);
    assert_eq!(restored.sites(), [site("a.yaml"), site("b.yaml")]);
    // The other order of files, the same holders.
    assert_eq!(settle(&mut restored, "a.yaml", BOB, &["y.test", "x.test"]).0, ["y.test"]);
    let settled = restored.settle(&site("c.yaml"), BOB, &wanted(&["z.test"]));
    assert_eq!(settled.taken[0].1.since, 2, "later than all that was restored");
}

/// The simplest thing that obeys the rule: a list of who asks for what, the holder of each name first.
#[derive(Default)]
struct Model {
    asked: Vec<(SiteId, Vec<HostPattern>)>,
    holders: Vec<(HostPattern, SiteId)>,
    waits: Vec<(HostPattern, SiteId)>,
}

impl Model {
    fn settle(&mut self, site: &SiteId, names: &[HostPattern]) -> (Vec<HostPattern>, Vec<SiteId>) {
        let freed: Vec<_> = self.holders.iter().filter(|(n, s)| s == site && !names.contains(n)).cloned().collect();
        self.holders.retain(|holder| !freed.contains(holder));
        self.waits.retain(|(name, waiter)| waiter != site || names.contains(name));
        let mut granted = Vec::new();
        for name in names {
            match self.holders.iter().find(|(held, _)| held == name) {
                Some((_, holder)) if holder != site => {
                    let wait = (name.clone(), site.clone());
                    if !self.waits.contains(&wait) {
                        self.waits.push(wait);
                    }
                    continue;
                }
                Some(_) => {}
                None => self.holders.push((name.clone(), site.clone())),
            }
            self.waits.retain(|(wait, waiter)| waiter != site || wait != name);
            granted.push(name.clone());
        }
        self.asked.retain(|(asker, _)| asker != site);
        if !names.is_empty() {
            self.asked.push((site.clone(), names.to_vec()));
        }
        let mut woken: Vec<_> =
            self.waits.iter().filter(|(n, _)| freed.iter().any(|(f, _)| f == n)).map(|(_, s)| s.clone()).collect();
        woken.sort();
        woken.dedup();
        (granted, woken)
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

/// What a random walk leaves must fit together.
fn check_indices(claims: &Claims, model: &Model) {
    let mut held: Vec<_> = claims.held.iter().map(|(name, claim)| (name.clone(), claim.site.clone())).collect();
    held.sort();
    let mut expected = model.holders.clone();
    expected.sort();
    assert_eq!(held, expected);
    let holdings: usize = claims.holdings.values().map(|names| names.len()).sum();
    assert_eq!(holdings, held.len());
    let waiting: usize = claims.waiting.values().map(BTreeMap::len).sum();
    let wishes: usize = claims.wishes.values().map(|names| names.len()).sum();
    assert_eq!((waiting, wishes), (model.waits.len(), model.waits.len()));
    assert!(claims.waiting.values().all(|queue| !queue.is_empty()));
}

#[test]
fn random_walks_agree_with_the_model() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let (mut claims, mut model) = (Claims::default(), Model::default());
        for _ in 0..200 {
            let site = site(&format!("s{}.yaml", random.below(6)));
            let mut names: Vec<String> = (0..random.below(5)).map(|_| format!("n{}.test", random.below(7))).collect();
            names.sort();
            names.dedup();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let patterns: Vec<_> = names.iter().map(|name| pattern(name)).collect();
            let (granted, woken) = model.settle(&site, &patterns);
            let settled = match names[..] {
                [] if random.below(2) == 0 => claims.release(&site),
                _ => claims.settle(&site, ALICE, &wanted(&names)),
            };
            assert_eq!(settled.granted, granted, "seed {seed}");
            assert_eq!(settled.diagnostics.len(), names.len() - granted.len());
            let mut settled_woken = settled.woken;
            settled_woken.sort();
            assert_eq!(settled_woken, woken, "seed {seed}");
            check_indices(&claims, &model);
        }
        for (site, _) in std::mem::take(&mut model.asked) {
            let _ = claims.release(&site);
        }
        assert!(claims.held.is_empty() && claims.holdings.is_empty());
        assert!(claims.waiting.is_empty() && claims.wishes.is_empty(), "nothing outlives the sites");
    }
}

#[test]
fn sites_that_share_no_name_settle_in_any_order() {
    for seed in 0..20 {
        let mut random = Random(seed);
        let mut order: Vec<usize> = (0..8).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        let mut claims = Claims::default();
        for n in order {
            let names = [format!("a{n}.test"), format!("*.a{n}.test")];
            let (granted, released, woken) =
                settle(&mut claims, &format!("s{n}.yaml"), ALICE, &[names[0].as_str(), names[1].as_str()]);
            assert_eq!((granted.len(), released.len(), woken.len()), (2, 0, 0));
        }
        let held: Vec<_> = claims.iter().map(|(name, claim)| format!("{name} {}", claim.site)).collect();
        let mut expected: Vec<_> = (0..8).map(|n| format!("a{n}.test s{n}.yaml")).collect();
        expected.extend((0..8).map(|n| format!("*.a{n}.test s{n}.yaml")));
        assert_eq!(held, expected);
    }
}
