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

/// Files that are settled when they are woken, as the walk does it: in a queue, each at most once per wake, and some of them
/// cannot be settled at all.
struct Folder {
    town: Town,
    files: BTreeMap<String, (TenantId, Vec<&'static str>)>,
    woken: std::collections::VecDeque<String>,
    rule: ClaimRule<'static>,
}

impl Folder {
    fn write(&mut self, file: String, tenant: TenantId, names: Vec<&'static str>) {
        let told = self.town.ask(&file, tenant, self.rule, &names);
        self.files.insert(file, (tenant, names));
        self.woken.extend(told.woken);
    }

    fn remove(&mut self, file: &str) {
        self.files.remove(file);
        let id = site(file);
        let petition =
            Petition { site: &id, tenant: TenantId(u32::MAX), rule: self.rule, now: UnixTime(self.town.now) };
        self.woken.extend(Told::from(self.town.claims.release(&petition)).woken);
    }

    fn follow(&mut self, random: &mut Random) {
        while let Some(file) = self.woken.pop_front() {
            match self.files.get(&file).filter(|_| random.below(4) > 0).cloned() {
                Some((tenant, names)) => self.write(file, tenant, names),
                None => self.woken.extend(Told::from(self.town.claims.forgo_room(&site(&file))).woken),
            }
        }
    }
}

#[test]
fn where_there_is_room_nobody_waits_for_it() {
    let mut waited = 0;
    for seed in 0..200 {
        let mut random = Random(seed);
        let grace = Duration::from_secs([0, GRACE][random.below(2)]);
        let rule = ClaimRule { names: 3, grace, ..RULE };
        let town = Town { now: 1000, ..Town::default() };
        let mut folder =
            Folder { town, files: BTreeMap::default(), woken: std::collections::VecDeque::default(), rule };
        for step in 0..100 {
            // A batch: whoever is woken by one of its changes is settled after all of them.
            for _ in 0..=random.below(3) {
                let file = format!("s{}.yaml", random.below(8));
                match random.below(4) {
                    0 => folder.remove(&file),
                    1 => {
                        let told = folder.town.pass(random.below(60) as u64);
                        folder.woken.extend(told.woken);
                    }
                    _ => {
                        let names = (0..random.below(5)).map(|_| NAMES[random.below(NAMES.len())]).collect();
                        folder.write(file, TENANTS[random.below(3)], names);
                    }
                }
            }
            folder.follow(&mut random);
            for wait in folder.town.claims.waits().iter().filter(|wait| wait.reason == WaitReason::Room) {
                waited += 1;
                assert_eq!(folder.town.claims.held.count(wait.tenant), 3, "seed {seed}, step {step}: {wait:?}");
            }
            let (queued, wished) = folder.town.claims.waiting.counts();
            assert_eq!(queued, wished);
        }
    }
    assert!(waited > 100, "the story has waits in it: {waited}");
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
