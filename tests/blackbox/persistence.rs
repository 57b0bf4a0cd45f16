//! Promise: whatever moment the gateway is killed at, it comes back with the same table, last good versions included.

use std::{collections::BTreeMap, fs, time::Duration};

use vestibule_testkit::{Gateway, Site, site, wait::PATIENCE};

/// Deaths.
const ROUNDS: u64 = 20;
/// Sites that change.
const SITES: u64 = 6;

/// What every site must show; no entry is no site.
type Table = BTreeMap<u64, String>;

fn file(number: u64) -> String {
    format!("s{number}.yaml")
}

fn host(number: u64) -> String {
    format!("s{number}.test")
}

fn shows(number: u64, body: &str) -> Site {
    Site::new(&host(number)).respond(body)
}

async fn assert_table(gateway: &Gateway, table: &Table, when: &str) {
    for number in 0..SITES {
        match table.get(&number) {
            Some(body) => assert_eq!(gateway.get(&host(number), "/").await.text(), *body, "{} {when}", host(number)),
            None => {
                let refused = gateway.trust().connect(gateway.https(), &host(number), &[b"h2"]).await;
                assert!(refused.is_err(), "{} {when}", host(number));
            }
        }
    }
}

#[tokio::test]
async fn killed_at_any_moment_the_same_table_comes_back() {
    let mut gateway = Gateway::start().await;
    let mut table = Table::new();
    for number in 0..SITES {
        gateway.add(&file(number), &shows(number, "first")).await;
        table.insert(number, "first".to_owned());
    }
    for round in 0..ROUNDS {
        // Seen by a client, so it is the last good version whatever follows …
        let number = round % SITES;
        let body = format!("round {round}");
        gateway.write(&file(number), &shows(number, &body));
        assert!(gateway.serves_within(PATIENCE, &host(number), &body).await, "round {round}");
        table.insert(number, body);
        // … and what follows is in flight when the end comes.
        let other = (round + 1) % SITES;
        match round % 4 {
            0 => site::write(&gateway.sites_dir(), &file(number), "hosts: ["),
            1 => {
                let _ = fs::remove_file(gateway.sites_dir().join(file(other)));
                table.remove(&other);
            }
            2 => {
                shows(other, "in flight").write(&gateway.sites_dir(), &file(other));
                table.insert(other, "in flight".to_owned());
            }
            _ => {}
        }
        // A different moment in every round: from before the event is seen to after all is written.
        tokio::time::sleep(Duration::from_millis(round * 7 % 40)).await;
        gateway.kill();
        gateway.restart().await;
        assert_table(&gateway, &table, &format!("after death {round}")).await;
    }
}

#[tokio::test]
async fn a_damaged_ledger_is_told_and_never_dropped_silently() {
    // A lost claim would be a name that somebody else can take.
    let mut gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    gateway.kill();
    let ledger = gateway.state_dir().join("ledger.redb");
    fs::write(&ledger, "not a ledger").unwrap();
    let args = ["run", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--sites", "sites.d", "--state", "state"];
    let refused = gateway.command(&args);
    assert_eq!(refused.status.code(), Some(78), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ledger.redb"), "{refused:?}");
    fs::remove_file(&ledger).unwrap();
    gateway.restart().await;
    assert_eq!(gateway.get("a.test", "/").await.text(), "a");
}
