use std::{sync::Arc, time::Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex},
    time::timeout,
};

use super::*;
use crate::{stream::Watched, vitals::Codec};

const LIMITS: Limits = Limits { head: 512, fields: 4, target: 32 };

/// A client, the codec's side of its connection, and what is known of that.
fn connection() -> (DuplexStream, TokioIo<Watched<DuplexStream>>, Arc<Vitals>) {
    let (client, server) = duplex(64 * 1024);
    let vitals = Arc::new(Vitals::new(Instant::now(), Codec::Http1));
    let watched = Watched::new(server, Some(Intake::new(LIMITS)), Arc::clone(&vitals));
    (client, TokioIo::new(watched), vitals)
}

/// Everything the codec gets, read with so much room at a time, until the end, an error, or nothing more comes. The clock
/// stands still, so that "nothing more" is a fact and no wait.
async fn all_of(codec: &mut TokioIo<Watched<DuplexStream>>, room: usize) -> (Vec<u8>, Option<io::ErrorKind>) {
    let (mut came, mut buffer) = (Vec::new(), vec![0; room]);
    loop {
        match timeout(std::time::Duration::from_secs(1), codec.read(&mut buffer)).await {
            Err(_) | Ok(Ok(0)) => return (came, None),
            Ok(Ok(count)) => came.extend_from_slice(&buffer[..count]),
            Ok(Err(error)) => return (came, Some(error.kind())),
        }
    }
}

const PIPELINE: &str = "POST /1 HTTP/1.1\r\nhost: a.test\r\ncontent-length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nhost: a.test\r\n\r\n\
                        POST /3 HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn well_formed_messages_pass_as_they_came_in_any_pieces() {
    for piece in [1, 2, 7, 1000] {
        for room in [1, 5, 1000] {
            let (mut client, mut codec, vitals) = connection();
            let writing = async {
                for piece in PIPELINE.as_bytes().chunks(piece) {
                    client.write_all(piece).await.unwrap();
                }
                drop(client);
            };
            let ((), (came, error)) = tokio::join!(writing, all_of(&mut codec, room));
            assert_eq!((String::from_utf8(came).unwrap(), error), (PIPELINE.to_owned(), None), "{piece}, {room}");
            assert_eq!(vitals.refusal(), None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_head_is_replaced_and_nothing_behind_it_passes() {
    for (bad, refusal) in [
        ("POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n", Refusal::BadFraming),
        ("POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\n", Refusal::BadFraming),
        ("POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n", Refusal::BadFraming),
        ("POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n", Refusal::UnsupportedCoding),
        ("GET / HTTP/1.1\nhost: a.test\n\n", Refusal::BadRequest),
        ("\r\nGET / HTTP/1.1\r\nhost: a.test\r\n\r\n", Refusal::BadRequest),
        ("GET / HTTP/2.0\r\nhost: a.test\r\n\r\n", Refusal::BadRequest),
        ("GET /#x HTTP/1.1\r\nhost: a.test\r\n\r\n", Refusal::BadPath),
        ("GET / HTTP/1.1\r\nhost : a.test\r\n\r\n", Refusal::BadHeader),
        ("GET / HTTP/1.1\r\nhost: a.test\r\n folded\r\n\r\n", Refusal::BadHeader),
        ("GET / HTTP/1.1\r\na:\r\nb:\r\nc:\r\nd:\r\ne:\r\n\r\n", Refusal::HeadersTooLarge),
        ("GET /34567890123456789012345678901234 HTTP/1.1\r\n\r\n", Refusal::UriTooLong),
    ] {
        let (mut client, mut codec, vitals) = connection();
        client.write_all(format!("{PIPELINE}{bad}{PIPELINE}").as_bytes()).await.unwrap();
        drop(client);
        let (came, error) = all_of(&mut codec, 1000).await;
        let expected = [PIPELINE.as_bytes(), STAND_IN].concat();
        assert_eq!((String::from_utf8(came), error), (String::from_utf8(expected), None), "{bad:?}");
        assert_eq!(vitals.refusal(), Some(refusal), "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_body_ends_with_an_error_behind_what_was_right() {
    let head = "POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n";
    for bad in ["+3\r\nabc\r\n", "3\nabc\r\n", "3\r\nabcd\r\n", "3;a=\"b\"\r\nabc\r\n", "0\r\nhost: b.test\r\n\r\n"] {
        let (mut client, mut codec, vitals) = connection();
        client.write_all(format!("{head}3\r\nabc\r\n{bad}{PIPELINE}").as_bytes()).await.unwrap();
        let (came, error) = all_of(&mut codec, 1000).await;
        assert_eq!(error, Some(io::ErrorKind::InvalidData), "{bad:?}");
        let came = String::from_utf8(came).unwrap();
        assert!(came.starts_with(head) && !came.contains("GET /2"), "{bad:?}: {came:?}");
        assert_eq!(all_of(&mut codec, 1000).await, (Vec::new(), Some(io::ErrorKind::InvalidData)), "and stays ended");
        assert_eq!(vitals.refusal(), None, "the request walk knows of a broken body by itself");
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_an_upgrade_waits_for_its_answer() {
    let head = "GET /ws HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let behind = "\u{1}\u{2}not HTTP\n";
    for (tunnel, expected) in [(true, behind.as_bytes()), (false, STAND_IN)] {
        let (mut client, mut codec, vitals) = connection();
        client.write_all(format!("{head}{behind}").as_bytes()).await.unwrap();
        assert_eq!(all_of(&mut codec, 1000).await, (head.as_bytes().to_vec(), None), "nobody has answered");
        vitals.request_began();
        assert_eq!(all_of(&mut codec, 1000).await, (Vec::new(), None), "it is under way");
        if tunnel {
            vitals.become_tunnel();
        } else {
            vitals.request_ended();
        }
        assert_eq!(all_of(&mut codec, 1000).await, (expected.to_vec(), None), "a tunnel: {tunnel}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_reads_behind_an_upgrade_is_woken_by_its_answer() {
    let head = "GET /ws HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\n\r\n";
    let (mut client, mut codec, vitals) = connection();
    client.write_all(format!("{head}{PIPELINE}").as_bytes()).await.unwrap();
    vitals.request_began();
    assert_eq!(all_of(&mut codec, 1000).await.0, head.as_bytes());
    let mut buffer = [0; 4];
    let answer = async {
        tokio::task::yield_now().await;
        vitals.request_ended();
    };
    // Nothing but the answer can wake it: no byte comes any more.
    let (read, ()) = tokio::join!(timeout(std::time::Duration::from_secs(1), codec.read(&mut buffer)), answer);
    assert_eq!((read.expect("woken").unwrap(), &buffer), (4, b"POST"));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_keeps_no_buffer() {
    let (mut client, server) = duplex(1024);
    let vitals = Vitals::new(Instant::now(), Codec::Http1);
    let (mut intake, mut io) = (Intake::new(LIMITS), TokioIo::new(Counted::new(server)));
    client.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await.unwrap();
    let mut room = [std::mem::MaybeUninit::uninit(); 100];
    for expected in [true, false] {
        let mut buf = hyper::rt::ReadBuf::uninit(&mut room);
        let ready =
            std::future::poll_fn(|cx| Poll::Ready(intake.poll_read(&mut io, &vitals, cx, buf.unfilled()).is_ready()));
        assert_eq!(ready.await, expected);
    }
    assert_eq!(intake.sieve.capacity(), 0);
}
