use std::collections::HashMap;

use super::*;

fn put(name: &str, value: u32) -> TableChange<u32> {
    TableChange::Put(HostPattern::parse(name).unwrap(), Arc::new(value))
}

fn remove(name: &str) -> TableChange<u32> {
    TableChange::Remove(HostPattern::parse(name).unwrap())
}

fn check(table: &VhostTable<u32>, host: &str, expected: Option<u32>) {
    assert_eq!(table.resolve(host).map(|value| **value), expected, "{host}");
}

#[test]
fn exact_beats_wildcard_and_a_wildcard_is_one_label() {
    let names = ["a.test", "*.a.test", "x.a.test", "*.y.a.test", "192.0.2.7", "2001:db8::7"];
    let table = VhostTable::empty().with(names.iter().zip(1..).map(|(name, value)| put(name, value)).collect());
    check(&table, "a.test", Some(1));
    check(&table, "b.a.test", Some(2));
    check(&table, "y.a.test", Some(2));
    check(&table, "x.a.test", Some(3));
    check(&table, "z.y.a.test", Some(4));
    check(&table, "z.z.a.test", None);
    check(&table, "192.0.2.7", Some(5));
    check(&table, "2001:db8::7", Some(6));
    for missing in ["", ".", "test", ".a.test", "*.b.test", "A.TEST", "a.test.", "192.0.2.8", "::"] {
        check(&table, missing, None);
    }
    assert_eq!((table.len(), table.generation()), (6, Generation(1)));
}

#[test]
fn an_older_generation_stays_as_it_was() {
    let first = VhostTable::empty().with(vec![put("a.test", 1), put("b.test", 2)]);
    let second = first.with(vec![put("a.test", 3), remove("b.test"), remove("never.test")]);
    check(&first, "a.test", Some(1));
    check(&first, "b.test", Some(2));
    check(&second, "a.test", Some(3));
    check(&second, "b.test", None);
    assert_eq!((first.len(), second.len()), (2, 1));
    assert_eq!(second.generation(), Generation(2));
    let empty = second.with(vec![put("a.test", 4), remove("a.test")]);
    assert!(empty.is_empty());
}

#[test]
fn changes_apply_in_their_order() {
    let table = VhostTable::empty().with(vec![put("a.test", 1), remove("a.test"), put("a.test", 2), put("a.test", 3)]);
    check(&table, "a.test", Some(3));
    assert_eq!(table.len(), 1);
}

#[test]
fn it_agrees_with_a_hash_map() {
    let name = |n: u64| if n.is_multiple_of(5) { format!("*.n{n}.test") } else { format!("n{n}.test") };
    let mut seed = 7u64;
    let mut random = move |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    let mut model: HashMap<u64, u32> = HashMap::new();
    let mut table = VhostTable::empty();
    // It grows, then shrinks to nothing.
    for (round, puts) in (0..400).map(|round| (round, if round < 200 { 8 } else { 1 })) {
        let mut changes = Vec::new();
        for _ in 0..50 {
            let n = random(3_000);
            if random(10) < puts {
                model.insert(n, round);
                changes.push(put(&name(n), round));
            } else {
                model.remove(&n);
                changes.push(remove(&name(n)));
            }
        }
        let before = table.len();
        let next = table.with(changes);
        assert_eq!((table.len(), next.len()), (before, model.len()), "round {round}");
        table = next;
    }
    let host = |n| name(n).replace('*', "x");
    for n in 0..3_000 {
        check(&table, &host(n), model.get(&n).copied());
    }
    let rest: Vec<_> = model.keys().map(|n| remove(&name(*n))).collect();
    let empty = table.with(rest);
    assert!(empty.is_empty());
    assert_eq!([empty.exact.nodes(), empty.wildcards.nodes()], [1, 1], "nothing is left behind");
}

#[test]
fn a_change_shares_all_but_its_path() {
    let many = (0..20_000).map(|n| put(&format!("n{n}.test"), n)).collect();
    let table = VhostTable::empty().with(many);
    let shared = |other: &VhostTable<u32>| table.exact.nodes_shared_with(&other.exact);
    let all = shared(&table);
    let after = shared(&table.with(vec![put("n77.test", 0)]));
    // A path from the root to one leaf.
    assert!(all - after <= 6, "{after} of {all} nodes are shared");
}
