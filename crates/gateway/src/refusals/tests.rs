//! Every code, and floods of them.

use std::collections::BTreeSet;

use super::*;

/// What the outcomes are that nobody was refused by.
const FINE: [Outcome; 4] = [Outcome::Closed, Outcome::Vanished, Outcome::Upgraded, Outcome::Challenge];

#[test]
fn every_refusal_has_a_place_a_code_a_line_and_a_metric() {
    let totals = crate::totals::Totals::new(1);
    let counted: BTreeSet<_> = (totals.refusals().map(|(refusal, _)| refusal.word()))
        .chain(totals.outcomes().map(|(outcome, _)| outcome.word()))
        .chain(["response_cut"])
        .collect();
    for (place, refused) in Refused::all().enumerate() {
        assert_eq!(refused.index(), place, "{refused:?}");
        let word = refused.word();
        assert!(!word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{word}");
        assert!(counted.contains(word), "{word}");
        let is_silent = matches!(refused, Refused::Connection(outcome) if FINE.contains(&outcome));
        assert_eq!(refused.loudness() == Loudness::Silent, is_silent, "{refused:?}");
    }
    assert_eq!(Refused::all().count(), Refused::COUNT);
}

#[test]
fn the_table_of_codes_in_the_documentation_is_whole() {
    let page = include_str!("../../../../docs/operating.md");
    let missing: Vec<_> = Refused::all()
        .filter(|refused| refused.loudness() != Loudness::Silent)
        .map(Refused::word)
        .filter(|word| !page.contains(&format!("| `{word}` |")))
        .collect();
    assert!(missing.is_empty(), "docs/operating.md does not tell of {missing:?}");
}

#[test]
fn a_gate_lets_one_through_and_tells_what_it_kept() {
    let gate = Gate::default();
    let (interval, room, none) = (INTERVAL.as_millis() as u64, || true, || false);
    assert_eq!(gate.pass(0, room), Some(0), "the first at once");
    for now in 0..1000 {
        assert_eq!(gate.pass(now, room), None);
    }
    assert_eq!(gate.pass(interval, none), None, "no room for a line");
    assert_eq!(gate.pass(interval, room), Some(1001), "it was still open");
    assert_eq!(gate.rest(3 * interval, room), None, "nothing is left");
    assert_eq!(gate.pass(interval + 1, room), None);
    assert_eq!(gate.rest(2 * interval - 1, room), None, "not yet");
    assert_eq!(gate.rest(2 * interval, room), Some(1));
    assert_eq!(gate.pass(2 * interval, room), None, "what was caught up with counts as a line");
}

#[test]
fn of_many_at_once_each_is_said_or_counted() {
    let gate = Gate::default();
    let said = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for now in 0..50_000 {
                    if let Some(unsaid) = gate.pass(now, || true) {
                        said.fetch_add(1 + unsaid, Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(said.load(Relaxed) + gate.unsaid.load(Relaxed), 200_000);
}
