//! Attempts to get at somebody else's name, in every order, also over restarts.

use super::*;

/// What happens to a box in one step.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// Bob asks for everything that is Alice's.
    Attack,
    /// Alice removes her file, or edits the name out.
    Remove,
    Edit,
    /// Alice's file comes back, under another name.
    Return,
    /// The gateway is killed and starts.
    Restart,
    /// Somebody else's file stands where hers stood.
    Replace,
    /// Most of a grace passes.
    Wait,
}

const DEEDS: [Deed; 7] =
    [Deed::Attack, Deed::Remove, Deed::Edit, Deed::Return, Deed::Restart, Deed::Replace, Deed::Wait];

fn perform(mut town: Town, deed: Deed) -> Town {
    match deed {
        Deed::Attack => {
            let told = town.settle("0.yaml", BOB, &["shop.test", "x.shop.test", "*.shop.test", "*.x.shop.test"]);
            assert_eq!(told.granted, [""; 0]);
        }
        Deed::Remove => drop(town.remove("a.yaml")),
        Deed::Edit => drop(town.settle("a.yaml", ALICE, &["other.test"])),
        Deed::Return => drop(town.settle("b.yaml", ALICE, &["shop.test"])),
        Deed::Restart => return town.restart(),
        Deed::Replace => assert_eq!(town.settle("a.yaml", BOB, &["shop.test"]).granted, [""; 0]),
        Deed::Wait => drop(town.pass(GRACE / 5)),
    }
    town
}

#[test]
fn within_the_grace_no_order_of_deeds_gives_the_name_away() {
    // Every order of four deeds: 2401 stories.
    let count = DEEDS.len();
    for story in 0..count.pow(4) {
        let deeds: Vec<_> = (0..4).map(|place| DEEDS[story / count.pow(place) % count]).collect();
        let mut town = Town::default();
        assert_eq!(town.settle("a.yaml", ALICE, &["shop.test"]).granted, ["shop.test"]);
        for deed in &deeds {
            town = perform(town, *deed);
            assert_eq!(town.holder("shop.test"), Some(ALICE), "{deeds:?}");
        }
        assert!(town.settle("z.yaml", BOB, &["shop.test", "x.shop.test"]).granted.is_empty(), "{deeds:?}");
    }
}

#[test]
fn a_start_that_reads_the_attackers_file_first_changes_nothing() {
    let mut town = Town::default();
    town.settle("z-late-in-the-alphabet.yaml", ALICE, &["shop.test"]);
    town.settle("0-early.yaml", BOB, &["shop.test"]);
    let mut town = town.restart();
    assert!(town.settle("0-early.yaml", BOB, &["shop.test"]).granted.is_empty());
    assert_eq!(town.settle("z-late-in-the-alphabet.yaml", ALICE, &["shop.test"]).granted, ["shop.test"]);
}

#[test]
fn a_long_stop_does_not_count_against_who_was_served() {
    let mut town = Town::default();
    town.settle("a.yaml", ALICE, &["shop.test"]);
    let mut town = town.restart();
    assert_eq!(town.pass(GRACE * 1000).released, [""; 0]);
    assert!(town.settle("0.yaml", BOB, &["shop.test"]).granted.is_empty());
}

#[test]
fn a_claim_costs_its_labels_and_not_the_number_of_names() {
    // Wrong growth would take minutes here; there is no bar but the end of the test.
    const NAMES: usize = 100_000;
    let mut town = Town::default();
    let free = ClaimRule { names: u32::MAX, ..RULE };
    let claims = (0..NAMES).map(|number| {
        let claim = Claim {
            site: site(&format!("{}.yaml", number / 10)),
            tenant: TenantId(2000 + u32::try_from(number / 1000).unwrap()),
            since: number as u64,
            at: UnixTime(0),
            until: None,
        };
        (pattern(&format!("n{number}.zone{}.example", number % 97)), claim)
    });
    town.claims = Claims::restore(claims);
    for number in 0..2_000 {
        let (id, name) = (site("new.yaml"), format!("x{number}.zone{}.example", number % 97));
        let petition = Petition { site: &id, tenant: ALICE, rule: free, now: UnixTime(1) };
        let names = [name.as_str(), "*.zone1.example", "below.n5.zone5.example"];
        let settled = town.claims.settle(&petition, &wanted(&names));
        assert_eq!((settled.granted.len(), settled.diagnostics.len()), (1, 2));
    }
    town.claims.held.check();
}
