//! Accepting over real sockets. Without descriptors: see `crate::tests`, which needs a process of its own.

use tokio::{io::AsyncReadExt, time::timeout};
use vestibule_names::ListenAddr;

use super::*;
use crate::{ConnectionLimits, bind};

const LIMITS: ConnectionLimits = ConnectionLimits { total: 100, per_client: 100 };

fn acceptors(addr: &str, workers: usize, limits: ConnectionLimits) -> (Vec<Acceptor>, Permits) {
    let permits = Permits::new(limits);
    let shares = bind(&[], &[ListenAddr::parse(addr).unwrap()], workers).unwrap();
    let acceptors = shares.into_iter().flatten().map(|bound| Acceptor::new(bound, permits.clone()).unwrap());
    (acceptors.collect(), permits)
}

/// Connects to the port of that acceptor at the loopback of one family.
async fn connect(acceptor: &Acceptor, loopback: &str) -> io::Result<TcpStream> {
    TcpStream::connect((loopback, acceptor.local().port())).await
}

#[tokio::test]
async fn an_accepted_connection_knows_its_ends() {
    let (mut acceptors, permits) = acceptors("127.0.0.1:0", 1, LIMITS);
    let client = connect(&acceptors[0], "127.0.0.1").await.unwrap();
    let accepted = acceptors[0].accept().await;
    assert_eq!(accepted.client, ClientAddr::new(client.local_addr().unwrap()));
    assert_eq!(accepted.local, client.peer_addr().unwrap());
    assert_eq!(accepted.protocol, Protocol::Https);
    assert!(accepted.stream.nodelay().unwrap(), "inherited from the listener");
    assert_eq!(permits.open(), 1);
    drop(accepted);
    assert_eq!(permits.open(), 0);
}

#[tokio::test]
async fn all_addresses_are_both_families_and_say_which_was_meant() {
    let (mut acceptors, _permits) = acceptors(":0", 1, LIMITS);
    let mut reached = 0;
    for loopback in ["127.0.0.1", "::1"] {
        // A machine without IPv6 has no ::1.
        let Ok(client) = connect(&acceptors[0], loopback).await else { continue };
        let accepted = acceptors[0].accept().await;
        assert_eq!(accepted.client.ip(), client.local_addr().unwrap().ip(), "not v4-mapped");
        assert_eq!(accepted.local, client.peer_addr().unwrap());
        reached += 1;
    }
    assert!(reached > 0);
}

#[tokio::test]
async fn the_kernel_spreads_connections_over_the_workers() {
    let (mut acceptors, permits) = acceptors("127.0.0.1:0", 2, LIMITS);
    let (left, right) = acceptors.split_at_mut(1);
    let mut open = Vec::new();
    let (mut by_left, mut by_right) = (0, 0);
    // The hash of 64 client ports falls on one worker only once in 2^63 runs.
    for _ in 0..64 {
        let client = connect(&left[0], "127.0.0.1").await.unwrap();
        let accepted = tokio::select! {
            accepted = left[0].accept() => { by_left += 1; accepted }
            accepted = right[0].accept() => { by_right += 1; accepted }
        };
        open.push((client, accepted));
    }
    assert_eq!((by_left + by_right, permits.open()), (64, 64));
    assert!(by_left > 0 && by_right > 0);
}

#[tokio::test]
async fn a_connection_over_the_limit_is_closed_and_counted() {
    for (limits, refused) in [
        (ConnectionLimits { total: 10, per_client: 1 }, (0, 1)),
        (ConnectionLimits { total: 1, per_client: 10 }, (1, 0)),
    ] {
        let (mut acceptors, permits) = acceptors("127.0.0.1:0", 1, limits);
        let _first = connect(&acceptors[0], "127.0.0.1").await.unwrap();
        let first = acceptors[0].accept().await;
        let mut second = connect(&acceptors[0], "127.0.0.1").await.unwrap();
        let closed = async { matches!(second.read(&mut [0]).await, Ok(0) | Err(_)) };
        tokio::select! {
            _ = acceptors[0].accept() => panic!("over the limit"),
            closed = closed => assert!(closed),
        }
        assert_eq!(permits.refused(), refused);
        drop(first);
        let _third = connect(&acceptors[0], "127.0.0.1").await.unwrap();
        let third = acceptors[0].accept().await;
        assert_eq!(permits.open(), 1);
        drop(third);
    }
}

#[tokio::test]
async fn a_cancelled_accept_loses_no_connection() {
    let (mut acceptors, permits) = acceptors("127.0.0.1:0", 1, LIMITS);
    for _ in 0..20 {
        assert!(timeout(Duration::ZERO, acceptors[0].accept()).await.is_err(), "nobody is there");
    }
    let _client = connect(&acceptors[0], "127.0.0.1").await.unwrap();
    let mut accepted = None;
    while accepted.is_none() {
        accepted = timeout(Duration::ZERO, acceptors[0].accept()).await.ok();
    }
    assert_eq!(permits.open(), 1);
}

#[tokio::test]
async fn a_client_that_resets_before_its_turn_stops_nobody() {
    let (mut acceptors, _permits) = acceptors("127.0.0.1:0", 1, LIMITS);
    let gone = connect(&acceptors[0], "127.0.0.1").await.unwrap();
    socket2::SockRef::from(&gone).set_linger(Some(Duration::ZERO)).unwrap();
    drop(gone);
    let client = connect(&acceptors[0], "127.0.0.1").await.unwrap();
    let ours = ClientAddr::new(client.local_addr().unwrap());
    // Linux hands out a connection that was reset; other kernels say ECONNABORTED. Either way the next one comes.
    while acceptors[0].accept().await.client != ours {}
}

#[test]
fn every_error_of_accept_has_one_to_blame() {
    for (errno, expected) in [
        (Errno::MFILE, Blame::Resources),
        (Errno::NFILE, Blame::Resources),
        (Errno::NOBUFS, Blame::Resources),
        (Errno::NOMEM, Blame::Resources),
        (Errno::CONNABORTED, Blame::Connection),
        (Errno::PERM, Blame::Connection),
        (Errno::NETDOWN, Blame::Connection),
        (Errno::BADF, Blame::Unknown),
        (Errno::INVAL, Blame::Unknown),
    ] {
        assert_eq!(blame(&errno.into()), expected, "{errno:?}");
    }
    assert_eq!(blame(&io::Error::other("not of the system")), Blame::Unknown);
}

#[tokio::test]
async fn errors_that_do_not_pass_make_accepting_wait() {
    for (errno, patience) in [(Errno::MFILE, 0), (Errno::BADF, 0), (Errno::CONNABORTED, PASSED_OVER_LIMIT)] {
        let (mut acceptors, _permits) = acceptors("127.0.0.1:0", 1, LIMITS);
        let acceptor = &mut acceptors[0];
        for _ in 0..patience {
            acceptor.judge(&errno.into());
            assert!(acceptor.resume_at.is_none(), "{errno:?}");
        }
        acceptor.judge(&errno.into());
        assert!(acceptor.resume_at.is_some(), "{errno:?}");
        assert_eq!(acceptor.backed_off(), 1);
    }
}

#[test]
fn lines_are_said_once_per_interval() {
    let mut gate = LogGate::default();
    let start = Instant::now();
    assert_eq!(gate.admit(start), Some(0));
    assert_eq!(gate.admit(start), None);
    assert_eq!(gate.admit(start + LOG_INTERVAL / 2), None);
    assert_eq!(gate.admit(start + LOG_INTERVAL), Some(2));
    assert_eq!(gate.admit(start + LOG_INTERVAL * 2), Some(0));
}
