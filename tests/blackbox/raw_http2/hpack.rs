//! Cases of header blocks: RFC 7541, and RFC 9113 section 4.3. One that cannot be decoded ends the connection, because
//! the table that both sides keep would differ from then on.

use super::{
    case::{Case, Outcome, got},
    frame::{
        COMPRESSION_ERROR, CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, HEADERS, PROTOCOL_ERROR, frame,
        get, headers, integer, literal_as,
    },
};

/// `:method: GET`, `:scheme: https`, `:path: /` of the static table, and the authority.
const INDEXED: &[u8] = b"\x82\x87\x84\x01\x06a.test";

pub(super) fn blocks() -> Vec<Case> {
    let mut cases = broken();
    cases.extend(sizes());
    cases.extend(right());
    cases.extend(bombs());
    cases
}

/// A field of 3 KB that is put into the table once and named by a byte each from then on: 4 KB of frames, 3 MB of head.
fn bombs() -> Vec<Case> {
    let large = literal_as(0x40, "x-own", &"x".repeat(3000));
    let named = |times: usize| b"\xbe".repeat(times);
    let at_once = |times: usize| headers(1, [get(&[]), large.clone(), named(times)].concat());
    let later = [headers(1, [get(&[]), large.clone()].concat()), headers(3, [get(&[]), named(1000)].concat())];
    let arrives = got(&[&format!("x-own: {}", "x".repeat(3000))]);
    vec![
        Case::answered("HPACK 7.3 a head of 90 KB in 3 KB", at_once(30), 431, "headers_too_large"),
        Case::dies("HPACK 7.3 a head of 3 MB in 4 KB", at_once(1000), ENHANCE_YOUR_CALM),
        Case::dies("HPACK 7.3 the same, laid by a head before", later.concat(), ENHANCE_YOUR_CALM).may_arrive(arrives),
    ]
}

/// Blocks that nobody can decode.
fn broken() -> Vec<Case> {
    let head = get(&[]);
    let behind = |name: &str, rest: &[u8]| {
        Case::dies(format!("HPACK {name}"), headers(1, [&head[..], rest].concat()), COMPRESSION_ERROR)
    };
    let name_of = |rest: &[u8]| [&[0x00, 0x05][..], b"x-own", rest].concat();
    let mut cases = vec![
        behind("6.1 index 0", b"\x80"),
        behind("2.3.3 an index behind both tables", b"\xbe"),
        behind("2.3.3 an index far behind both tables", &integer(0x80, 7, 4000)),
        behind("2.3.3 a name's index behind both tables", b"\x7e\x01x"),
        behind("2.3.3 the same of a field that is not indexed", b"\x0f\x2f\x01x"),
        behind("5.1 an integer of six bytes", b"\xff\xff\xff\xff\xff\xff\x0f"),
        behind("5.1 an integer beyond 64 bits", b"\xff\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
        behind("5.1 an integer without its end", b"\xff\x80"),
        behind("5.1 an integer that stops at its prefix", b"\xff"),
        behind("5.2 a name longer than the block", b"\x00\x20x-own"),
        behind("5.2 a value longer than the block", &name_of(b"\x20abc")),
        behind("5.2 a name of 2^31 bytes", b"\x00\x7f\x81\xff\xff\xff\x07x"),
        behind("5.2 a value of 2^31 bytes", &name_of(b"\x7f\x81\xff\xff\xff\x07x")),
        behind("5.2 a field without a name", b"\x00"),
        behind("5.2 a field without a value", &name_of(b"")),
        behind("5.2 a Huffman code of eight bits of padding", &name_of(b"\x82\x1f\xff")),
        behind("5.2 a Huffman code of padding only", &name_of(b"\x81\xff")),
        behind("5.2 a Huffman code with padding of zeros", &name_of(b"\x81\x18")),
        behind("5.2 a Huffman code with the end of string", &name_of(b"\x84\xff\xff\xff\xff")),
        behind("5.2 the end of string in the middle", &name_of(b"\x85\x1f\xff\xff\xff\xff")),
        behind("5.2 a Huffman name with the end of string", b"\x00\x84\xff\xff\xff\xff\x01x"),
        behind("4.2 a size behind a field", b"\x20"),
        behind("4.2 a larger size behind a field", b"\x3f\xe1\x1f"),
        Case::dies("HPACK 4.3 a block in two frames that does not end", unfinished(), COMPRESSION_ERROR),
    ];
    for length in 1..INDEXED.len() {
        // At the borders of fields the block is whole, and the head is not.
        if ![1, 2, 3].contains(&length) {
            let name = format!("HPACK 5 a block cut behind {length} bytes");
            cases.push(Case::dies(name, headers(1, &INDEXED[..length]), COMPRESSION_ERROR));
        }
    }
    cases
}

fn unfinished() -> Vec<u8> {
    [frame(HEADERS, END_STREAM, 1, INDEXED), frame(CONTINUATION, END_HEADERS, 1, b"\x00\x05x-o")].concat()
}

/// RFC 7541 section 4.2: the table is at most as large as we allow, 4096 bytes.
fn sizes() -> Vec<Case> {
    let update = |size| integer(0x20, 5, size);
    let with =
        |updates: &[usize]| headers(1, [updates.iter().flat_map(|size| update(*size)).collect(), get(&[])].concat());
    let mut cases = Vec::new();
    for size in [4097, 8192, 65_536, (1 << 31) - 1] {
        let name = format!("HPACK 6.3 a table of {size} bytes");
        cases.push(Case::dies(name, with(&[size]), COMPRESSION_ERROR));
    }
    cases.push(Case::dies("HPACK 6.3 a second size beyond the limit", with(&[0, 4097]), COMPRESSION_ERROR));
    for sizes in [&[0][..], &[4096], &[100], &[0, 4096], &[4096, 0]] {
        cases.push(Case::reaches(format!("HPACK 6.3 the sizes {sizes:?}"), with(sizes), got(&[])));
    }
    // A field that was put out of the table is not there any more.
    let own = literal_as(0x40, "x-own", "1");
    let emptied =
        [headers(1, [get(&[]), own.clone()].concat()), headers(3, [&b"\x20"[..], &get(&[]), b"\xbe"].concat())];
    let arrives = got(&["x-own: 1"]);
    cases.push(
        Case::dies("HPACK 4.3 an index into an emptied table", emptied.concat(), COMPRESSION_ERROR).may_arrive(arrives),
    );
    // Larger than the table: empties it (section 4.4).
    let large = literal_as(0x40, "x-own", &"x".repeat(4096));
    let index = headers(3, [&get(&[])[..], b"\xbe"].concat());
    let arrives = got(&[&format!("x-own: {}", "x".repeat(4096))]);
    let bytes = [headers(1, [get(&[]), large].concat()), index].concat();
    cases.push(
        Case::dies("HPACK 4.4 an index of a field larger than the table", bytes, COMPRESSION_ERROR).may_arrive(arrives),
    );
    cases
}

/// Blocks of every form.
fn right() -> Vec<Case> {
    let one = |name: &str, field: Vec<u8>| {
        Case::reaches(format!("HPACK {name}"), headers(1, [get(&[]), field].concat()), got(&["x-own: 1"]))
    };
    let indexed_twice = [literal_as(0x40, "accept", "x"), b"\xbe".to_vec()].concat();
    let malformed = [get(&[]), literal_as(0x40, "x-own", "1"), literal_as(0x00, "connection", "close")].concat();
    let bytes = [headers(1, malformed), headers(3, [&get(&[])[..], b"\xbe"].concat())].concat();
    let mut kept = Case::resets("HPACK 4.3 a malformed head still fills the table", bytes, PROTOCOL_ERROR);
    kept.expected.push(Outcome::Reaches(3, got(&["x-own: 1"])));
    vec![
        kept,
        Case::reaches("HPACK 6.1 fields of the static table", headers(1, INDEXED), got(&[])),
        one("6.2.1 a field that is indexed", literal_as(0x40, "x-own", "1")),
        one("6.2.2 a field that is not indexed", literal_as(0x00, "x-own", "1")),
        one("6.2.3 a field that is never indexed", literal_as(0x10, "x-own", "1")),
        one("5.2 a value in Huffman code", b"\x00\x05x-own\x81\x0f".to_vec()),
        one("5.1 a length in more bytes than it needs", b"\x00\x05x-own\x01\x31".to_vec()),
        Case::reaches(
            "HPACK 2.3.2 a field of the dynamic table",
            headers(1, [get(&[]), indexed_twice].concat()),
            got(&["accept: x", "accept: x"]),
        ),
    ]
}
