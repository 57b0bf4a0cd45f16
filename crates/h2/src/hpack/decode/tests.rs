use super::{super::huffman, *};
use crate::hpack::Pseudo;

const LIMITS: Limits = Limits { list: 16 * 1024 };

fn shown(field: &Field) -> String {
    let name = match &field.name {
        Name::Pseudo(Pseudo::Method) => ":method",
        Name::Pseudo(Pseudo::Scheme) => ":scheme",
        Name::Pseudo(Pseudo::Authority) => ":authority",
        Name::Pseudo(Pseudo::Path) => ":path",
        Name::Pseudo(Pseudo::Other) => ":?",
        Name::Field(name) => name.as_str(),
        Name::Malformed => "?",
    };
    let value = field.value.as_ref().map_or("?".into(), |value| String::from_utf8_lossy(value.as_bytes()));
    format!("{name}: {value}")
}

/// The fields of a block, as text.
fn read(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<String>, Fault> {
    let mut fields = Vec::new();
    decoder.decode(block, LIMITS, |field| fields.push(shown(&field))).map(|_| fields)
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).expect("a digit");
    digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// RFC 7541 appendix C.2: single fields, each to a fresh decoder.
#[test]
fn fields_of_each_form_are_read() {
    for (block, field, size) in [
        ("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", "custom-key: custom-header", 55),
        ("040c 2f73 616d 706c 652f 7061 7468", ":path: /sample/path", 0),
        ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret", 0),
        ("82", ":method: GET", 0),
    ] {
        let mut decoder = Decoder::default();
        assert_eq!(read(&mut decoder, &hex(block)), Ok(vec![field.to_owned()]));
        assert_eq!(decoder.table.size(), size);
    }
    let mut sensitive = false;
    let told = |field: Field| sensitive = field.value.is_some_and(|value| value.is_sensitive());
    Decoder::default().decode(&hex("1008 7061 7373 776f 7264 0673 6563 7265 74"), LIMITS, told).expect("it is right");
    assert!(sensitive, "what may never be indexed says so to whoever writes it next");
}

/// RFC 7541 appendix C.3 and C.4: the same three requests, without and with Huffman code.
#[test]
fn requests_of_the_appendix_are_read() {
    let first = [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"];
    let second =
        [":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com", "cache-control: no-cache"];
    let third = [
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ];
    for blocks in [
        [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ],
        [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ],
    ] {
        let mut decoder = Decoder::default();
        for ((block, fields), size) in blocks.iter().zip([&first[..], &second, &third]).zip([57, 110, 164]) {
            assert_eq!(read(&mut decoder, &hex(block)).expect("it is right"), fields);
            assert_eq!(decoder.table.size(), size);
        }
    }
}

/// RFC 7541 appendix C.5 and C.6: responses, with a table of 256 bytes that overflows.
#[test]
fn responses_of_the_appendix_are_read() {
    let date = |seconds: u8| format!("date: Mon, 21 Oct 2013 20:13:{seconds} GMT");
    let location = "location: https://www.example.com".to_owned();
    let private = "cache-control: private".to_owned();
    let expected = [
        vec![":?: 302".to_owned(), private.clone(), date(21), location.clone()],
        vec![":?: 307".to_owned(), private.clone(), date(21), location.clone()],
        vec![
            ":?: 200".to_owned(),
            private,
            date(22),
            location,
            "content-encoding: gzip".to_owned(),
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1".to_owned(),
        ],
    ];
    for blocks in [
        [
            "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 \
             474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 \
             666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 \
             3630 303b 2076 6572 7369 6f6e 3d31",
        ],
        [
            "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 \
             63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 \
             b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        ],
    ] {
        let mut decoder = Decoder::default();
        decoder.resize(256).expect("within the limit");
        for ((block, fields), size) in blocks.iter().zip(&expected).zip([222, 222, 215]) {
            assert_eq!(read(&mut decoder, &hex(block)).as_ref(), Ok(fields));
            assert_eq!(decoder.table.size(), size);
        }
    }
}

/// One that the table must not outlive: its text is a copy.
#[test]
fn what_is_indexed_comes_back_as_it_was_and_what_is_malformed_stays_so() {
    let literal = |first: u8, name: &[u8], value: &[u8]| {
        let length = |text: &[u8]| u8::try_from(text.len()).expect("short");
        [&[first, length(name)][..], name, &[length(value)], value].concat()
    };
    for (name, value, shown) in [
        (&b"x-own"[..], &b"\xff\t "[..], "x-own: \u{fffd}\t "),
        (b"X-Own", b"1", "?: 1"),
        (b"", b"1", "?: 1"),
        (b"x-own", b"a\r\nb", "x-own: ?"),
        (b":status", b"200", ":?: 200"),
        (b":path", b"\0", ":path: ?"),
    ] {
        let mut decoder = Decoder::default();
        let wanted = Ok(vec![shown.to_owned()]);
        assert_eq!(read(&mut decoder, &literal(0x00, name, value)), wanted);
        assert_eq!(decoder.table.size(), 0);
        assert_eq!(read(&mut decoder, &literal(0x40, name, value)), wanted);
        assert_eq!(decoder.table.size(), name.len() + value.len() + OVERHEAD);
        assert_eq!(read(&mut decoder, b"\xbe"), wanted, "by its index");
    }
}

#[test]
fn blocks_that_nobody_can_decode_are_refused_wherever_they_are_cut() {
    let block = hex(
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff 5886 a8eb 1064 9cbf 1008 7061 7373 776f 7264 0673 6563 7265 74",
    );
    let borders = [0, 1, 2, 3, 17, 25, 42];
    for cut in 0..=block.len() {
        let read = read(&mut Decoder::default(), &block[..cut]);
        assert_eq!(read.is_ok(), borders.contains(&cut), "{cut} {read:?}");
    }
    for bytes in [
        &b"\x80"[..],
        b"\xbe",
        b"\x7e\x01x",
        b"\x0f\x2f\x01x",
        b"\x82\x20",
        b"\x3f\xe2\x1f", // 4097
        b"\x00\x01x\x81\x18",
    ] {
        assert!(matches!(read(&mut Decoder::default(), bytes), Err(Fault::Compression(_))), "{bytes:x?}");
    }
    for (bytes, fine) in [(&b"\x20\x3f\xe1\x1f\x82"[..], true), (b"\x20\x20\x20\x82", false)] {
        let read = read(&mut Decoder::default(), bytes);
        assert!(if fine { read.is_ok() } else { matches!(read, Err(Fault::Calm(_))) });
    }
}

#[test]
fn a_list_has_a_limit_and_is_decoded_beyond_it() {
    let large = [b"\x40\x05x-own\x7f\xf9\x06".as_slice(), &[b'x'; 1016]].concat();
    let size = 5 + 1016 + OVERHEAD;
    for (times, expected) in [
        (3, Ok(Decoded::Whole)),
        (4, Ok(Decoded::TooLarge)),
        (12, Ok(Decoded::TooLarge)),
        (13, Err(Fault::Calm("a head that is far too large"))),
    ] {
        let block = [large.clone(), vec![0xbe; times - 1]].concat();
        let mut decoder = Decoder::default();
        let mut told = 0;
        let decoded = decoder.decode(&block, Limits { list: 3 * size }, |_| told += 1);
        assert_eq!((decoded, told), (expected, times.min(3)));
        assert_eq!(decoder.table.size(), size, "the table has it all the same");
    }
}

/// What the rest of the program writes, this reads: in every cut that a name and a value can have.
#[test]
fn literals_come_back_in_both_spellings() {
    for text in ["", "a", "www.example.com", "\u{7f}", "0123456789abcdef0123456789abcdef"] {
        let code = huffman::tests::encode(text.as_bytes());
        let plain = [&[0x00, 1, b'x', u8::try_from(text.len()).expect("short")][..], text.as_bytes()].concat();
        let coded = [&[0x00, 1, b'x', 0x80 | u8::try_from(code.len()).expect("short")][..], &code].concat();
        let mut decoder = Decoder::default();
        assert_eq!(read(&mut decoder, &plain), read(&mut decoder, &coded));
    }
}
