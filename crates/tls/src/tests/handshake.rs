//! Handshakes that succeed, and such that do not.

use rustls::{HandshakeKind, server::WebPkiClientVerifier};

use super::*;
use crate::Fault;

#[test]
fn a_handshake_in_pieces_of_any_size_and_what_was_agreed_on() {
    for version in VERSIONS {
        for size in (1..40).chain([100, 517, 1000, 4096]) {
            let identity = Identity::new();
            let (mut server, mut config) = (identity.server(version), identity.client());
            server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            let mut client = Client::new(config, &Line::in_pieces(size, size));
            let shaken = shake(server, &mut client);
            let Poll::Ready(Ok(server)) = shaken else { panic!("{version:?} in pieces of {size}") };
            assert_eq!(server.alpn_protocol(), Some(&b"http/1.1"[..]));
            assert_eq!(server.peer_certificates(), None);
            assert_eq!(client.rustls.handshake_kind(), Some(HandshakeKind::Full));
            assert!(server.is_at_rest(), "nothing is kept");
        }
    }
}

#[test]
fn first_bytes_that_were_read_before_count() {
    for version in VERSIONS {
        let identity = Identity::new();
        let mut client = Client::new(identity.client(), &Line::new());
        client.pump();
        let hello = client.line.with(|ends| Vec::from(std::mem::take(&mut ends.to_server)));
        for at in [hello.len(), hello.len() / 2, 3] {
            let mut client = Client::new(identity.client(), &Line::new());
            client.pump();
            // Another one of the same length.
            let first: Vec<u8> = client.line.with(|ends| ends.to_server.drain(..at).collect());
            let config = Arc::new(identity.server(version));
            let mut shaking = pin!(accept(config, first, client.line.clone()));
            let shaken = loop {
                let shaken = poll(|cx| shaking.as_mut().poll(cx));
                let moved = client.line.moved();
                client.pump();
                if shaken.is_ready() || client.line.moved() == moved {
                    break shaken;
                }
            };
            assert!(matches!(shaken, Poll::Ready(Ok(_))), "{version:?}, cut at {at}");
        }
    }
}

#[test]
fn a_session_is_resumed() {
    for version in VERSIONS {
        let identity = Identity::new();
        let mut server = identity.server(version);
        server.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().expect("random");
        let (server, config) = (Arc::new(server), identity.client());
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut client = Client::new(config.clone(), &Line::new());
            let Poll::Ready(Ok(mut stream)) = shake(ServerConfig::clone(&server), &mut client) else { panic!("fails") };
            assert_eq!(client.rustls.handshake_kind(), Some(expected), "{version:?}");
            client.say(b"ping");
            assert_eq!(read_all(&mut stream, 9).0, b"ping");
        }
    }
}

#[test]
fn a_client_certificate_is_shown_or_missing() {
    for version in VERSIONS {
        for shown in [1, 0] {
            let identity = Identity::new();
            let verifier = WebPkiClientVerifier::builder(Arc::clone(&identity.roots)).build().expect("roots");
            let server = ServerConfig::builder_with_protocol_versions(&[version]).with_client_cert_verifier(verifier);
            let server = server.with_single_cert(identity.chain.clone(), identity.key.clone_key()).expect("a key");
            let config = ClientConfig::builder().with_root_certificates(Arc::clone(&identity.roots));
            let config = match shown {
                1 => config.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key()).expect("a key"),
                _ => config.with_no_client_auth(),
            };
            let mut client = Client::new(config, &Line::new());
            match shake(server, &mut client) {
                Poll::Ready(Ok(stream)) => {
                    assert_eq!((shown, stream.peer_certificates()), (1, Some(&identity.chain[..])));
                }
                Poll::Ready(Err(Refused { fault: Fault::Tls(error), .. })) => {
                    assert_eq!((shown, error), (0, rustls::Error::NoCertificatesPresented));
                    let alert = rustls::AlertDescription::CertificateRequired;
                    let old = rustls::AlertDescription::HandshakeFailure;
                    let told = client.fault.expect("an alert");
                    assert!(told == rustls::Error::AlertReceived(alert) || told == rustls::Error::AlertReceived(old));
                }
                _ => panic!("{version:?}, {shown} shown"),
            }
        }
    }
}

#[test]
fn a_handshake_that_fails_is_told_with_an_alert() {
    for version in VERSIONS {
        let identity = Identity::new();
        let (mut server, mut config) = (identity.server(version), identity.client());
        server.alpn_protocols = vec![b"h2".to_vec()];
        config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
        let mut client = Client::new(config, &Line::in_pieces(100, 3));
        let Poll::Ready(Err(refused)) = shake(server, &mut client) else { panic!("{version:?}") };
        assert!(matches!(refused.fault, Fault::Tls(rustls::Error::NoApplicationProtocol)));
        let alert = rustls::AlertDescription::NoApplicationProtocol;
        assert_eq!(client.fault, Some(rustls::Error::AlertReceived(alert)));
    }
}

#[test]
fn a_client_that_leaves_at_any_byte_of_the_handshake_is_gone() {
    for version in VERSIONS {
        let identity = Identity::new();
        // Its first flight, or all of it but the last byte of its second.
        for left in [0, 1, 4, 5, 6, 100, 200] {
            let mut client = Client::new(identity.client(), &Line::new());
            client.pump();
            client.line.with(|ends| {
                ends.to_server.truncate(left);
                ends.has_client_left = true;
            });
            let mut shaking = pin!(accept(Arc::new(identity.server(version)), Vec::new(), client.line.clone()));
            let Poll::Ready(Err(refused)) = poll(|cx| shaking.as_mut().poll(cx)) else { panic!("cut at {left}") };
            assert!(matches!(refused.fault, Fault::Cut), "{:?}", refused.fault);
        }
        let mut client = Client::new(identity.client(), &Line::new());
        let mut shaking = pin!(accept(Arc::new(identity.server(version)), Vec::new(), client.line.clone()));
        client.pump();
        assert!(poll(|cx| shaking.as_mut().poll(cx)).is_pending());
        client.pump();
        client.line.with(|ends| {
            ends.to_server.pop_back();
            ends.has_client_left = true;
        });
        let Poll::Ready(Err(refused)) = poll(|cx| shaking.as_mut().poll(cx)) else { panic!("one byte is missing") };
        assert!(matches!(refused.fault, Fault::Cut), "{:?}", refused.fault);
    }
}

#[test]
fn what_is_no_handshake_is_refused_at_once() {
    for (first, told) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], "InvalidContentType"),
        (&[22, 3, 1, 0xff, 0xff], "MessageTooLarge"),
        (&[22, 3, 1, 0, 0], "InvalidEmptyPayload"),
        (&[21, 3, 1, 0, 2, 2, 40], "AlertReceived(HandshakeFailure)"),
        (&[23, 3, 3, 0, 1, 0], "InappropriateMessage"),
        (&[22, 3, 1, 0, 5, 1, 1, 0, 0, 0], "HandshakePayloadTooLarge"),
    ] {
        for size in 1..=first.len() {
            let identity = Identity::new();
            let line = Line::in_pieces(size, usize::MAX);
            line.with(|ends| ends.to_server.extend(first));
            let mut shaking = pin!(accept(Arc::new(identity.server(&TLS13)), Vec::new(), line.clone()));
            let Poll::Ready(Err(refused)) = poll(|cx| shaking.as_mut().poll(cx)) else { panic!("{told} is taken") };
            let fault = format!("{:?}", refused.fault);
            assert!(fault.contains(told), "{fault} is not {told}");
            let alert = line.with(|ends| ends.to_client.front().copied());
            assert!(matches!(alert, Some(21) | None), "{alert:?}");
        }
    }
}
