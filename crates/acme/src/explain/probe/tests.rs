use std::net::Ipv4Addr;

use tokio::net::TcpListener;

use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Takes one connection, reads until a blank line or for ever, and answers; the task ends with the test.
async fn server(answer: Option<&'static [u8]>) -> u16 {
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).await.unwrap();
        assert!(length > 0);
        match answer {
            Some(answer) => stream.write_all(answer).await.unwrap(),
            None => std::future::pending().await,
        }
    });
    port
}

fn one(probes: Vec<Probe>) -> Reached {
    let [probe] = &probes[..] else { panic!("one probe was expected: {probes:?}") };
    probe.reached.clone()
}

async fn http_says(answer: &'static [u8]) -> Reached {
    let port = server(Some(answer)).await;
    one(all(&[(HERE, true)], |address| http(address, port, "a.example.com")).await)
}

#[tokio::test]
async fn our_own_answer_is_known_from_others() {
    let ours = http_says(b"HTTP/1.1 404 Not Found\r\ncontent-length: 18\r\n\r\nno such challenge\n").await;
    assert_eq!(ours, Reached::Expected);
    let cases: [(&'static [u8], &str); 4] = [
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nno\n", "HTTP/1.1 404 Not Found"),
        (b"HTTP/1.1 200 OK\r\n\r\nno such challenge\n", "HTTP/1.1 200 OK"),
        (b"SSH-2.0-OpenSSH\r\n", "SSH-2.0-OpenSSH"),
        (b"\x1b[2J\xff", "\u{fffd}[2J\u{fffd}"),
    ];
    for (answer, shown) in cases {
        assert_eq!(http_says(answer).await, Reached::Stranger(shown.to_owned()));
    }
    assert_eq!(http_says(&[b'x'; 9000]).await, Reached::Stranger(format!("{}…", "x".repeat(60))));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_silent() {
    let port = server(None).await;
    assert_eq!(one(all(&[(HERE, true)], |address| http(address, port, "a.example.com")).await), Reached::Silent);
}

#[tokio::test]
async fn a_closed_port_is_closed() {
    let port = TcpListener::bind((HERE, 0)).await.unwrap().local_addr().unwrap().port();
    let reached = one(all(&[(HERE, true)], |address| http(address, port, "a.example.com")).await);
    assert_eq!(reached, Reached::Closed("connection refused".to_owned()));
}

#[tokio::test]
async fn only_our_own_and_the_internets_addresses_are_tried() {
    let addresses: Vec<IpAddr> =
        ["10.0.0.1", "1.1.1.1", "8.8.8.8", "::1", "2606:4700::1111"].map(|text| text.parse().unwrap()).to_vec();
    let tried: Vec<_> =
        targets(&addresses, &[]).into_iter().map(|(address, is_tried)| (address.to_string(), is_tried)).collect();
    let expected = [("10.0.0.1", false), ("1.1.1.1", true), ("::1", false), ("2606:4700::1111", true)];
    assert_eq!(tried, expected.map(|(address, is_tried)| (address.to_owned(), is_tried)));
    assert!(targets(&addresses, &addresses[..1])[0].1, "our own address is tried, private or not");
    let probe = all(&[(HERE, false)], async |_| unreachable!("it is not to be tried")).await;
    assert_eq!(one(probe), Reached::Private);
}

#[tokio::test]
async fn what_speaks_tls_is_known_from_what_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let vault = Vault::open(&folder.path().join("vault")).unwrap();
    if vault.client_config(None).is_err() {
        panic!(
            "these tests need the system's roots; run\n    sudo apt-get install --no-install-recommends ca-certificates"
        );
    }
    // An alert: handshake_failure (RFC 8446 section 6).
    let alert: &[u8] = &[21, 3, 3, 0, 2, 2, 40];
    for (answer, expected) in
        [(alert, Reached::Expected), (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reached::Stranger("no TLS".to_owned()))]
    {
        let port = server(Some(answer)).await;
        let reached = all(&[(HERE, true)], |address| tls(address, port, "a.example.com", &vault)).await;
        assert_eq!(one(reached), expected);
    }
}
