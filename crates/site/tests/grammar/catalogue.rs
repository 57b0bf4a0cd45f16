//! The examples of the catalogue do what they say.

use vestibule_diagnostics::{
    Diagnostic,
    catalogue::{ALL, FoundBy},
};
use vestibule_site::{parse_settings, parse_site};

#[test]
fn every_wrong_example_draws_its_code_and_every_right_one_nothing() {
    for code in ALL {
        let entry = code.entry();
        let parse: fn(&[u8]) -> Vec<Diagnostic> = match entry.found_by {
            FoundBy::Settings | FoundBy::Machine => |text| parse_settings(text).diagnostics,
            FoundBy::Site | FoundBy::Context => |text| parse_site(text).diagnostics,
        };
        let right = parse(entry.right.as_bytes());
        assert!(right.is_empty(), "{code}, right: {right:#?}");
        let wrong = parse(entry.wrong.as_bytes());
        if matches!(entry.found_by, FoundBy::Context | FoundBy::Machine) {
            assert!(wrong.is_empty(), "{code} is found elsewhere: {wrong:#?}");
        } else {
            let drawn: Vec<_> = wrong.iter().map(|found| found.code).collect();
            assert_eq!(drawn, [*code], "{wrong:#?}");
        }
    }
}
