//! The tables are held by `cargo test` too, and the judge is judged.

use super::*;

#[test]
fn every_arrow_is_drawn_and_every_drawn_arrow_exists() {
    let text = fs::read_to_string(workspace::root().join("ARCHITECTURE.md")).unwrap();
    let faults = compare(&Drawing::read(&text).unwrap(), &crates(&workspace::metadata().unwrap()));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

const DRAWN: &str = "
<!-- floors:begin -->
| floor | crate | one line |
|---|---|---|
| 1 house | `upper` | |
| 0 ground | `lower` | |
| 0 ground | `beside` | |
| side | `testkit` | |
<!-- floors:end -->
<!-- arrows:begin -->
| crate | may use |
|---|---|
| `upper` | `lower` |
| `lower` | |
| `beside` | |
| `testkit` | |
<!-- arrows:end -->
<!-- homes:begin -->
| third-party | home |
|---|---|
| `rope` | `lower` |
| `nails` | any |
<!-- homes:end -->
";

/// `own`, `own in tests` and `third party` of `name`, blanks between the names; the rest of the house is in order.
fn check(name: &str, uses: [&str; 3], expected: &[&str]) {
    let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let parsed = |[own, own_in_tests, third_party]: [&str; 3]| Uses {
        own: list(own),
        own_in_tests: list(own_in_tests),
        third_party: list(third_party),
    };
    let order =
        [("upper", ["lower", "", ""]), ("lower", ["", "", "rope nails"]), ("beside", [""; 3]), ("testkit", [""; 3])];
    let mut found: BTreeMap<_, _> = order.into_iter().map(|(name, uses)| (name.to_owned(), parsed(uses))).collect();
    found.insert(name.to_owned(), parsed(uses));
    assert_eq!(compare(&Drawing::read(DRAWN).unwrap(), &found), expected, "{name}: {uses:?}");
}

#[test]
fn differences_are_told() {
    check("upper", ["lower", "", ""], &[]);
    check("upper", ["lower", "testkit", "nails"], &[]);
    check("upper", ["", "", ""], &["`upper` may use `lower` but does not: drop the arrow"]);
    check("upper", ["lower", "", "rope"], &["`upper` uses `rope`, whose home is elsewhere"]);
    check("upper", ["lower", "", "glue"], &["`upper` uses `glue`, which has no home"]);
    check("lower", ["", "", "nails"], &["`rope` has a home but nobody uses it"]);
    check("lower", ["", "upper", "rope nails"], &["`lower` uses `upper`: arrows point to a lower floor"]);
    check(
        "beside",
        ["lower", "", ""],
        &["`beside` uses `lower`: no such arrow is drawn", "`beside` uses `lower`: arrows point to a lower floor"],
    );
    check("newcomer", [""; 3], &["crate `newcomer` stands on no floor"]);
}
