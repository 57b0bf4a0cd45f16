//! Promise: a site file changes its own site and no other, and a mistake in it changes nothing at all.

use std::{
    fs,
    os::unix::fs::symlink,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use vestibule_testkit::{Gateway, HttpOrigin, Protocol, Site, client, eventually, site};

/// `a.test` that says `one`, beside `b.test`.
async fn two_sites() -> Gateway {
    Gateway::builder()
        .site("a.yaml", &Site::new("a.test").respond("one"))
        .site("b.yaml", &Site::new("b.test").respond("b"))
        .start()
        .await
}

#[tokio::test]
async fn a_new_file_an_edit_and_a_removal_reach_an_open_connection() {
    let gateway = two_sites().await;
    let mut connection = gateway.connect("a.test", Protocol::Http2).await;
    assert_eq!(connection.get("/").await.unwrap().text(), "one");
    gateway.add("a.yaml", &Site::new("a.test").respond("two")).await;
    assert_eq!(connection.get("/").await.unwrap().text(), "two");
    gateway.remove("a.yaml");
    gateway.wait_gone("a.test").await;
    // In order or refused, but not the removed site.
    if let Ok(answer) = connection.get("/").await {
        assert_eq!(answer.status, 421);
    }
    assert!(gateway.trust().connect(gateway.https(), "a.test", &[b"h2"]).await.is_err());
    gateway.add("folder/c.yml", &Site::new("c.test").respond("c")).await;
    assert_eq!(gateway.get("c.test", "/").await.text(), "c");
}

#[tokio::test]
async fn a_broken_edit_keeps_the_last_good_version() {
    let mut gateway = two_sites().await;
    for broken in ["", "hosts: [", "hosts: a.test\nupstraem: 5000\n", "\u{0}\u{1}", "hosts: \"a..test\"\nupstream: 1\n"]
    {
        site::write(&gateway.sites_dir(), "a.yaml", broken);
        let row = gateway.wait_state("a.yaml", "stale").await;
        assert!(row["reports"][0]["code"].is_string(), "{row}");
        assert_eq!(gateway.get("a.test", "/").await.text(), "one", "{broken:?}");
        assert_eq!(gateway.get("b.test", "/").await.text(), "b");
        gateway.write("a.yaml", &Site::new("a.test").respond("one"));
        gateway.wait_state("a.yaml", "live").await;
    }
    site::write(&gateway.sites_dir(), "a.yaml", "hosts: [");
    gateway.wait_state("a.yaml", "stale").await;
    assert_eq!(gateway.status().await["stale"], 1);
    gateway.kill();
    gateway.restart().await;
    assert_eq!(gateway.get("a.test", "/").await.text(), "one");
    gateway.wait_state("a.yaml", "stale").await;
    gateway.write("a.yaml", &Site::new("a.test").respond("two"));
    gateway.wait_state("a.yaml", "live").await;
    assert_eq!(gateway.get("a.test", "/").await.text(), "two");
}

#[tokio::test]
async fn a_file_that_was_never_good_stops_neither_the_start_nor_others() {
    let dir = tempfile::tempdir().unwrap();
    let sites = dir.path().join("sites.d");
    site::write(&sites, "broken.yaml", "hosts: [");
    Site::new("a.test").respond("a").write(&sites, "a.yaml");
    let gateway = Gateway::builder().start_in(dir).await;
    assert_eq!(gateway.get("a.test", "/").await.text(), "a");
    gateway.wait_state("broken.yaml", "broken").await;
    assert_eq!(gateway.status().await["broken"], 1);
}

#[tokio::test]
async fn of_two_files_with_one_name_the_earlier_holds_it_and_the_later_serves_its_others() {
    let mut gateway = two_sites().await;
    // First in order of name, later in order of time.
    gateway.write("A-first-by-name.yaml", &Site::new("a.test, other.test").respond("late"));
    let late = gateway.wait_state("A-first-by-name.yaml", "partial").await;
    assert_eq!(late["hosts"], json!(["other.test"]));
    assert_eq!(late["reports"][0]["code"], "V0303");
    let check = async |gateway: &Gateway| {
        assert_eq!(gateway.get("a.test", "/").await.text(), "one");
        assert_eq!(gateway.get("other.test", "/").await.text(), "late");
        assert_eq!(gateway.get("b.test", "/").await.text(), "b");
    };
    check(&gateway).await;
    let told = eventually("the holder to be told", || async {
        gateway.row("a.yaml").await.filter(|row| row["reports"].as_array().is_some_and(|reports| !reports.is_empty()))
    });
    assert!(told.await["reports"].to_string().contains("A-first-by-name.yaml"));
    gateway.kill();
    gateway.restart().await;
    check(&gateway).await;
    gateway.remove("a.yaml");
    gateway.wait_state("A-first-by-name.yaml", "live").await;
    assert_eq!(gateway.get("a.test", "/").await.text(), "late");
}

#[tokio::test]
async fn a_rename_hands_the_names_over() {
    let gateway = two_sites().await;
    fs::rename(gateway.sites_dir().join("a.yaml"), gateway.sites_dir().join("renamed.yaml")).unwrap();
    gateway.wait_state("renamed.yaml", "live").await;
    assert_eq!(gateway.get("a.test", "/").await.text(), "one");
    fs::create_dir(gateway.sites_dir().join("tenant")).unwrap();
    fs::rename(gateway.sites_dir().join("renamed.yaml"), gateway.sites_dir().join("tenant/renamed.yaml")).unwrap();
    gateway.wait_state("tenant/renamed.yaml", "live").await;
    assert_eq!(gateway.get("a.test", "/").await.text(), "one");
}

#[tokio::test]
async fn a_file_moved_over_another_replaces_it() {
    let gateway = two_sites().await;
    fs::rename(gateway.sites_dir().join("b.yaml"), gateway.sites_dir().join("a.yaml")).unwrap();
    gateway.wait_gone("a.test").await;
    assert!(gateway.serves_within(vestibule_testkit::wait::PATIENCE, "b.test", "b").await);
}

#[tokio::test]
async fn every_way_in_which_editors_save_is_seen() {
    let gateway = two_sites().await;
    let path = gateway.sites_dir().join("a.yaml");
    let text = |body: &str| Site::new("a.test").respond(body).text().to_owned();
    // In place, as `echo >` and nano do.
    fs::write(&path, text("in place")).unwrap();
    assert!(gateway.serves_within(vestibule_testkit::wait::PATIENCE, "a.test", "in place").await);
    // The old one moved aside as a backup, a new one written, as vim may do.
    fs::rename(&path, gateway.sites_dir().join("a.yaml~")).unwrap();
    fs::write(&path, text("backup")).unwrap();
    fs::remove_file(gateway.sites_dir().join("a.yaml~")).unwrap();
    assert!(gateway.serves_within(vestibule_testkit::wait::PATIENCE, "a.test", "backup").await);
    // A whole folder moved in, and out.
    let outside = gateway.dir().join("outside");
    Site::new("c.test").respond("moved in").write(&outside, "c.yaml");
    fs::rename(&outside, gateway.sites_dir().join("tenant")).unwrap();
    assert!(gateway.serves_within(vestibule_testkit::wait::PATIENCE, "c.test", "moved in").await);
    fs::rename(gateway.sites_dir().join("tenant"), &outside).unwrap();
    gateway.wait_gone("c.test").await;
    assert_eq!(gateway.get("b.test", "/").await.text(), "b");
}

#[tokio::test]
async fn links_pipes_and_huge_files_are_not_read() {
    let gateway = two_sites().await;
    let secret = gateway.dir().join("secret");
    fs::write(&secret, Site::new("link.test").respond("secret").text()).unwrap();
    symlink(&secret, gateway.sites_dir().join("link.yaml")).unwrap();
    symlink(gateway.dir(), gateway.sites_dir().join("linked-folder")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        gateway.sites_dir().join("pipe.yaml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    site::write(&gateway.sites_dir(), "huge.yaml", &format!("# {}\n", "x".repeat(1 << 20)));
    fs::create_dir(gateway.sites_dir().join("folder.yaml")).unwrap();
    let bomb = (0..9).fold("a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, level| {
        let next = level + 1;
        text + &format!("a{next}: &a{next} [{}]\n", vec![format!("*a{level}"); 9].join(","))
    });
    site::write(&gateway.sites_dir(), "bomb.yaml", &bomb);
    for file in ["link.yaml", "pipe.yaml", "huge.yaml", "bomb.yaml"] {
        gateway.wait_state(file, "broken").await;
    }
    gateway.add("c.yaml", &Site::new("c.test").respond("c")).await;
    assert_eq!(gateway.get("c.test", "/").await.text(), "c");
    assert!(gateway.trust().connect(gateway.https(), "link.test", &[b"h2"]).await.is_err());
}

#[tokio::test]
async fn a_removed_site_finishes_what_it_has_begun() {
    let origin = HttpOrigin::start().await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let mut connection = gateway.connect("a.test", protocol).await;
        let request = connection.request("/gate").body(client::no_body()).unwrap();
        let pending = tokio::spawn(async move { connection.answer(request).await });
        origin.at_gate(1).await;
        gateway.remove("a.yaml");
        gateway.wait_gone("a.test").await;
        origin.open_gate();
        assert_eq!(pending.await.unwrap().unwrap().text(), "through the gate", "{protocol:?}");
        gateway.add("a.yaml", &Site::new("a.test").upstream(&origin)).await;
    }
}

#[tokio::test]
async fn a_flood_of_broken_files_does_not_delay_a_good_one() {
    let gateway = two_sites().await;
    for number in 0..500 {
        site::write(&gateway.sites_dir(), &format!("broken/{number}.yaml"), "hosts: [\n");
    }
    // How many of them it waits for is a matter of `watch`, and tested there.
    gateway.write("a.yaml", &Site::new("a.test").respond("two"));
    assert!(gateway.serves_within(vestibule_testkit::wait::PATIENCE, "a.test", "two").await);
}

#[tokio::test]
async fn hostile_clients_of_one_site_do_not_slow_another() {
    let origin = HttpOrigin::start().await;
    let a = Site::new("a.test").upstream(&origin);
    let gateway = Gateway::builder().site("a.yaml", &a).site("b.yaml", &Site::new("b.test").respond("b")).start().await;
    // Handshakes that never end, garbage, requests that never end, and a response that nobody reads.
    let mut held = Vec::new();
    for number in 0_u8..100 {
        let mut stream = TcpStream::connect(gateway.https()).await.unwrap();
        stream.write_all(&[22, 3, 1, 2, 0, 1, number]).await.unwrap();
        held.push(stream);
        let mut garbage = TcpStream::connect(gateway.https()).await.unwrap();
        garbage.write_all(&[number; 512]).await.unwrap();
        held.push(garbage);
    }
    let mut pending = Vec::new();
    for path in ["/gate", "/gate", "/bytes/1000000000"].repeat(10) {
        let mut connection = gateway.connect("a.test", Protocol::Http2).await;
        let request = connection.request(path).body(client::no_body()).unwrap();
        pending.push(tokio::spawn(async move { (connection.send(request).await, connection) }));
    }
    origin.at_gate(20).await;
    // In turn with a gateway that nobody attacks: what the machine does beside this test slows both.
    let b = Site::new("b.test").respond("b");
    let calm = Gateway::builder().site("b.yaml", &b).start().await;
    let mut attacked = (gateway.connect("b.test", Protocol::Http1).await, Vec::new());
    let mut quiet = (calm.connect("b.test", Protocol::Http1).await, Vec::new());
    for _ in 0..100 {
        for (connection, took) in [&mut attacked, &mut quiet] {
            let start = Instant::now();
            assert_eq!(connection.get("/").await.unwrap().text(), "b");
            took.push(start.elapsed());
        }
    }
    let [attacked, quiet] = [attacked.1, quiet.1].map(|mut took| {
        took.sort_unstable();
        took[95]
    });
    let most = Duration::from_millis(100) + 4 * quiet;
    assert!(attacked < most, "{attacked:?}, and {quiet:?} where nobody attacks");
}
