//! Bodies in both directions: streaming, `Expect`, limits, trailers, early answers.

use vestibule_names::ByteSize;

use super::rig::{Origin, Plan, field, run, status};
use crate::{Fault, Refusal};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn an_event_is_passed_on_at_once() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = gate.client().await;
        client.send("GET /events HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        let mut peer = origin.accept().await;
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").await;
        // The head comes before the first event.
        assert_eq!(status(&client.head().await), 200);
        for event in ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"] {
            peer.send(event).await;
            assert_eq!(client.until("\n\n\r\n").await, format!("9\r\n{event}\r\n"));
        }
        drop(peer);
        assert_eq!(client.exactly(5).await, "0\r\n\r\n");
    });
}

#[test]
fn an_upload_flows_before_it_is_complete() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = gate.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n").await;
        let mut peer = origin.accept().await;
        peer.head().await;
        assert_eq!(peer.exactly(10).await, "5\r\nhello\r\n");
        client.send("0\r\n\r\n").await;
        assert_eq!(peer.exactly(5).await, "0\r\n\r\n");
        peer.send(OK).await;
        assert_eq!(status(&client.head().await), 200);
    });
}

#[test]
fn both_directions_flow_at_once() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = gate.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let mut peer = origin.accept().await;
        peer.head().await;
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        assert_eq!(status(&client.head().await), 200);
        for _ in 0..3 {
            client.send("4\r\nping\r\n").await;
            assert_eq!(peer.exactly(9).await, "4\r\nping\r\n");
            peer.send("4\r\npong\r\n").await;
            assert_eq!(client.exactly(9).await, "4\r\npong\r\n");
        }
        client.send("0\r\n\r\n").await;
        assert_eq!(peer.exactly(5).await, "0\r\n\r\n");
        peer.send("0\r\n\r\n").await;
        assert_eq!(client.exactly(5).await, "0\r\n\r\n");
        assert_eq!(gate.pool_counts(), (1, 1), "both were over: the connection is kept");
    });
}

#[test]
fn there_is_exactly_one_100_continue() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = gate.client().await;
        client
            .send("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n")
            .await;
        let mut peer = origin.accept().await;
        let head = peer.head().await;
        assert!(field(&head, "expect").is_empty(), "{head}");
        assert_eq!(client.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
        client.send("hello").await;
        assert_eq!(peer.exactly(5).await, "hello");
        // The backend's own is not a second one.
        peer.send("HTTP/1.1 100 Continue\r\n\r\n").await;
        peer.send(OK).await;
        let rest = client.rest().await;
        assert!(rest.starts_with("HTTP/1.1 200 OK\r\n"), "{rest}");
        assert_eq!(rest.matches("HTTP/1.1 ").count(), 1);
    });
}

#[test]
fn no_body_is_invited_when_there_is_nobody_to_take_it() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let addr = Origin::unix(&dir.path().join("gone")).addr;
        std::fs::remove_file(dir.path().join("gone")).unwrap();
        let gate = Plan::to([addr]).open().await;
        let request = "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        let mut client = gate.client().await;
        client.send(request).await;
        assert_eq!(status(&client.head().await), 502);

        let origin = Origin::tcp().await;
        let gate =
            Plan::to([origin.addr.clone()]).with(|plan| plan.limits.request_body = Some(ByteSize(4))).open().await;
        assert_eq!(status(&gate.ask(request).await), 413);
        assert!(origin.is_untouched().await);
    });
}

#[test]
fn a_body_beyond_the_limit_is_a_413() {
    run(async {
        let origin = Origin::tcp().await;
        let gate =
            Plan::to([origin.addr.clone()]).with(|plan| plan.limits.request_body = Some(ByteSize(8))).open().await;
        // Announced: refused before anybody is asked.
        let announced = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 9\r\n\r\n123456789";
        assert_eq!(status(&gate.ask(announced).await), 413);
        assert!(origin.is_untouched().await);
        // Not announced: refused when it happens, and the backend sees a cut.
        let chunked = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5\r\n12345\r\n5\r\n67890\r\n0\r\n\r\n";
        let backend = async {
            let mut peer = origin.accept().await;
            peer.rest().await
        };
        let (seen, answer) = tokio::join!(backend, gate.ask(chunked));
        assert_eq!(status(&answer), 413);
        assert!(!seen.contains("67890") && !seen.ends_with("0\r\n\r\n"), "{seen}");
        assert_eq!(gate.faults(), [(Fault::Downstream, Refusal::BodyTooLarge); 2]);
        // Just so much is fine.
        let fits = "POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 8\r\n\r\n12345678";
        let (_, answer) = tokio::join!(origin.serve_once(OK), gate.ask(fits));
        assert_eq!(status(&answer), 200);
    });
}

#[test]
fn trailers_pass_in_both_directions_and_of_a_response_without_those_that_may_not() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = gate.client().await;
        client
            .send(
                "POST / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\
                 Trailer: x-sum, x-forwarded-for, cookie\r\n\r\n\
                 2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n",
            )
            .await;
        let mut peer = origin.accept().await;
        let head = peer.head().await;
        assert_eq!(field(&head, "te"), ["trailers"]);
        assert_eq!(peer.until("\r\n\r\n").await, "2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n");
        peer.send(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum, set-cookie\r\n\r\n\
             2\r\nok\r\n0\r\nx-sum: 2\r\nset-cookie: a=b\r\n\r\n",
        )
        .await;
        assert_eq!(status(&client.head().await), 200);
        assert_eq!(client.until("\r\n\r\n").await, "2\r\nok\r\n0\r\nx-sum: 2\r\n\r\n");
        assert_eq!(gate.pool_counts(), (1, 1));
    });
}

#[test]
fn a_request_with_trailers_that_may_not_be_there_is_refused() {
    for field in ["X-Forwarded-For: 6.6.6.6", "Cookie: a=b", "Content-Length: 1", "Host: b.test"] {
        run(async {
            let origin = Origin::tcp().await;
            let gate = Plan::to([origin.addr.clone()]).open().await;
            let mut client = gate.client().await;
            client
                .send(&format!(
                    "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                     2\r\nhi\r\n0\r\n{field}\r\n\r\n"
                ))
                .await;
            let mut peer = origin.accept().await;
            peer.head().await;
            assert_eq!(status(&client.head().await), 400, "{field}");
        });
    }
}

#[test]
fn an_early_answer_ends_the_exchange_and_its_connection() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = gate.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000\r\n\r\nthe beginning").await;
        let mut peer = origin.accept().await;
        peer.head().await;
        peer.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await;
        let head = client.head().await;
        assert_eq!(status(&head), 403);
        assert_eq!(client.exactly(2).await, "no");
        // Neither connection is used again: what follows on them could be body or request.
        assert_eq!(peer.rest().await, "the beginning");
        assert_eq!(client.rest().await, "");
        assert_eq!(gate.pool_counts().0, 0);
        // The next request goes elsewhere.
        let get = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
        let (_, answer) = tokio::join!(origin.serve_once(OK), gate.ask(get));
        assert_eq!(status(&answer), 200);
    });
}

/// However an exchange ends whose upload outlasts the head of its answer, no task of it is left.
#[test]
fn an_upload_of_its_own_ends_with_its_exchange() {
    const RESIDENT: usize = 3; // who watches what is idle, who sweeps, and who looks at what is late
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        for (last, sends) in
            [("5\r\nhello\r\n0\r\n\r\n", ""), ("5\r\nhello\r\n", ""), ("zz\r\n", ""), ("", "zz\r\n"), ("", "0\r\n\r\n")]
        {
            let mut client = gate.client().await;
            client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
            let mut peer = origin.accept().await;
            peer.head().await;
            peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await;
            client.until("2\r\nok\r\n").await;
            assert_eq!(gate.tasks(), RESIDENT + 1);
            peer.send(last).await;
            client.send(sends).await;
            if sends.is_empty() {
                drop(peer);
            } else {
                drop(client);
            }
            while gate.tasks() > RESIDENT {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(gate.pool_counts(), (0, 0));
    });
}

/// The backend answers at length before the upload is over, and the client reads nothing until it has sent everything.
#[test]
fn an_upload_moves_on_while_nobody_reads_the_answer() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let (piece, flood) = ("x".repeat(50_000), "y".repeat(30_000_000));
        let mut client = gate.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: 5000000\r\n\r\n").await;
        let mut peer = origin.accept().await;
        peer.head().await;
        peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", flood.len())).await;
        assert_eq!(status(&client.head().await), 200);
        let (mut heard, mut said) = peer.split();
        let flooding = tokio::task::spawn_local(async move { said.send(&flood).await });
        for _ in 0..100 {
            client.send(&piece).await;
            assert_eq!(heard.exactly(piece.len()).await, piece);
        }
        assert_eq!(client.rest().await.len(), 30_000_000);
        flooding.await.unwrap();
    });
}

/// What is wrong with the rest of an upload is the client's doing, also when the answer has begun: both see a cut.
#[test]
fn a_body_that_breaks_during_the_answer_cuts_both() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let mut client = gate.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n").await;
        let mut peer = origin.accept().await;
        peer.head().await;
        assert_eq!(peer.exactly(7).await, "2\r\nhi\r\n");
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n").await;
        assert_eq!(client.until("2\r\nok\r\n").await.matches("HTTP/1.1 200").count(), 1);
        client.send("no size\r\n").await;
        assert_eq!(peer.rest().await, "", "no last chunk");
        assert_eq!(client.rest().await, "", "no last chunk here either");
        assert_eq!(gate.pool_counts(), (0, 0));
    });
}

/// The backend refuses a large upload and hangs up while it is still being written: its answer is not lost.
#[test]
fn an_early_answer_survives_the_hang_up() {
    run(async {
        for _ in 0..20 {
            let origin = Origin::tcp().await;
            let gate = Plan::to([origin.addr.clone()]).open().await;
            let mut client = gate.client().await;
            client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100000000\r\n\r\n").await;
            let mut peer = origin.accept().await;
            peer.head().await;
            peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
            // Closing with unread bytes in the socket resets the connection.
            client.send("x".repeat(100_000)).await;
            drop(peer);
            let flood = async {
                let mut sent = 0;
                while sent < 50_000_000 && client.try_send(&[b'x'; 100_000]).await.is_ok() {
                    sent += 100_000;
                }
                client.head().await
            };
            assert_eq!(status(&flood.await), 413);
        }
    });
}

#[test]
fn large_bodies_come_through_whole() {
    run(async {
        let origin = Origin::tcp().await;
        let gate = Plan::to([origin.addr.clone()]).open().await;
        let size = 8_000_000;
        let payload = "0123456789abcdef".repeat(size / 16);
        let mut client = gate.client().await;
        let head = format!("POST / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: {size}\r\n\r\n");
        let upload = async {
            client.send(&head).await;
            client.send(&payload).await;
            client.rest().await
        };
        let backend = async {
            let mut peer = origin.accept().await;
            peer.head().await;
            let body = peer.exactly(size).await;
            peer.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n")).await;
            peer.send(&body).await;
        };
        let (answer, ()) = tokio::join!(upload, backend);
        assert!(answer.ends_with(&payload));
    });
}
