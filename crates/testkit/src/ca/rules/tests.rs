//! The model against the numbers of Let's Encrypt's page.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn names(texts: &[&str]) -> Vec<HostPattern> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn order<'a>(names: &'a [HostPattern], replaces: Option<&'a str>) -> NewOrder<'a> {
    NewOrder { account: "a", names, profile: None, replaces }
}

/// Orders until refused, issuing each at once; returns how many, and what the refusal said.
fn until_refused(rules: &mut Rules, now: Instant, next: impl Fn(usize) -> Vec<HostPattern>) -> (usize, Refusal) {
    for count in 0.. {
        let names = next(count);
        match rules.new_order(now, &order(&names, None)) {
            Ok(id) => rules.issue(now, id, &format!("{now:?}-{count}")),
            Err(refusal) => return (count, refusal),
        }
    }
    unreachable!("every limit ends somewhere")
}

#[test]
fn each_limit_lets_its_burst_through_and_says_when_the_next_one_is_free() {
    let of_many = |i: usize| names(&[&format!("d{i}.com")]);
    let of_one_domain = |i: usize| names(&[&format!("h{i}.shop.co.uk")]);
    let of_one_set = |_: usize| names(&["a.com", "b.com"]);
    type Next<'a> = &'a dyn Fn(usize) -> Vec<HostPattern>;
    let cases: [(Next<'_>, usize, Rule, u64); 3] = [
        (&of_many, 300, Rule::Orders, 36),
        (&of_one_domain, 50, Rule::CertificatesPerDomain, 12_096),
        (&of_one_set, 5, Rule::CertificatesPerSet, 120_960),
    ];
    for (next, count, rule, refill) in cases {
        let mut rules = Rules::new(Limits::lets_encrypt());
        let start = MINUTE * 1_000_000;
        let (taken, refusal) = until_refused(&mut rules, start, next);
        assert_eq!((taken, refusal.rule), (count, rule));
        let wait = refusal.retry_after.unwrap();
        assert_eq!(wait.as_secs(), refill, "{rule:?}");
        assert_eq!(rules.violations()[&rule], 1);
        let (taken, _) = until_refused(&mut rules, start + wait, next);
        assert_eq!(taken, 1, "{rule:?}");
    }
}

#[test]
fn five_failures_within_an_hour_close_a_name_and_no_other() {
    let mut rules = Rules::new(Limits::lets_encrypt());
    let (dead, live) = (names(&["dead.com"]), names(&["live.com"]));
    for _ in 0..5 {
        let id = rules.new_order(MINUTE, &order(&dead, None)).unwrap();
        rules.authorization_failed(MINUTE, "a", &dead[0]);
        rules.give_up(id);
    }
    let refusal = rules.new_order(MINUTE, &order(&dead, None)).unwrap_err();
    assert_eq!((refusal.rule, refusal.retry_after), (Rule::FailedAuthorizations, Some(MINUTE * 12)));
    assert!(rules.new_order(MINUTE, &order(&live, None)).is_ok());
    assert!(rules.new_order(MINUTE * 13, &order(&dead, None)).is_ok());
}

#[test]
fn a_name_that_always_fails_is_paused_until_it_passes() {
    let mut rules = Rules::new(Limits { pause_after: 3, ..Limits::lets_encrypt() });
    let dead = names(&["dead.com"]);
    for hour in 0..3 {
        rules.authorization_failed(MINUTE * 60 * hour, "a", &dead[0]);
    }
    let later = MINUTE * 60 * 24;
    assert_eq!(rules.new_order(later, &order(&dead, None)).unwrap_err().rule, Rule::Paused);
    rules.authorization_passed("a", &dead[0]);
    assert!(rules.new_order(later, &order(&dead, None)).is_ok());
}

#[test]
fn replaces_exempts_once_and_only_what_shares_a_name() {
    let mut rules = Rules::new(Limits::lets_encrypt());
    let (one, other) = (names(&["a.com"]), names(&["b.com"]));
    let id = rules.new_order(MINUTE, &order(&one, None)).unwrap();
    rules.issue(MINUTE, id, "first");
    until_refused(&mut rules, MINUTE, |i| names(&[&format!("d{i}.com")]));

    assert_eq!(rules.new_order(MINUTE, &order(&other, Some("first"))).unwrap_err().rule, Rule::Replaces);
    assert_eq!(rules.new_order(MINUTE, &order(&one, Some("unknown"))).unwrap_err().rule, Rule::Replaces);
    let id = rules.new_order(MINUTE, &order(&one, Some("first"))).unwrap();
    assert_eq!(rules.new_order(MINUTE, &order(&one, Some("first"))).unwrap_err().rule, Rule::AlreadyReplaced);
    rules.give_up(id);
    let id = rules.new_order(MINUTE, &order(&one, Some("first"))).unwrap();
    rules.issue(MINUTE, id, "second");
    assert_eq!(rules.new_order(MINUTE, &order(&one, Some("first"))).unwrap_err().rule, Rule::AlreadyReplaced);
}

#[test]
fn names_and_profiles_are_bounded() {
    let mut rules = Rules::new(Limits::lets_encrypt());
    for (count, profile, expected) in [
        (100, None, None),
        (101, None, Some(Rule::Names)),
        (25, Some("shortlived"), None),
        (26, Some("shortlived"), Some(Rule::Names)),
        (0, None, Some(Rule::Names)),
        (1, Some("nonesuch"), Some(Rule::Profile)),
    ] {
        let names: Vec<_> = (0..count).map(|i| format!("h{i}.x{i}.com").parse().unwrap()).collect();
        let asked = NewOrder { profile, ..order(&names, None) };
        assert_eq!(rules.new_order(MINUTE, &asked).err().map(|refusal| refusal.rule), expected, "{count} {profile:?}");
    }
}

#[test]
fn ten_accounts_per_address() {
    let mut rules = Rules::new(Limits::lets_encrypt());
    for _ in 0..10 {
        rules.new_account(MINUTE, "192.0.2.1").unwrap();
    }
    assert_eq!(rules.new_account(MINUTE, "192.0.2.1").unwrap_err().rule, Rule::Accounts);
    assert!(rules.new_account(MINUTE, "192.0.2.2").is_ok());
}
