//! Sockets to backends are bounded for the whole gateway, and every end of one gives its place back.

use std::time::Duration;

use vestibule_names::UpstreamAddr;

use super::{
    backends::nobody,
    rig::{Gate, Origin, Plan, Wire, field, run, status},
    tunnels,
};
use crate::{Fault, Refusal, TunnelClose, UpstreamBudget};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const CLOSE: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const LAST: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

fn plan(addrs: impl IntoIterator<Item = UpstreamAddr>, budget: &UpstreamBudget) -> Plan {
    Plan::to(addrs).with(|plan| plan.config.budget = budget.clone())
}

/// The place comes back when the connection's task has run: soon, but not at once.
async fn is_given_back(budget: &UpstreamBudget) {
    while budget.open() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Asks, and plays whichever backend is asked. Gives its index and its side of the connection.
async fn ask_any(gate: &Gate, origins: &[Origin; 3]) -> (usize, Wire) {
    let serve = async {
        let (index, mut peer) = tokio::select! {
            peer = origins[0].accept() => (0, peer),
            peer = origins[1].accept() => (1, peer),
            peer = origins[2].accept() => (2, peer),
        };
        peer.head().await;
        peer.send(OK).await;
        (index, peer)
    };
    let (response, served) = tokio::join!(gate.ask(CLOSE), serve);
    assert_eq!(status(&response), 200);
    served
}

#[test]
fn no_more_sockets_than_the_budget_has_and_the_rest_is_told_to_come_back() {
    run(async {
        const LIMIT: usize = 3;
        const REFUSED: usize = 40;
        let dir = tempfile::tempdir().unwrap();
        for origin in [Origin::tcp().await, Origin::unix(&dir.path().join("a.sock"))] {
            let budget = UpstreamBudget::new(u32::try_from(LIMIT).unwrap());
            let gate = plan([origin.addr.clone()], &budget).open().await;
            let (mut waiting, mut peers) = (Vec::new(), Vec::new());
            for _ in 0..LIMIT {
                let mut client = gate.client().await;
                client.send(CLOSE).await;
                waiting.push(client);
                let mut peer = origin.accept().await;
                peer.head().await;
                peers.push(peer);
            }
            for _ in 0..REFUSED {
                let response = gate.ask(CLOSE).await;
                assert_eq!(status(&response), 503);
                assert_eq!(field(&response, "retry-after"), ["1"]);
            }
            assert_eq!((budget.open() as usize, budget.refused() as usize), (LIMIT, REFUSED));
            assert_eq!(gate.faults(), [(Fault::Gateway, Refusal::GatewayBusy); REFUSED]);
            assert!(origin.is_untouched().await);
            for (client, peer) in waiting.iter_mut().zip(&mut peers) {
                peer.send(LAST).await;
                assert_eq!(status(&client.rest().await), 200);
            }
            is_given_back(&budget).await;
            let (_, response) = tokio::join!(origin.serve_once(LAST), gate.ask(CLOSE));
            assert_eq!(status(&response), 200);
        }
    });
}

#[test]
fn many_at_once_share_what_there_is() {
    run(async {
        const LIMIT: u32 = 5;
        let origin = Origin::tcp().await;
        let budget = UpstreamBudget::new(LIMIT);
        let gate = plan([origin.addr.clone()], &budget).open().await;
        let mut clients = Vec::new();
        for _ in 0..30 {
            let mut client = gate.client().await;
            client.send(CLOSE).await;
            clients.push(client);
        }
        let serve = async {
            loop {
                let mut peer = origin.accept().await;
                tokio::task::spawn_local(async move {
                    peer.head().await;
                    tokio::task::yield_now().await;
                    peer.send(LAST).await;
                    peer.rest().await
                });
                assert!(budget.open() <= LIMIT);
            }
        };
        let answers = async {
            let mut served = 0;
            for client in &mut clients {
                match status(&client.rest().await) {
                    200 => served += 1,
                    status => assert_eq!(status, 503),
                }
            }
            served
        };
        let served: u64 = tokio::select! { served = answers => served, () = serve => unreachable!() };
        assert!(served >= u64::from(LIMIT));
        assert_eq!(served + budget.refused(), 30);
        is_given_back(&budget).await;
    });
}

#[test]
fn a_backend_is_not_blamed_for_a_spent_budget() {
    run(async {
        let (one, two) = (Origin::tcp().await, Origin::tcp().await);
        let budget = UpstreamBudget::new(0);
        let gate = plan([one.addr.clone(), two.addr.clone()], &budget).open().await;
        assert_eq!(status(&gate.ask(CLOSE).await), 503);
        assert_eq!(budget.refused(), 1, "counted once, however many backends a group has");
        assert!(!gate.is_down(&one.addr) && !gate.is_down(&two.addr));
    });
}

#[test]
fn a_refused_connection_gives_its_place_back() {
    run(async {
        let budget = UpstreamBudget::new(1);
        let (refusing, _socket) = nobody();
        let gate = plan([refusing], &budget).open().await;
        for _ in 0..3 {
            assert_eq!(status(&gate.ask(CLOSE).await), 502);
            assert_eq!(gate.faults(), [(Fault::Upstream, Refusal::UpstreamUnreachable)]);
            assert_eq!(budget.open(), 0);
        }
        assert_eq!(budget.refused(), 0);
    });
}

#[test]
fn every_end_of_a_response_gives_its_place_back() {
    run(async {
        let budget = UpstreamBudget::new(1);
        let origin = Origin::tcp().await;
        let gate = plan([origin.addr.clone()], &budget)
            .with(|plan| plan.timeouts.response = Duration::from_millis(60))
            .open()
            .await;
        for (spoken, expected) in [
            (LAST, 200),
            ("", 504),
            ("nonsense\r\n\r\n", 502),
            ("HTTP/1.1 101 Switching Protocols\r\n\r\n", 502),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        ] {
            let mut client = gate.client().await;
            client.send(CLOSE).await;
            let mut peer = origin.accept().await;
            peer.head().await;
            peer.send(spoken).await;
            assert_eq!(status(&client.rest().await), expected, "{spoken}");
            is_given_back(&budget).await;
        }
        // The backend closes before it answers, and in the middle of a body.
        for (spoken, expected) in [("", 502), ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome", 200)] {
            let mut client = gate.client().await;
            client.send(CLOSE).await;
            let mut peer = origin.accept().await;
            peer.head().await;
            peer.send(spoken).await;
            drop(peer);
            assert_eq!(status(&client.rest().await), expected, "{spoken}");
            is_given_back(&budget).await;
        }
        // The client leaves before the answer, and in the middle of a body.
        for spoken in ["", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome"] {
            let mut client = gate.client().await;
            client.send(CLOSE).await;
            let mut peer = origin.accept().await;
            peer.head().await;
            peer.send(spoken).await;
            if !spoken.is_empty() {
                client.until("some").await;
            }
            drop(client);
            is_given_back(&budget).await;
        }
        assert_eq!(budget.refused(), 0);
    });
}

#[test]
fn a_second_attempt_gets_the_place_of_the_first() {
    run(async {
        let budget = UpstreamBudget::new(1);
        let origin = Origin::tcp().await;
        let gate = plan([origin.addr.clone()], &budget).open().await;
        let mut client = gate.client().await;
        client.send(GET).await;
        let mut peer = origin.accept().await;
        peer.head().await;
        peer.send(OK).await;
        client.until("ok").await;
        client.send(GET).await;
        peer.head().await;
        drop(peer);
        let mut peer = origin.accept().await;
        peer.head().await;
        peer.send(OK).await;
        client.until("ok").await;
        assert_eq!((gate.pool_counts(), budget.open(), budget.refused()), ((1, 1), 1, 0));
    });
}

#[test]
fn a_tunnel_holds_its_place_until_it_ends() {
    run(async {
        let budget = UpstreamBudget::new(1);
        let origin = Origin::tcp().await;
        let mut gate = plan([origin.addr.clone()], &budget).open().await;
        let mut client = gate.client().await;
        client.send(tunnels::ASK).await;
        let mut peer = origin.accept().await;
        peer.head().await;
        peer.send(tunnels::ACCEPT).await;
        assert_eq!(status(&client.head().await), 101);
        client.send("ping").await;
        assert_eq!(peer.exactly(4).await, "ping");
        assert_eq!((gate.pool_counts(), budget.open()), ((0, 0), 1));
        assert_eq!(status(&gate.ask(CLOSE).await), 503);
        drop((client, peer));
        assert_ne!(gate.tunnel_ends.recv().await.unwrap().close, TunnelClose::NeverOpened);
        assert_eq!(budget.open(), 0);
        let (_, response) = tokio::join!(origin.serve_once(OK), gate.ask(CLOSE));
        assert_eq!(status(&response), 200);
    });
}

#[test]
fn what_is_idle_for_the_longest_makes_room() {
    run(async {
        let budget = UpstreamBudget::new(2);
        let origins = [Origin::tcp().await, Origin::tcp().await, Origin::tcp().await];
        let gate = plan(origins.iter().map(|origin| origin.addr.clone()), &budget).open().await;
        let (first, mut oldest) = ask_any(&gate, &origins).await;
        let (second, mut older) = ask_any(&gate, &origins).await;
        assert_eq!((gate.pool_counts(), budget.open()), ((2, 2), 2));
        let (third, _young) = ask_any(&gate, &origins).await;
        assert_eq!(first + second + third, 3, "each was asked once");
        assert_eq!(oldest.rest().await, "");
        // Now it is the first one's turn again, which has no connection any more.
        assert_eq!(ask_any(&gate, &origins).await.0, first);
        assert_eq!(older.rest().await, "");
        assert_eq!((gate.pool_counts(), budget.open(), budget.refused()), ((2, 2), 2, 0));
    });
}

#[test]
fn what_is_idle_on_another_worker_makes_room_for_the_next_request() {
    run(async {
        let budget = UpstreamBudget::new(1);
        let origin = Origin::tcp().await;
        let one = plan([origin.addr.clone()], &budget).open().await;
        let other = plan([origin.addr.clone()], &budget).open().await;
        let mut client = one.client().await;
        client.send(GET).await;
        let mut peer = origin.accept().await;
        peer.head().await;
        peer.send(OK).await;
        client.until("ok").await;
        assert_eq!(status(&other.ask(CLOSE).await), 503);
        assert_eq!(peer.rest().await, "");
        let (_, response) = tokio::join!(origin.serve_once(OK), other.ask(CLOSE));
        assert_eq!(status(&response), 200);
        assert_eq!(one.pool_counts(), (0, 0));
    });
}
