//! ClientHellos built by hand and by rustls: split, cut and damaged at every byte.

use std::sync::Arc;

use super::{PrefaceError as E, *};

/// Writes a ClientHello as a browser would, with GREASE in front and behind.
#[derive(Clone)]
struct Hello {
    extensions: Vec<(u16, Vec<u8>)>,
}

fn sized16(body: &[u8]) -> Vec<u8> {
    [&u16::try_from(body.len()).unwrap().to_be_bytes(), body].concat()
}

fn sized8(body: &[u8]) -> Vec<u8> {
    [&[u8::try_from(body.len()).unwrap()], body].concat()
}

fn server_names(names: &[(u8, &[u8])]) -> (u16, Vec<u8>) {
    let list: Vec<u8> = names.iter().flat_map(|(kind, name)| [vec![*kind], sized16(name)].concat()).collect();
    (0, sized16(&list))
}

fn protocols(names: &[&[u8]]) -> (u16, Vec<u8>) {
    (16, sized16(&names.iter().flat_map(|name| sized8(name)).collect::<Vec<_>>()))
}

impl Hello {
    /// Without extensions.
    fn bare() -> Self {
        Self { extensions: Vec::new() }
    }

    fn typical() -> Self {
        Self::bare()
            .with((0x0a0a, vec![]))
            .with(server_names(&[(0, b"Blog.Example.com")]))
            .with((0xff01, vec![0]))
            .with((51, vec![0x11; 1200]))
            .with(protocols(&[b"h2", b"http/1.1"]))
            .with((0xfafa, vec![0]))
    }

    fn with(mut self, extension: (u16, Vec<u8>)) -> Self {
        self.extensions.push(extension);
        self
    }

    fn body(&self) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend(sized8(&[9; 32]));
        body.extend(sized16(&[0x3a, 0x3a, 0x13, 0x01, 0xc0, 0x2b]));
        body.extend(sized8(&[0]));
        if !self.extensions.is_empty() {
            let all: Vec<u8> = self
                .extensions
                .iter()
                .flat_map(|(kind, body)| [kind.to_be_bytes().to_vec(), sized16(body)].concat())
                .collect();
            body.extend(sized16(&all));
        }
        body
    }

    fn message(&self) -> Vec<u8> {
        message(1, &self.body())
    }

    fn bytes(&self) -> Vec<u8> {
        records(&self.message(), 1 << 14)
    }
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    [&[kind], &length[1..], body].concat()
}

/// In records of at most `size` bytes.
fn records(message: &[u8], size: usize) -> Vec<u8> {
    message.chunks(size).flat_map(|fragment| [vec![22, 3, 1], sized16(fragment)].concat()).collect()
}

fn tls(sni: Option<&str>, alpn: &[&[u8]]) -> Result<Progress, E> {
    let alpn = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Progress::Complete(Preface::Tls(ClientHello { sni: sni.map(str::to_owned), alpn })))
}

fn typical() -> Result<Progress, E> {
    tls(Some("Blog.Example.com"), &[b"h2", b"http/1.1"])
}

/// What a real client sends (with the post-quantum key share: more than one packet).
fn real() -> Vec<u8> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut client = rustls::ClientConnection::new(Arc::new(config), "blog.example.com".try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_real_client_is_understood_and_its_hello_may_end_at_every_byte() {
    let bytes = real();
    assert!(bytes.len() > 1200);
    for end in 0..bytes.len() {
        assert_eq!(read_tls(&bytes[..end]), Ok(Progress::Partial), "cut at {end}");
        assert_eq!(read_clear(&bytes[..end]), Ok(Progress::Partial), "cut at {end}");
    }
    let expected = tls(Some("blog.example.com"), &[b"h2", b"http/1.1"]);
    assert_eq!(read_tls(&bytes), expected);
    assert_eq!(read_clear(&bytes), expected);
}

#[test]
fn a_hello_may_come_in_records_of_every_size() {
    let message = Hello::typical().message();
    for size in 1..=message.len() {
        let bytes = records(&message, size);
        assert_eq!(read_tls(&bytes), typical(), "records of {size}");
        assert_eq!(read_tls(&bytes[..bytes.len() - 1]), Ok(Progress::Partial), "records of {size}");
    }
}

#[test]
fn a_hello_in_records_of_one_byte_may_end_at_every_byte() {
    let bytes = records(&Hello::bare().with(server_names(&[(0, b"a.test")])).message(), 1);
    for end in 0..bytes.len() {
        assert_eq!(read_tls(&bytes[..end]), Ok(Progress::Partial), "cut at {end}");
    }
    assert_eq!(read_tls(&bytes), tls(Some("a.test"), &[]));
}

#[test]
fn every_damaged_byte_gives_an_answer_that_more_bytes_do_not_improve() {
    for (bytes, masks) in [(Hello::typical().bytes(), [0x01, 0x80, 0xff]), (real(), [0x02, 0x40, 0xff])] {
        for at in 0..bytes.len() {
            for mask in masks {
                let mut damaged = bytes.clone();
                damaged[at] ^= mask;
                let whole = read_tls(&damaged);
                let _ = read_clear(&damaged);
                if let Err(_) | Ok(Progress::Complete(_)) = whole {
                    let longer = read_tls(&[&damaged[..], &[0; 16]].concat());
                    assert_eq!(longer, whole, "byte {at} ^ {mask:#x}");
                }
            }
        }
    }
}

#[test]
fn early_data_behind_the_hello_is_left_alone() {
    let mut bytes = Hello::typical().bytes();
    bytes.extend([20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 5]);
    assert_eq!(read_tls(&bytes), typical());
}

#[test]
fn extensions_choose_the_site() {
    let long = "a".repeat(255);
    let many: Vec<&[u8]> = vec![b"x"; ALPN_LIMIT + 1];
    let crowd = (0..=u16::try_from(EXTENSION_LIMIT).unwrap()).map(|kind| (1000 + kind, vec![]));
    for (hello, expected) in [
        (Hello::bare(), tls(None, &[])),
        (Hello::bare().with((0x1234, vec![1, 2, 3])), tls(None, &[])),
        (Hello::bare().with(server_names(&[(0, b"a.test.")])), tls(Some("a.test."), &[])),
        (Hello::bare().with(server_names(&[(0, long.as_bytes())])), tls(Some(&long), &[])),
        (Hello::bare().with(server_names(&[(0, &[b'a'; 256])])), Err(E::BadServerName)),
        (Hello::bare().with(server_names(&[(0, b"")])), Err(E::BadServerName)),
        (Hello::bare().with(server_names(&[(0, b"a b")])), Err(E::BadServerName)),
        (Hello::bare().with(server_names(&[(0, b"a\0.test")])), Err(E::BadServerName)),
        (Hello::bare().with(server_names(&[(0, "ü.test".as_bytes())])), Err(E::BadServerName)),
        (Hello::bare().with(server_names(&[(1, b"a.test")])), Err(E::BadServerName)),
        (Hello::bare().with(server_names(&[(0, b"a.test"), (0, b"b.test")])), Err(E::BadServerName)),
        (Hello::bare().with(server_names(&[])), Err(E::BadServerName)),
        (Hello::bare().with((0, vec![])), Err(E::BadServerName)),
        (Hello::bare().with((0, vec![0, 5, 0, 0, 9, b'a', b'b'])), Err(E::BadServerName)),
        (Hello::bare().with((0, vec![0, 4, 0, 0, 1, b'a', b'b'])), Err(E::BadServerName)),
        (Hello::bare().with(protocols(&[b"acme-tls/1"])), tls(None, &[b"acme-tls/1"])),
        (Hello::bare().with(protocols(&[b"\x0a\x0a", b"h2"])), tls(None, &[b"\x0a\x0a", b"h2"])),
        (Hello::bare().with(protocols(&[])), Err(E::BadAlpn)),
        (Hello::bare().with(protocols(&[b"h2", b""])), Err(E::BadAlpn)),
        (Hello::bare().with(protocols(&many)), Err(E::BadAlpn)),
        (Hello::bare().with((16, vec![0, 3, 9, b'h', b'2'])), Err(E::BadAlpn)),
        (Hello::bare().with((16, vec![0, 3, 2, b'h', b'2', 0])), Err(E::BadAlpn)),
        (Hello::typical().with(protocols(&[b"h2"])), Err(E::DuplicateExtension)),
        (Hello::typical().with(server_names(&[(0, b"b.test")])), Err(E::DuplicateExtension)),
        (Hello::typical().with((0x0a0a, vec![])), Err(E::DuplicateExtension)),
        (Hello { extensions: crowd.collect() }, Err(E::Malformed)),
    ] {
        assert_eq!(read_tls(&hello.bytes()), expected, "{:?}", hello.extensions);
    }
}

#[test]
fn fields_that_do_not_add_up_are_refused() {
    let good = Hello::typical().body();
    let suites = 2 + 32 + 33;
    type Damage = fn(&mut Vec<u8>, usize);
    let damages: [(&str, Damage); 8] = [
        ("version 2", |body, _| body[0] = 2),
        ("session id of 33", |body, _| body[34] = 33),
        ("odd suites", |body, suites| body[suites + 1] = 5),
        ("no suites", |body, suites| drop(body.splice(suites..suites + 8, [0, 0]))),
        ("no compression", |body, suites| drop(body.splice(suites + 8..suites + 10, [0]))),
        ("shorter extensions", |body, suites| body[suites + 11] -= 1),
        ("longer extensions", |body, suites| body[suites + 11] += 1),
        ("a byte behind", |body, _| body.push(0)),
    ];
    for (what, damage) in damages {
        let mut body = good.clone();
        damage(&mut body, suites);
        assert_eq!(read_tls(&records(&message(1, &body), 1 << 14)), Err(E::Malformed), "{what}");
    }
    for end in 0..good.len() {
        let cut = records(&message(1, &good[..end]), 1 << 14);
        // Without its extensions it is a whole hello of an old client.
        let expected = if end == suites + 8 + 2 { tls(None, &[]) } else { Err(E::Malformed) };
        assert_eq!(read_tls(&cut), expected, "a body of {end}");
    }
}

#[test]
fn records_that_are_no_hello_are_refused_at_once() {
    let typical = Hello::typical().message();
    let half = &records(&typical[..100], 1 << 14)[..];
    for (bytes, expected) in [
        (&[22, 2][..], E::BadRecord),
        (&[22, 3, 1, 0, 0], E::BadRecord),
        (&[22, 3, 1, 0x40, 1], E::BadRecord),
        (&[22, 3, 1, 0xff, 0xff], E::BadRecord),
        (&[22, 3, 1, 0, 4, 2], E::UnexpectedMessage),
        (&[22, 3, 1, 0, 4, 0, 0, 0, 0], E::UnexpectedMessage),
        (&[22, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff], E::TooLarge),
        (&[22, 3, 1, 0, 9, 1, 0, 0, 1], E::UnexpectedMessage),
        (&[half, &[21]].concat(), E::UnexpectedMessage),
        (&[half, &[20, 3, 3, 0, 1, 1]].concat(), E::UnexpectedMessage),
        (&[half, &[22, 3, 1, 0, 0]].concat(), E::BadRecord),
        (&records(&[&typical[..], &[1]].concat(), 1 << 14), E::UnexpectedMessage),
        (&records(&[message(0, &[]), typical.clone()].concat(), 1 << 14), E::UnexpectedMessage),
        (&[21, 3, 3, 0, 2, 2, 40], E::Unknown),
        (&[0x80, 0x2e, 1, 3, 1], E::Unknown),
        (&[0], E::Unknown),
        (b"GET / HTTP/1.1\r\n", E::ClearHttp),
        (b"\r\nGET", E::ClearHttp),
        (b"P", E::ClearHttp),
    ] {
        assert_eq!(read_tls(bytes), Err(expected), "{bytes:?}");
    }
}

#[test]
fn a_hello_without_end_is_refused_at_the_limit() {
    let message = Hello::bare().with((21, vec![0; 20_000])).message();
    assert_eq!(read_tls(&records(&message, 1 << 14)), tls(None, &[]));
    let bytes = records(&message, 3);
    assert!(bytes.len() > LIMIT);
    assert_eq!(read_tls(&bytes[..LIMIT - 1]), Ok(Progress::Partial));
    for end in [LIMIT, LIMIT + 1, bytes.len()] {
        assert_eq!(read_tls(&bytes[..end]), Err(E::TooLarge), "{end} bytes at once");
    }
}

#[test]
fn clear_bytes_choose_their_codec() {
    let http2 = clear::HTTP2_PREFACE;
    for end in 0..http2.len() {
        assert_eq!(read_clear(&http2[..end]), Ok(Progress::Partial), "cut at {end}");
        let mut broken = http2[..=end].to_vec();
        broken[end] ^= 0x80;
        let expected = match end {
            0 => Err(E::Unknown),
            1..4 => Ok(Progress::Complete(Preface::Http1)),
            _ => Err(E::BadHttp2),
        };
        assert_eq!(read_clear(&broken), expected, "broken at {end}");
    }
    for (bytes, expected) in [
        (http2, Ok(Progress::Complete(Preface::Http2))),
        (&[http2, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat(), Ok(Progress::Complete(Preface::Http2))),
        (b"GET / HTTP/1.1\r\n\r\n", Ok(Progress::Complete(Preface::Http1))),
        (b"POST", Ok(Progress::Complete(Preface::Http1))),
        (b"PRO", Ok(Progress::Complete(Preface::Http1))),
        (b"get", Ok(Progress::Complete(Preface::Http1))),
        (b"\r\nGET", Ok(Progress::Complete(Preface::Http1))),
        (b"", Ok(Progress::Partial)),
        (b"\0", Err(E::Unknown)),
        (b" GET", Err(E::Unknown)),
        (b"\xff", Err(E::Unknown)),
        (&[21, 3, 3], Err(E::Unknown)),
    ] {
        assert_eq!(read_clear(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn no_bytes_panic() {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33).to_be_bytes()[7]
    };
    for round in 0..30_000_usize {
        let mut bytes: Vec<u8> = (0..next()).map(|_| next()).collect();
        // Most rounds get past the first checks.
        if round % 4 != 0 {
            bytes = records(&message(1, &bytes), usize::from(next()).max(1));
        }
        if round % 4 == 1 {
            let at = usize::from(next()) % bytes.len();
            bytes[at] = next();
        }
        let _ = (read_tls(&bytes), read_clear(&bytes));
    }
}

#[test]
fn what_is_refused_over_tls_has_an_alert() {
    assert_eq!(alert(112), [21, 3, 3, 0, 2, 2, 112]);
    assert_eq!(E::DuplicateExtension.alert(), Some(47));
    assert_eq!(E::ClearHttp.alert(), None);
}
