//! No bytes panic the reader or make it work without bound. The bounds asserted are counts, not times: how much is
//! read and said, whatever the file is.

use vestibule_site::{parse_settings, parse_site};

/// A few more than are kept of one file, for the line that says so.
const FINDINGS: usize = 51;

/// Reads a text as either kind of file; what comes back is bounded and can be shown.
fn survive(text: &[u8]) {
    for diagnostics in [parse_site(text).diagnostics, parse_settings(text).diagnostics] {
        assert!(diagnostics.len() <= FINDINGS);
        let shown = super::messages("hostile.yaml", text, &diagnostics[..diagnostics.len().min(3)]);
        assert!(shown.len() < 20_000, "{} bytes of messages", shown.len());
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
    }
}

/// A file that uses nearly every key.
const LARGE: &str = include_str!("large.yaml");

#[test]
fn a_large_valid_file_is_clean() {
    let parsed = parse_site(LARGE.as_bytes());
    assert!(parsed.diagnostics.is_empty(), "{}", super::messages("large.yaml", LARGE.as_bytes(), &parsed.diagnostics));
    assert_eq!(parsed.value.unwrap().routes.len(), 7);
}

#[test]
fn a_file_cut_at_any_byte() {
    (0..=LARGE.len()).for_each(|at| survive(&LARGE.as_bytes()[..at]));
}

#[test]
fn a_file_with_any_byte_replaced() {
    let signs = b"\t\n:*&\"{]\0\xff";
    for at in 0..LARGE.len() {
        // Three of the signs at each place, other ones at the next.
        for sign in (0..3).map(|n| signs[(at * 3 + n) % signs.len()]) {
            let mut text = LARGE.as_bytes().to_vec();
            text[at] = sign;
            survive(&text);
        }
    }
}

#[test]
fn random_bytes() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let yaml_signs = b"abz019 \n\t:-?,[]{}#&*!|>'\"%@`~<=/.\\\r\xc3\xa4\x00\x1b";
    for round in 0..20_000 {
        let length = random() % 80;
        let byte = |random: &mut dyn FnMut() -> u64| match round % 2 {
            0 => random() as u8,
            _ => yaml_signs[random() as usize % yaml_signs.len()],
        };
        let text: Vec<u8> = (0..length).map(|_| byte(&mut random)).collect();
        survive(&text);
    }
}

#[test]
fn laughter_is_refused_at_the_first_alias() {
    let mut text = String::from("a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (this, before) in ('b'..='i').zip('a'..) {
        text += &format!("{this}: &{this} [{}]\n", vec![format!("*{before}"); 9].join(", "));
    }
    let parsed = parse_site(text.as_bytes());
    assert!(parsed.value.is_none());
    assert!(parsed.diagnostics.iter().any(|found| found.code.to_string() == "V0104"));
    survive(text.as_bytes());
}

/// The codes that a text draws as a site file.
fn codes(text: &str) -> Vec<String> {
    survive(text.as_bytes());
    parse_site(text.as_bytes()).diagnostics.iter().map(|found| found.code.to_string()).collect()
}

#[test]
fn depth_and_number_are_bounded() {
    for unit in ["[", "{", "{a: ", "[a, ", "- ", "? ", "- - ", "? - ", "a: [", "!!a ", "&a "] {
        let text = unit.repeat(200_000 / unit.len());
        let codes = codes(&text);
        assert!(codes.iter().any(|code| ["V0101", "V0102", "V0104"].contains(&code.as_str())), "{unit:?}: {codes:?}");
    }
    let blocks: String = (0..1000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert_eq!(codes(&blocks), ["V0102"]);
    assert_eq!(codes(&format!("hosts: [{}]\n", "a,".repeat(100_000))), ["V0102"]);
    assert_eq!(codes(&"x".repeat((1 << 20) + 1)), ["V0102"]);
}

#[test]
fn long_scalars_keys_and_lines_cost_little() {
    for text in [
        format!("hosts: {}\nupstream: 5000\n", "a".repeat(500_000)),
        format!("hosts: a.test\nupstream: \"{}\"\n", "\\x41".repeat(100_000)),
        format!("hosts: a.test\nredirect: https://b.test/{}\n", "{path}".repeat(100_000)),
        format!("hosts: a.test\n{}: 1\n", "k".repeat(1000)),
        format!("hosts: a.test\n{}: 1\n", "k".repeat(500_000)),
        format!("hosts: a.test\nroutes:\n  /{}: 5000\n", "x/".repeat(500)),
        format!("hosts: a.test\nrespond: |\n{}", "  line\n".repeat(70_000)),
        format!("hosts: a.test\nupstream: 5000\n{}", "# comment\n".repeat(90_000)),
        format!("{}\n", "\n".repeat(900_000)),
        (0..20_000).map(|n| format!("key{n}: 1\n")).collect(),
        "a: 1\n".repeat(20_000),
    ] {
        survive(text.as_bytes());
    }
}

#[test]
fn an_error_behind_many_warnings_still_keeps_the_file_out() {
    let doubles = "a.test, ".repeat(60);
    let text = format!("hosts: [{doubles}]\nupstream: nowhere at all\n");
    let parsed = parse_site(text.as_bytes());
    assert!(parsed.valid().is_none(), "{:#?}", parsed.diagnostics);
}

#[test]
fn a_file_full_of_mistakes_is_reported_up_to_a_limit() {
    let text: String = (0..60).map(|n| format!("wrong{n}: 1\n")).collect();
    let codes = codes(&text);
    assert_eq!((codes.len(), codes.last().map(String::as_str)), (FINDINGS, Some("V0106")));
}
