//! The first bytes of a connection.

use rustls::server::Acceptor;
use vestibule_names::{Authority, HostRef};
use vestibule_preface::{ALPN_LIMIT, ClientHello, LIMIT, Preface, PrefaceError, Progress, read_clear, read_tls};

use crate::cuts;

/// Any bytes, to the port of TLS and to the clear one.
pub fn preface(data: &[u8]) {
    let tls = settled(data, read_tls);
    let clear = settled(data, read_clear);
    if data.first() == Some(&22) {
        assert_eq!(tls, clear, "a ClientHello is one on every port");
    }
    if let Ok(Progress::Complete(Preface::Tls(hello))) = &tls {
        plausible(hello, data);
        same_as_rustls(hello, data);
    }
    assert!(!matches!(tls, Ok(Progress::Complete(Preface::Http1 | Preface::Http2))), "TLS is not clear HTTP");
}

/// The verdict, which no shorter beginning contradicts.
fn settled(data: &[u8], read: fn(&[u8]) -> Result<Progress, PrefaceError>) -> Result<Progress, PrefaceError> {
    let whole = read(data);
    for end in cuts::ends(data) {
        let early = read(&data[..end]);
        if early != Ok(Progress::Partial) {
            assert_eq!(early, whole, "the verdict on {end} bytes of {}", data.len());
        }
    }
    if whole == Ok(Progress::Partial) {
        assert!(data.len() < LIMIT, "no end within the limit");
    }
    whole
}

fn plausible(hello: &ClientHello, data: &[u8]) {
    assert!(hello.alpn.len() <= ALPN_LIMIT && hello.alpn.iter().all(|name| (1..=255).contains(&name.len())));
    let size = hello.sni.as_ref().map_or(0, String::len) + hello.alpn.iter().map(Vec::len).sum::<usize>();
    assert!(size <= data.len(), "more is said than was sent");
    let Some(sni) = &hello.sni else { return };
    assert!((1..=255).contains(&sni.len()) && sni.bytes().all(|byte| byte.is_ascii_graphic()));
    // A name of a handshake and of a request is the same name.
    if let Ok(host) = HostRef::parse_sni(sni) {
        let asked = Authority::parse(sni).map(|authority| authority.host);
        assert_eq!(asked.as_ref(), Ok(&host), "{sni}");
    }
}

/// What rustls makes of the bytes is what chose the site.
fn same_as_rustls(hello: &ClientHello, data: &[u8]) {
    let mut acceptor = Acceptor::default();
    let mut rest = data;
    while !rest.is_empty() {
        if !matches!(acceptor.read_tls(&mut rest), Ok(1..)) {
            return;
        }
        match acceptor.accept() {
            Ok(None) => {}
            Err(_) => return, // it refuses what we do not look at
            Ok(Some(accepted)) => {
                let read = accepted.client_hello();
                let alpn: Vec<&[u8]> = read.alpn().into_iter().flatten().collect();
                assert_eq!(alpn, hello.alpn.iter().map(Vec::as_slice).collect::<Vec<_>>(), "two readings of ALPN");
                if let Some(name) = read.server_name() {
                    let ours = hello.sni.as_deref().unwrap_or_default();
                    assert!(
                        name.eq_ignore_ascii_case(ours.trim_end_matches('.')) || name.eq_ignore_ascii_case(ours),
                        "{name} is not {ours}"
                    );
                }
                return;
            }
        }
    }
}
