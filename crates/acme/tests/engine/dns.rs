//! Names whose DNS does not point here yet: people are told once, and not again by the next run.

use std::net::SocketAddr;

use tokio::{net::UdpSocket, task::spawn_local};
use vestibule_acme::{Event, FailureKind, plan::NameState};
use vestibule_names::{HostPattern, SiteId};

use crate::house::{House, patience, test};

/// A resolver that knows no name at all.
async fn knows_nothing() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    spawn_local(async move {
        let mut query = [0; 1500];
        while let Ok((length, asker)) = socket.recv_from(&mut query).await {
            let _ = socket.send_to(&no_such_name(&query[..length]), asker).await;
        }
    });
    address
}

/// The header and the question come back, with NXDOMAIN (RFC 1035 section 4.1.1).
fn no_such_name(query: &[u8]) -> Vec<u8> {
    let mut end = 12;
    while query[end] != 0 {
        end += 1 + usize::from(query[end]);
    }
    let mut answer = query[..end + 5].to_vec();
    answer[2] = 0x81;
    answer[3] = 0x83;
    answer[6..12].fill(0);
    answer
}

#[test]
fn who_waits_for_dns_is_told_once_also_over_a_restart() {
    test(async {
        let mut house = House::new();
        house.config.advisory_checks = true;
        house.config.resolvers = vec![knows_nothing().await];
        house.config.public_addresses = vec!["203.0.113.7".parse().unwrap()];
        let mut run = house.start_with(&["a.example.com"]);
        let Event::Quarantined { name, why, .. } = run.event().await else { panic!("told that it waits") };
        assert_eq!(name, HostPattern::parse("a.example.com").unwrap());
        assert!(why.starts_with("waits for DNS to point here: there is no usable address"), "{why}");
        let shown = run.handle.status(vec![SiteId::new("a.example.com")]).await.unwrap().remove(0);
        let (kind, _, since) = shown.failure.unwrap();
        assert_eq!((shown.state, kind), (NameState::Quarantined, FailureKind::ValidationDns));
        run.stop().await;

        let mut run = house.start_with(&["a.example.com"]);
        let quarantined = async {
            loop {
                let status = run.handle.status(vec![SiteId::new("a.example.com")]).await.unwrap().remove(0);
                if status.state == NameState::Quarantined {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        };
        assert_eq!(patience(quarantined).await.failure.unwrap().2, since, "since then, not since the start");
        // What comes next is about another name: the first one is not told again.
        run.want("b.example.com", 2, &["b.example.com"]);
        let Event::Quarantined { name, .. } = run.event().await else { panic!("told that it waits") };
        assert_eq!(name, HostPattern::parse("b.example.com").unwrap());
        run.stop().await;
    });
}
