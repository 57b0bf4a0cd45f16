//! Bytes in both directions.

use std::{io::IoSlice, task::Wake};

use super::*;

#[test]
fn bytes_come_through_in_pieces_of_any_size_both_ways() {
    for version in VERSIONS {
        for size in (1..60).chain([500, 5000, 16_384, 16_406, 40_000]) {
            let line = Line::in_pieces(size, size);
            let (mut client, mut server) = connection(version, &line);
            let said = bytes(40_000);
            for part in said.chunks(13_000) {
                client.say(part);
            }
            let (heard, end) = read_all(&mut server, size.max(7));
            assert!(heard == said && end.is_none(), "{version:?} in pieces of {size}");
            assert!(server.is_at_rest());
            let mut written = 0;
            while written < said.len() {
                let Poll::Ready(Ok(count)) = write(&mut server, &said[written..]) else { panic!("the line has room") };
                written += count;
            }
            assert!(client.hear() == said, "{version:?} in pieces of {size}");
            assert!(server.is_at_rest());
        }
    }
}

#[test]
fn records_of_every_size_come_through() {
    for version in VERSIONS {
        let (mut client, mut server) = connection(version, &Line::new());
        for size in (1..600).chain((1000..16_000).step_by(499)).chain(16_300..16_390) {
            let said = bytes(size);
            client.say(&said);
            assert!(read_all(&mut server, 1000).0 == said, "{size} to the server");
            assert!(matches!(write(&mut server, &said), Poll::Ready(Ok(count)) if count == size));
            assert!(client.hear() == said, "{size} to the client");
        }
        assert!(server.is_at_rest());
    }
}

#[test]
fn many_small_records_at_once_are_read_by_small_and_large_readers() {
    for size in [1, 10, 1000, 100_000] {
        let (mut client, mut server) = connection(&TLS13, &Line::new());
        let said = bytes(5000);
        for part in said.chunks(3) {
            client.say(part);
        }
        assert!(read_all(&mut server, size).0 == said, "by {size}");
        assert!(server.is_at_rest());
    }
}

#[test]
fn as_much_is_read_at_once_as_the_reader_has_room_for() {
    for (room, most_held) in [(64 * 1024, 0), (100, 2 * 16 * 1024)] {
        let line = Line::new();
        let (mut client, mut server) = connection(&TLS13, &line);
        let said = bytes(60_000);
        client.say(&said);
        line.with(|ends| ends.reads = 0);
        let mut piece = vec![0; room];
        let mut piece = ReadBuf::new(&mut piece);
        let read = poll(|cx| Pin::new(&mut server).poll_read(cx, &mut piece));
        assert!(matches!(read, Poll::Ready(Ok(()))), "{read:?}");
        assert!(piece.filled() == &said[..room.min(said.len())], "all that there is room for, of {room}");
        assert_eq!(line.with(|ends| ends.reads), 1);
        assert!(server.held() <= most_held, "{} bytes wait for a reader with room for {room}", server.held());
        assert!(read_all(&mut server, room).0 == said[room.min(said.len())..]);
    }
}

#[test]
fn a_head_and_its_body_are_one_record_and_one_write() {
    let line = Line::new();
    let (mut client, mut server) = connection(&TLS13, &line);
    line.with(|ends| (ends.writes, ends.to_client) = (0, Default::default()));
    let (head, body) = (bytes(200), bytes(1024));
    let parts = [IoSlice::new(&head), IoSlice::new(&[]), IoSlice::new(&body)];
    let written = poll(|cx| Pin::new(&mut server).poll_write_vectored(cx, &parts));
    assert!(matches!(written, Poll::Ready(Ok(1224))), "{written:?}");
    // A record's header, the type of its content and a tag.
    assert_eq!(line.with(|ends| (ends.writes, ends.to_client.len())), (1, 1224 + 5 + 1 + 16));
    assert!(client.hear() == [head, body].concat());
}

#[test]
fn a_client_that_does_not_read_holds_no_more_than_one_write() {
    for version in VERSIONS {
        let line = Line::in_pieces(usize::MAX, 1000);
        let (mut client, mut server) = connection(version, &line);
        line.with(|ends| ends.room = 10_000);
        let said = bytes(1 << 20);
        let (mut written, mut heard, mut stalls) = (0, Vec::new(), 0);
        while heard.len() < said.len() {
            match write(&mut server, &said[written..]) {
                Poll::Ready(result) => written += result.expect("no fault"),
                Poll::Pending => {
                    stalls += 1;
                    assert!(server.held() <= 66 * 1024, "{} bytes are held", server.held());
                    assert!(poll(|cx| Pin::new(&mut server).poll_flush(cx)).is_pending());
                    heard.extend(client.hear());
                }
            }
            if written == said.len() {
                let _ = poll(|cx| Pin::new(&mut server).poll_flush(cx));
                heard.extend(client.hear());
            }
        }
        assert!(heard == said && stalls > 50, "{version:?}, {stalls} stalls");
        assert!(server.is_at_rest());
    }
}

/// Somebody who can be told from others.
struct Somebody;

impl Wake for Somebody {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn who_waits_for_room_is_not_forgotten_when_another_reads() {
    for version in VERSIONS {
        let line = Line::new();
        let (mut client, mut server) = connection(version, &line);
        line.with(|ends| ends.room = 10_000);
        assert!(matches!(write(&mut server, &bytes(20_000)), Poll::Ready(Ok(20_000))));
        let (writer, reader) = (Waker::from(Arc::new(Somebody)), Waker::from(Arc::new(Somebody)));
        let waits = Pin::new(&mut server).poll_flush(&mut Context::from_waker(&writer));
        assert!(waits.is_pending());
        client.say(b"an upload goes on");
        let mut bytes = [0; 100];
        let mut buf = ReadBuf::new(&mut bytes);
        let read = Pin::new(&mut server).poll_read(&mut Context::from_waker(&reader), &mut buf);
        assert!(matches!(read, Poll::Ready(Ok(()))) && buf.filled() == b"an upload goes on");
        assert!(line.with(|ends| ends.writer.as_ref().is_some_and(|waker| waker.will_wake(&writer))), "{version:?}");
    }
}

#[test]
fn either_end_says_first_that_it_has_said_all() {
    for version in VERSIONS {
        let line = Line::in_pieces(7, 5);
        let (mut client, mut server) = connection(version, &line);
        // The client: what it said before is read, and it still hears.
        client.rustls.writer().write_all(b"last words").expect("no limit");
        client.rustls.send_close_notify();
        client.pump();
        client.line.with(|ends| ends.to_server.extend(b"and what is no TLS"));
        let (heard, end) = read_all(&mut server, 4);
        assert!(heard == b"last words" && matches!(end, Some(Ok(()))), "{version:?} {end:?}");
        assert!(matches!(read(&mut server, 4), Some(Ok(end)) if end.is_empty()), "the end stays");
        assert!(matches!(write(&mut server, b"answer"), Poll::Ready(Ok(6))));
        assert_eq!(client.hear(), b"answer");
        // The server: with the end of the network behind it, once.
        for _ in 0..2 {
            assert!(matches!(shut_down(&mut server), Poll::Ready(Ok(()))));
        }
        assert!(client.hear().is_empty() && client.fault.is_none());
        assert_eq!(client.rustls.reader().read(&mut [0]).expect("a close_notify"), 0);
        assert_eq!(
            write(&mut server, b"more").map_err(|error| error.kind()),
            Poll::Ready(Err(io::ErrorKind::BrokenPipe))
        );

        let line = Line::new();
        let (mut client, mut server) = connection(version, &line);
        line.with(|ends| ends.room = 3);
        assert!(shut_down(&mut server).is_pending() && !line.with(|ends| ends.has_server_ended));
        line.with(|ends| ends.room = usize::MAX);
        assert!(matches!(shut_down(&mut server), Poll::Ready(Ok(()))));
        client.say(b"still here");
        assert_eq!(read_all(&mut server, 100).0, b"still here");
        assert_eq!(client.rustls.reader().read(&mut [0]).expect("a close_notify"), 0);
    }
}

#[test]
fn keys_change_on_the_way() {
    let (mut client, mut server) = connection(&TLS13, &Line::in_pieces(11, 13));
    for round in 0..100 {
        client.rustls.refresh_traffic_keys().expect("TLS 1.3");
        client.say(&[round; 3]);
        assert_eq!(read_all(&mut server, 2).0, [round; 3]);
        assert!(matches!(write(&mut server, &[round; 2]), Poll::Ready(Ok(2))));
        assert_eq!(client.hear(), [round; 2]);
    }
    assert!(server.is_at_rest());
}
