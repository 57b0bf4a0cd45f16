use super::{agreement::hold as check, *};

#[test]
fn usual_files_are_read_here_and_as_the_library_reads_them() {
    for text in [
        "hosts: blog.example.com\nupstream: 127.0.0.1:5000\n",
        "# mine\n\nhosts: [a.example.com, \"*.b.example.com\"]\nupstream: 5000\n   \n",
        "hosts:\n  - a.example.com\n  - \"b.example.com\"\nupstream: unix:/run/a.sock",
        "hosts: a.test\nroutes:\n  /api: 5000\n  /: http://127.0.0.1:5001\n",
        "hosts: a.test\nrespond: {body: \"good day\", status: 200}\nredirect_to_https: false\n",
        "hosts: a.test\nupstream: 5000\ntls: internal\ntimeouts:\n    connect: 5s\n    response: 1m\n",
        "hosts: a.test\nhosts: b.test\nupstream: true\n",
        "a: 1.10\nb: 0x1F\nc: 1e3\nd: 12:30:45\ne: yes\nf: 2026-11-23\ng: 99999999999999999999\nh: 0o17\n",
        "/a: b\n1: 2\n",
    ] {
        assert!(check(text), "{text:?} is left to the library");
    }
}

#[test]
fn everything_else_is_left_to_the_library() {
    for text in [
        "",
        "# nothing\n",
        "hosts:\n",
        "hosts: \n",
        "hosts: a.test # mine\n",
        "hosts: a.test\n  b.test\n",
        "hosts: 'a.test'\n",
        "hosts: \"a\\n\"\n",
        "hosts: \"a\n  b\"\n",
        "hosts: ~\n",
        "hosts: null\n",
        "hosts: Null\n",
        "null: a.test\n",
        "routes:\n  Null: 5000\n",
        "hosts: {null: a}\n",
        "hosts: *all\n",
        "hosts: &all a.test\n",
        "hosts: !!str a.test\n",
        "hosts: |\n  a\n",
        "hosts: >-\n  a\n",
        "hosts: []\n",
        "hosts: [a,]\n",
        "hosts: [[a]]\n",
        "hosts: [a\n  , b]\n",
        "hosts: {}\n",
        "hosts: {a}\n",
        "hosts: a: b\n",
        "hosts: a:\n",
        "hosts: a, b\n",
        "hosts:a.test\n",
        "hosts : a.test\n",
        "hosts\n",
        "? hosts\n: a.test\n",
        "\"hosts\": a.test\n",
        "- a\n",
        "hosts:\n- a\n",
        "hosts:\n  - a\n - b\n",
        "hosts:\n  - a\n  b: c\n",
        "hosts:\n  b: c\n  - a\n",
        "routes:\n  /a:\n    upstream: 5000\n",
        "routes:\n  - - a\n",
        "routes:\n  - a: b\n",
        "---\nhosts: a.test\n",
        "hosts: a.test\n---\nhosts: b.test\n",
        "hosts: a.test\n...\n",
        "%YAML 1.2\n---\nhosts: a.test\n",
        "\u{feff}hosts: a.test\n",
        "hosts: bücher.example\n",
        "hosts: a.test\r\nupstream: 5000\r\n",
        "hosts:\ta.test\n",
        "\thosts: a.test\n",
        "  hosts: a.test\n",
        "hosts: a.test\n  # a comment\nupstream: 5000\n",
        "<<: a\n",
        "hosts: a.test\0\n",
    ] {
        assert!(!check(text), "{text:?} is read here");
    }
    assert!(!check(&format!("hosts: {}\n", "a".repeat(TEXT_LIMIT))));
}

#[test]
fn what_is_as_long_as_it_may_be_is_read_likewise() {
    for length in [KEY_LIMIT - 1, KEY_LIMIT, KEY_LIMIT + 1, KEY_LIMIT + 900] {
        let (word, blanks) = ("k".repeat(length), " ".repeat(length));
        for text in [format!("{word}: a\n"), format!("a:\n  {word}: b\n"), format!("a: {{{word}: b}}\n")] {
            assert_eq!(check(&text), length <= KEY_LIMIT, "a key of {length} bytes");
        }
        for text in [
            format!("a: {word}\n"),
            format!("a: \"{word}\"\n"),
            format!("a:\n  - {word}\n"),
            format!("a: [{blanks}b, {word}]\n"),
            format!("a: [b,{blanks}{word} ]\n"),
            format!("a: {{{blanks}b: c, d: {word}}}\n"),
            format!("a: {{b:{blanks}c, d: {word}}}\n"),
            format!("a:{blanks}b\n"),
            format!("a:\n{blanks}-{blanks}b\n"),
            format!("a:\n{blanks}b:{blanks}c\n"),
            format!("#{word}\na: b\n"),
        ] {
            assert!(check(&text), "{length}");
        }
    }
}

/// Texts of the pieces that the forms are made of, and of what comes near them, the same in every run.
#[test]
fn whatever_is_read_here_the_library_reads_likewise() {
    const STARTS: [&str; 12] =
        ["hosts: ", "a: ", "/x: ", "b:\n  c: ", "b:\n  - ", "  c: ", "  - ", "", "true: ", "1e3: ", "Null: ", "0x1F: "];
    const VALUES: [&str; 20] = [
        "a.test",
        "5000",
        "\"a b\"",
        "[a, b]",
        "{a: b}",
        "a\n  - a",
        "a\n  c: d",
        "x",
        "\"\"",
        "[\"*.a\",1]",
        "{ a: 1 , \"b\": c }",
        "{a: b, c: \"d: e\"}",
        "12:30",
        "[a:b, c]",
        "1.",
        "1e999",
        "nan",
        "null",
        "0o9",
        "y",
    ];
    const ENDS: [&str; 9] = ["\n", "\n", "\n", " \n", "\n\n", "\n#c\n", "\n  \n", "\n# |\n", "\r\n"];
    const PIECES: [&str; 58] = [
        "hosts", "upstream", "a.test", "5000", "/api", "null", "true", "~", "1e3", ".5", "-", "- ", "_", ":", ": ",
        ": ", ": ", " ", "  ", "    ", "\n", "\n", "\n", "\n  ", "\n  ", "\n    ", "\"", "\"a b\"", "\"#\"", "'",
        "'x'", "[", "]", "{", "}", ", ", ",", "#", " # c", "\n#c\n", "|", ">", "&x", "*x", "!", "\t", "\r", "\u{85}",
        "\u{2028}", "\u{feff}", "\0", "%", "@", "`", "? ", "\n---\n", "\n...\n", "\\",
    ];
    let mut drawn = 0x2545_f491_4f6c_dd1d_u64;
    let mut draw = |below: usize| {
        drawn ^= drawn << 13;
        drawn ^= drawn >> 7;
        drawn ^= drawn << 17;
        usize::try_from(drawn % below as u64).expect("below a usize")
    };
    let mut here = 0_u32;
    for _ in 0..60_000 {
        // Mostly lines as they should be, with something of the rest in one place or two.
        let mut text = String::new();
        for _ in 0..=draw(5) {
            text.push_str(STARTS[draw(STARTS.len())]);
            text.push_str(VALUES[draw(VALUES.len())]);
            text.push_str(ENDS[draw(ENDS.len())]);
        }
        for _ in 0..draw(3) {
            let at = text.floor_char_boundary(draw(text.len() + 1));
            match draw(3) {
                0 if at < text.len() => drop(text.remove(at)),
                _ => text.insert_str(at, PIECES[draw(PIECES.len())]),
            }
        }
        here += u32::from(check(&text));
    }
    assert!(here > 5_000, "only {here} of these texts are read here");
}
