//! The codec of HTTP/1.1 over a stream in memory: requests in any pieces and cut anywhere, what is kept meanwhile, and how
//! each connection ends. What a backend has to do with it is for the black-box tests.

use tokio::io::{DuplexStream, duplex, split};
use vestibule_proxy::Scheme;

use super::*;
use crate::{
    http1,
    request::{ConnectionFacts, Held, Walker},
    serve::Conversation as _,
    stream::Watched,
    vitals::Vitals,
};

const SITE: &str =
    "hosts: a.localhost\nredirect_to_https: false\nrespond: hello\nroutes: {/none: {respond: {status: 204}}}\n";
/// More than any buffer of the codec.
const LARGE: usize = 1 << 20;

fn gate() -> Gate {
    Gate::new(WithoutCertificate::Placeholder, &[SITE])
}

/// Whose connection it is, and what it holds.
fn of_somebody() -> (ConnectionFacts, Held) {
    let address = ([127, 0, 0, 1], 1).into();
    let peer = ClientAddr::new(address);
    let facts = ConnectionFacts { client: peer, local: address, scheme: Scheme::Http, handshake: None };
    let limits = vestibule_listener::ConnectionLimits { total: 1, per_client: 1 };
    let permit = vestibule_listener::Permits::new(limits).acquire(peer).expect("a permit");
    (facts, Held { permit, seat: None })
}

/// A client's end of a connection that is served, with so much room in between.
fn served(gate: &Gate, room: usize) -> (DuplexStream, tokio::task::JoinHandle<Ended>) {
    let (client, server) = duplex(room);
    let (facts, held) = of_somebody();
    let serving = serve(Rc::clone(&gate.worker), server, Codec::Http1, facts, held);
    (client, tokio::task::spawn_local(serving))
}

/// What is answered to these bytes, sent so many at a time and then ended: what changes with time is left out.
async fn answered(gate: &Gate, bytes: &[u8], piece: usize) -> (String, Outcome) {
    let (mut client, outcome) = served(gate, LARGE);
    for piece in bytes.chunks(piece) {
        // Who has refused something may have closed.
        let _ = client.write_all(piece).await;
        tokio::task::yield_now().await;
    }
    let _ = client.shutdown().await;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.expect("text");
    let lines: Vec<&str> = answer.split("\r\n").filter(|line| !line.starts_with("date: ")).collect();
    let stable: Vec<&str> = lines.iter().map(|line| line.split(", request ").next().unwrap_or_default()).collect();
    (stable.join("\n"), outcome.await.expect("no panic").outcome)
}

/// The status of each answer, with its length and whether it says that it is the last.
fn shown(answer: &str) -> Vec<String> {
    let heads = answer.split("HTTP/1.").skip(1);
    heads
        .map(|rest| {
            let field = |name: &str| rest.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("-").to_owned();
            format!("{} {} {}", &rest[2..5], field("content-length: "), field("connection: "))
        })
        .collect()
}

const HELLO: &str = "GET / HTTP/1.1\r\nhost: a.localhost\r\n\r\n";

/// Requests in a row, each with what it is answered with.
fn pipeline() -> (String, Vec<&'static str>) {
    let requests = [
        (HELLO.to_owned(), "200 5 -"),
        ("HEAD / HTTP/1.1\r\nhost: a.localhost\r\n\r\n".to_owned(), "200 5 -"),
        ("POST / HTTP/1.1\r\nhost: a.localhost\r\ncontent-length: 5\r\n\r\nGET /".to_owned(), "200 5 -"),
        (
            "POST / HTTP/1.1\r\nhost: a.localhost\r\ntransfer-encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"
                .to_owned(),
            "200 5 -",
        ),
        ("GET /none HTTP/1.1\r\nhost: a.localhost\r\n\r\n".to_owned(), "204 - -"),
        ("GET / HTTP/1.0\r\nhost: a.localhost\r\nconnection: keep-alive\r\n\r\n".to_owned(), "200 5 keep-alive"),
        ("GET / HTTP/1.1\r\nhost: a.localhost\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n".to_owned(), "200 5 -"),
        ("GET / HTTP/1.1\r\nhost: a.localhost\r\ncontent-length: +1\r\n\r\n".to_owned(), "400 "),
        (HELLO.to_owned(), ""),
    ];
    let (texts, answers): (Vec<String>, Vec<&str>) = requests.into_iter().unzip();
    (texts.concat(), answers.into_iter().filter(|answer| !answer.is_empty()).collect())
}

#[test]
fn a_pipeline_is_answered_in_order_in_whatever_pieces_it_comes() {
    run(async {
        let gate = gate();
        let (text, expected) = pipeline();
        let (whole, outcome) = answered(&gate, text.as_bytes(), text.len()).await;
        let found = shown(&whole);
        assert_eq!(found.len(), expected.len(), "{whole}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(found.starts_with(expected), "{found:?}, and not {expected:?}: {whole}");
        }
        assert!(found.last().expect("some").ends_with("close") && whole.contains("bad_framing"), "{whole}");
        assert_eq!(outcome, Outcome::Closed);
        for piece in 1..40 {
            let (answer, outcome) = answered(&gate, text.as_bytes(), piece).await;
            // A body that has not come when its request is answered ends the connection, which is then said.
            let answers = shown(&answer);
            let last = answers.last().expect("an answer");
            assert!(last.ends_with("close"), "{piece}: {answers:?}");
            let before = answers.len() - 1;
            assert_eq!(answers[..before], found[..before], "{piece}");
            assert_eq!(outcome, Outcome::Closed, "{piece}");
        }
    });
}

#[test]
fn a_connection_that_is_cut_anywhere_ends_in_one_known_way() {
    run(async {
        let gate = gate();
        let text = HELLO.repeat(2);
        for end in 0..=text.len() {
            let (answer, outcome) = answered(&gate, &text.as_bytes()[..end], text.len()).await;
            let whole = end / HELLO.len();
            assert_eq!(shown(&answer).len(), whole, "{end}");
            let expected = if end % HELLO.len() == 0 { Outcome::Closed } else { Outcome::Vanished };
            assert_eq!(outcome, expected, "{end}");
        }
    });
}

#[test]
fn a_body_that_was_not_wanted_is_skipped_if_it_is_there_and_else_ends_the_connection() {
    run(async {
        let gate = gate();
        let with = |length: usize, sent: usize| {
            let head = format!("POST / HTTP/1.1\r\nhost: a.localhost\r\ncontent-length: {length}\r\n\r\n");
            [head.into_bytes(), vec![b'x'; sent], HELLO.as_bytes().to_vec()].concat()
        };
        for (length, sent, expected) in [
            (60_000, 60_000, &["200 5 -", "200 5 -"][..]),
            (200_000, 200_000, &["200 5 close"]),
            (60_000, 10, &["200 5 close"]),
        ] {
            let (answer, outcome) = answered(&gate, &with(length, sent), LARGE).await;
            assert_eq!(
                (shown(&answer), outcome),
                (expected.iter().map(ToString::to_string).collect(), Outcome::Closed)
            );
        }
        let malformed =
            "POST / HTTP/1.1\r\nhost: a.localhost\r\ntransfer-encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n";
        let (answer, _) = answered(&gate, format!("{malformed}{HELLO}").as_bytes(), LARGE).await;
        assert_eq!(shown(&answer), ["200 5 close"]);
        let expecting = "POST / HTTP/1.1\r\nhost: a.localhost\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n";
        let (answer, _) = answered(&gate, expecting.as_bytes(), LARGE).await;
        assert_eq!(shown(&answer), ["200 5 close"], "nobody asked for the body: {answer}");
    });
}

#[test]
fn who_asks_and_asks_and_reads_nothing_is_not_read_any_more() {
    run(async {
        let gate = gate();
        let (client, outcome) = served(&gate, 16 * 1024);
        let (mut reading, mut writing) = split(client);
        let flood = HELLO.repeat(20_000);
        let writing = tokio::task::spawn_local(async move {
            let _ = writing.write_all(flood.as_bytes()).await;
        });
        // Until nothing moves any more: that is no event, but all of it is in memory and on this thread.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert!(!writing.is_finished(), "no more was taken than there is room for");
        let mut answers = 0;
        let mut buffer = vec![0; 64 * 1024];
        while answers < 20_000 {
            let count = reading.read(&mut buffer).await.expect("read");
            answers += buffer[..count].windows(9).filter(|window| window == b"HTTP/1.1 ").count();
            assert!(count > 0 && answers <= 20_000);
            if answers >= 19_900 {
                break; // one that was cut in two is not counted
            }
        }
        drop(reading);
        writing.await.expect("ends");
        assert!(matches!(outcome.await.expect("no panic").outcome, Outcome::Closed | Outcome::Vanished));
    });
}

#[test]
fn the_answer_to_who_is_asked_to_close_says_so_and_is_the_last() {
    run(async {
        let gate = gate();
        let (mut client, server) = duplex(LARGE);
        let vitals = Rc::new(Vitals::new(std::time::Instant::now()));
        let (facts, held) = of_somebody();
        let walker = Walker::new(Rc::clone(&gate.worker), facts, Rc::clone(&vitals), held);
        vitals.ask_close(); // as a request does that is refused
        let limits = vestibule_wire::Limits { head: 1024, fields: 8, target: 64 };
        let mut connection = http1::Connection::new(Watched::new(server, vitals), walker, limits);
        client.write_all(HELLO.repeat(3).as_bytes()).await.expect("sent");
        client.shutdown().await.expect("ended");
        let ended = std::future::poll_fn(|cx| connection.poll(cx)).await;
        assert_eq!(ended.outcome, Outcome::Closed);
        drop(connection);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.expect("text");
        assert_eq!(shown(&answer), ["200 5 close"], "and nothing to those behind it: {answer}");
    });
}

/// Two ends of a connection over the network.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connects");
    (client, listener.accept().await.expect("accepts").0)
}

#[test]
fn a_response_that_ends_with_its_connection_and_breaks_off_is_no_whole_one() {
    run(async {
        for (end, is_whole) in [("", false), ("0\r\n\r\n", true)] {
            let backend = TcpListener::bind("127.0.0.1:0").await.expect("binds");
            let address = backend.local_addr().expect("bound");
            let site = format!("hosts: a.localhost\nredirect_to_https: false\nupstream: http://{address}\n");
            let gate = Gate::owned(TenantId::OPERATOR, WithoutCertificate::Placeholder, &[&site]);
            let (mut client, server) = pair().await;
            let (facts, held) = of_somebody();
            let serving = serve(Rc::clone(&gate.worker), Rewound::new(Bytes::new(), server), Codec::Http1, facts, held);
            let serving = tokio::task::spawn_local(serving);
            client.write_all(b"GET / HTTP/1.0\r\nhost: a.localhost\r\n\r\n").await.expect("sent");
            let (mut asked, _) = backend.accept().await.expect("asked");
            let mut head = [0; 4096];
            assert!(asked.read(&mut head).await.expect("a request") > 0);
            asked
                .write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
                .await
                .expect("sent");
            // What was there before the end is seen in any case.
            let mut heard = Vec::new();
            while !heard.ends_with(b"hello") {
                assert!(client.read_buf(&mut heard).await.expect("read") > 0);
            }
            asked.write_all(end.as_bytes()).await.expect("sent");
            drop(asked);
            assert_eq!(client.read_to_end(&mut heard).await.is_ok(), is_whole);
            drop(client);
            let expected = if is_whole { Outcome::Closed } else { Outcome::Broken };
            assert_eq!(serving.await.expect("no panic").outcome, expected);
        }
    });
}

#[test]
fn a_request_whose_client_is_gone_is_given_up() {
    run(async {
        let gate = gate();
        let (mut client, outcome) = served(&gate, 1024);
        client.write_all(b"POST / HTTP/1.1\r\nhost: a.localhost\r\n").await.expect("sent");
        drop(client);
        assert_eq!(outcome.await.expect("no panic").outcome, Outcome::Vanished);
        // Nothing is left of the connections of these tests.
        assert_eq!(gate.worker.tasks().alive(), 0);
    });
}

/// What a thousand idle connections cost is what one is large, and what a request costs grows with what is moved.
#[test]
fn a_connection_and_a_request_are_small() {
    run(async {
        let gate = gate();
        let (facts, held) = of_somebody();
        let vitals = Rc::new(crate::vitals::Vitals::new(std::time::Instant::now()));
        let walker = crate::request::Walker::new(Rc::clone(&gate.worker), facts, vitals, held);
        let request = http::Request::new(vestibule_proxy::RequestBody::none());
        let walk = std::mem::size_of_val(&crate::request::walk(walker, request));
        let connection = std::mem::size_of::<crate::http1::Connection<TcpStream>>();
        let (_client, accepted) = accepted(Protocol::Https).await;
        let task = std::mem::size_of_val(&super::walk(Rc::clone(&gate.worker), accepted));
        println!("a request's walk {walk}, a connection {connection} and its own {task}");
        assert!(walk <= 4096, "{walk}");
        assert!(connection <= 512, "{connection}");
        assert!(task <= 64, "{task}");
    });
}
