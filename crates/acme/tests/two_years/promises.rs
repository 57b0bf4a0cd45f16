//! One promise of the planner each.

use crate::world::*;

#[test]
fn a_new_site_has_its_certificate_within_seconds_and_renews_it_for_ever() {
    let mut world = World::simple();
    world.want("a.yaml", 1, &["a.com", "www.a.com"]);
    world.run(MINUTE);
    assert!(world.is_covered(1, "a.com") && world.is_covered(1, "www.a.com"));
    assert_eq!(world.cas[0].orders, 1);
    world.run(DAY * 365);
    assert_eq!((world.cas[0].issued, world.gaps.len()), (7, 0));
    world.assert_no_violations();
}

#[test]
fn ten_thousand_names_of_one_tenant_are_packed_and_delay_nobody_else() {
    let mut world = World::simple();
    for i in 0..10_000 {
        world.want(&format!("{i}.yaml"), 1, &[&format!("s{i}.com")]);
    }
    world.run(MINUTE * 10);
    let start = world.now;
    world.want("other.yaml", 2, &["other.com"]);
    let end = start.after(MINUTE * 2);
    assert!(world.run_until(end, |world| world.is_covered(2, "other.com")), "the other tenant is not starved");
    let end = start.after(HOUR * 4);
    assert!(world.run_until(end, World::all_covered));
    eprintln!("10,000 names after {:?} with {} orders", world.now.since(start), world.cas[0].orders);
    world.assert_no_violations();
}
