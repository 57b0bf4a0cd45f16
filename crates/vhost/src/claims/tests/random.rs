//! Random sequences: a name never has two holders, and a holder changes only by the end of a grace, by hand, or by the
//! operator's own file. And against the simplest model that obeys the rule.

use std::collections::BTreeMap;

use super::*;

/// SplitMix64: the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

/// Two zones with names and wildcards on three levels.
const NAMES: [&str; 12] = [
    "a.test",
    "*.a.test",
    "x.a.test",
    "y.a.test",
    "*.x.a.test",
    "z.x.a.test",
    "b.test",
    "*.b.test",
    "x.b.test",
    "com",
    "example.com",
    "www.example.com",
];

const TENANTS: [TenantId; 4] = [ALICE, BOB, TenantId(1002), ROOT];

type Holders = BTreeMap<HostPattern, (TenantId, Option<UnixTime>)>;

fn holders(claims: &Claims) -> Holders {
    claims.iter().map(|(name, claim)| (name.clone(), (claim.tenant, claim.until))).collect()
}

/// What a step may do to a holder.
enum Licence {
    /// Nothing but what every step may.
    None,
    /// Whatever was in its grace until then may go.
    Expiry(UnixTime),
    /// This name may change hands.
    Hand(HostPattern),
}

fn check(before: &Holders, after: &Holders, licence: &Licence, story: &str) {
    for (name, (holder, until)) in before {
        let now = after.get(name).map(|(holder, _)| *holder);
        let licensed = match licence {
            Licence::None => false,
            Licence::Expiry(now) => until.is_some_and(|until| until <= *now),
            Licence::Hand(moved) => moved == name,
        };
        // A file of root that is chowned to a tenant takes its names along: root's own doing.
        let handed_down = *holder == ROOT && now.is_some();
        assert!(now == Some(*holder) || licensed || handed_down, "{story}: {name} went from {holder} to {now:?}");
    }
}

#[test]
fn no_holder_ever_changes_without_grace_or_the_operators_hand() {
    for seed in 0..150 {
        let mut random = Random(seed);
        let mut town = Town { now: 1000, ..Town::default() };
        for step in 0..120 {
            let story = format!("seed {seed}, step {step}");
            let before = holders(&town.claims);
            let name = pattern(NAMES[random.below(NAMES.len())]);
            let licence = match random.below(12) {
                0 => {
                    drop(town.remove(&format!("s{}.yaml", random.below(6))));
                    Licence::None
                }
                1 => {
                    drop(town.pass(random.below(60) as u64));
                    Licence::Expiry(UnixTime(town.now))
                }
                2 => {
                    let until = UnixTime(town.now + GRACE);
                    let to = TENANTS[random.below(TENANTS.len())];
                    drop(town.claims.transfer(&name, to, UnixTime(town.now), until));
                    Licence::Hand(name)
                }
                3 => {
                    drop(town.claims.free_by_hand(&name));
                    Licence::Hand(name)
                }
                4 => {
                    town = town.restart();
                    Licence::None
                }
                _ => {
                    let names: Vec<_> = (0..random.below(5)).map(|_| NAMES[random.below(NAMES.len())]).collect();
                    let file = format!("s{}.yaml", random.below(6));
                    let rule = ClaimRule { names: 6, ..RULE };
                    let told = town.ask(&file, TENANTS[random.below(TENANTS.len())], rule, &names);
                    for name in &told.granted {
                        let claim = town.claims.holder(&pattern(name)).unwrap();
                        assert_eq!((&claim.site, claim.until), (&site(&file), None), "{story}: {name}");
                    }
                    Licence::None
                }
            };
            check(&before, &holders(&town.claims), &licence, &story);
            town.claims.held.check();
            let (queued, wished) = town.claims.waiting.counts();
            assert_eq!(queued, wished);
        }
    }
}

#[test]
fn nothing_outlives_the_sites() {
    for seed in 0..40 {
        let mut random = Random(seed);
        let mut town = Town::default();
        for _ in 0..100 {
            let names: Vec<_> = (0..random.below(5)).map(|_| NAMES[random.below(NAMES.len())]).collect();
            drop(town.settle(&format!("s{}.yaml", random.below(6)), TENANTS[random.below(TENANTS.len())], &names));
        }
        for file in 0..6 {
            drop(town.remove(&format!("s{file}.yaml")));
        }
        drop(town.pass(GRACE));
        assert_eq!(town.claims.iter().count(), 0);
        assert_eq!(town.claims.waiting.counts(), (0, 0));
        assert!(town.claims.proven.is_empty() && town.claims.next_expiry().is_none());
    }
}
