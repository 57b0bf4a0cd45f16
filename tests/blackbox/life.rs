//! Promise: it starts when it is ready, stops when the work is done, and is never taken down by too much of anything.

use std::{collections::BTreeSet, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, UnixDatagram},
};
use vestibule_testkit::{
    Connection, Gateway, HttpOrigin, Protocol, Site, admin, backend::free_port, client, eventually, gateway::binary,
    process::Program,
};

async fn one_site() -> (Gateway, HttpOrigin) {
    let origin = HttpOrigin::start().await;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    (gateway, origin)
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight_and_takes_nothing_new() {
    for protocol in [Protocol::Http1, Protocol::Http2] {
        let (mut gateway, origin) = one_site().await;
        let mut connection = gateway.connect("a.test", protocol).await;
        let request = connection.request("/gate").body(client::no_body()).unwrap();
        let pending = tokio::spawn(async move { connection.answer(request).await });
        origin.at_gate(1).await;
        gateway.terminate();
        let address = gateway.https();
        let refused = || async move { TcpStream::connect(address).await.is_err().then_some(()) };
        eventually("new connections to be refused", refused).await;
        assert!(!pending.is_finished(), "{protocol:?}");
        origin.open_gate();
        let answer = pending.await.unwrap().unwrap();
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (200, "through the gate"));
        assert!(gateway.process().wait().await.success(), "{protocol:?}");
    }
}

/// Reads as a slow line would, until the end or so many bytes: the pause is part of what is tested.
async fn read_slowly(stream: &mut (impl AsyncRead + Unpin), received: &mut Vec<u8>, until: usize) {
    let mut piece = vec![0; 64 << 10];
    while received.len() < until {
        match stream.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(count) => received.extend_from_slice(&piece[..count]),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_stop_cuts_no_response_that_a_slow_client_still_reads() {
    const SIZE: usize = 24 << 20;
    let (mut gateway, _origin) = one_site().await;
    let mut stream = gateway.tls("a.test").await;
    let head = format!("GET /bytes/{SIZE} HTTP/1.1\r\nhost: a.test\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut received = Vec::new();
    read_slowly(&mut stream, &mut received, 1 << 20).await;
    gateway.terminate();
    read_slowly(&mut stream, &mut received, usize::MAX).await;
    assert!(received.len() > SIZE && received.ends_with(b"0\r\n\r\n"), "cut after {} bytes", received.len());
    assert!(gateway.process().wait().await.success());
}

#[tokio::test]
async fn an_idle_gateway_stops_at_once() {
    let (mut gateway, _origin) = one_site().await;
    let mut idle = gateway.connect("a.test", Protocol::Http1).await;
    assert_eq!(idle.get("/").await.unwrap().status, 200);
    let _second = gateway.connect("a.test", Protocol::Http2).await;
    gateway.terminate();
    let exit = gateway.process().wait_within(Duration::from_secs(5)).await.expect("idle connections hold it up");
    assert!(exit.success());
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let (mut gateway, origin) = one_site().await;
    let mut connection = gateway.connect("a.test", Protocol::Http1).await;
    let request = connection.request("/gate").body(client::no_body()).unwrap();
    let pending = tokio::spawn(async move { connection.answer(request).await });
    origin.at_gate(1).await;
    gateway.terminate();
    let address = gateway.https();
    eventually("the drain to begin", || async move { TcpStream::connect(address).await.is_err().then_some(()) }).await;
    gateway.terminate();
    let exit = gateway.process().wait_within(Duration::from_secs(5)).await.expect("the second signal was ignored");
    assert!(!exit.success(), "{exit}");
    assert!(pending.await.unwrap().is_err());
}

#[tokio::test]
async fn the_grace_period_bounds_a_stop() {
    let origin = HttpOrigin::start().await;
    let builder = Gateway::builder().settings("timeouts: {drain_grace: 200ms}");
    let mut gateway = builder.site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    let mut connection = gateway.connect("a.test", Protocol::Http1).await;
    let request = connection.request("/gate").body(client::no_body()).unwrap();
    let pending = tokio::spawn(async move { connection.answer(request).await });
    origin.at_gate(1).await;
    gateway.terminate();
    gateway.process().wait_within(Duration::from_secs(5)).await.expect("the grace period was ignored");
    assert!(pending.await.unwrap().is_err());
}

#[tokio::test]
async fn systemd_is_told_when_it_is_ready_and_when_it_stops() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    let gateway = Gateway::builder().env("NOTIFY_SOCKET", path.to_str().unwrap()).start().await;
    assert!(told(&socket, "READY=1").await);
    gateway.terminate();
    assert!(told(&socket, "STOPPING=1").await);
}

/// Reads datagrams until one has that line.
async fn told(socket: &UnixDatagram, line: &str) -> bool {
    let look = async {
        loop {
            let mut buffer = [0; 4096];
            let count = socket.recv(&mut buffer).await.unwrap();
            if String::from_utf8_lossy(&buffer[..count]).lines().any(|told| told == line) {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), look).await.is_ok()
}

#[tokio::test]
async fn without_descriptors_it_waits_and_recovers() {
    let origin = HttpOrigin::start().await;
    let builder =
        Gateway::builder().descriptors(256).settings("limits: {connections: 100000, connections_per_client: 100000}");
    let mut gateway = builder.site("a.yaml", &Site::new("a.test").upstream(&origin)).start().await;
    let mut held = Vec::new();
    for _ in 0..400 {
        held.push(TcpStream::connect(gateway.https()).await.unwrap());
    }
    // A wait by the clock: what is measured is what happens when nothing happens.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = gateway.process().cpu_ticks();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = gateway.process().cpu_ticks() - before;
    assert!(spent < 30, "{spent} of 100 ticks spent on connections that cannot be accepted");
    gateway.add("b.yaml", &Site::new("b.test").respond("b")).await;
    drop(held);
    assert!(gateway.serves_within(Duration::from_secs(10), "b.test", "b").await);
    assert_eq!(gateway.get("a.test", "/").await.status, 200);
}

#[tokio::test]
async fn one_client_cannot_take_all_connections() {
    let builder = Gateway::builder().settings("limits: {connections_per_client: 5}");
    let gateway = builder.site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut connection = gateway.connect("a.test", Protocol::Http1).await;
        assert_eq!(connection.get("/").await.unwrap().status, 200);
        held.push(connection);
    }
    let refused = Connection::secure(gateway.trust(), gateway.https(), "a.test", Protocol::Http1).await;
    assert!(refused.is_err());
    drop(held);
    assert!(gateway.serves_within(Duration::from_secs(10), "a.test", "a").await);
}

#[tokio::test]
async fn a_slow_handshake_a_slow_head_and_an_idle_connection_end() {
    let timeouts = "timeouts: {handshake: 300ms, request_head: 300ms, idle: 300ms}";
    let gateway = Gateway::builder().settings(timeouts).site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    let ends = async |mut stream: Box<dyn tokio::io::AsyncRead + Unpin>, what: &str| {
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "{what} stays open");
    };
    let mut handshake = TcpStream::connect(gateway.https()).await.unwrap();
    handshake.write_all(&[22, 3, 1]).await.unwrap();
    ends(Box::new(handshake), "an unfinished handshake").await;
    let mut head = gateway.tls("a.test").await;
    head.write_all(b"GET / HTTP/1.1\r\nhost: a.te").await.unwrap();
    ends(Box::new(head), "an unfinished head").await;
    let mut idle = gateway.tls("a.test").await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await.unwrap();
    ends(Box::new(idle), "an idle connection").await;
}

#[tokio::test]
async fn access_events_are_json_lines_with_site_and_status() {
    let (mut gateway, _origin) = one_site().await;
    assert_eq!(gateway.get("a.test", "/echo/me?secret=1").await.status, 200);
    let line = eventually("an access event", || {
        let found = gateway.process().stdout().lines().find(|line| line.contains("/echo/me")).map(str::to_owned);
        std::future::ready(found)
    })
    .await;
    let event: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["status"], 200, "{event}");
    assert!(event.to_string().contains("a.yaml"), "{event}");
}

#[tokio::test]
async fn metrics_count_requests() {
    let (gateway, _origin) = one_site().await;
    let count = async |name: &str| {
        let metrics = gateway.admin("/metrics").await.text();
        assert!(metrics.trim_end().ends_with("# EOF"), "{metrics}");
        metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok()).unwrap_or_default()
    };
    let before = count("vestibule_requests_total").await;
    for _ in 0..3 {
        assert_eq!(gateway.get("a.test", "/").await.status, 200);
    }
    // A request counts when its response is over, which its client may see first.
    let all = async || (count("vestibule_requests_total").await == before + 3).then_some(());
    eventually("three requests more", all).await;
    assert!(count("vestibule_site_requests_total{site=\"a.yaml\"}").await >= 3);
}

/// Metrics that docs/operating.md tells of, as a scrape names them: counters without the end of their samples.
fn metrics_told_of() -> BTreeSet<String> {
    let page = include_str!("../../docs/operating.md");
    let in_backticks = page.split('`').skip(1).step_by(2);
    let names = in_backticks.filter(|text| text.starts_with("vestibule_"));
    names.filter_map(|text| Some(text.split('{').next()?.trim_end_matches("_total").to_owned())).collect()
}

#[tokio::test]
async fn every_metric_is_told_of_and_every_one_that_is_told_of_exists() {
    // There is no such CA, and nothing asks it: its metrics are there all the same.
    let settings = "acme: {agree: true, directory: \"https://127.0.0.1:1/\"}";
    let gateway = Gateway::builder().settings(settings).site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    assert_eq!(gateway.get("a.test", "/").await.status, 200);
    let metrics = gateway.admin("/metrics").await.text();
    let names = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let mut names: BTreeSet<String> = names.map(str::to_owned).collect();
    // Only where there is a certificate that ends.
    names.insert("vestibule_acme_next_expiry_seconds".to_owned());
    assert_eq!(names, metrics_told_of());
}

/// Opens two sockets as systemd would and becomes the gateway: descriptors from 3 on, and who they are meant for.
const HAND_OVER: &str = "\
import os, socket, sys
sockets = [socket.create_server(('127.0.0.1', 0)) for name in ('http', 'https')]
for number, opened in enumerate(sockets):
    os.dup2(opened.fileno(), 10 + number)
for number in range(len(sockets)):
    os.dup2(10 + number, 3 + number, inheritable=True)
os.environ.update(LISTEN_FDS='2', LISTEN_FDNAMES='http:https', LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[1], sys.argv[1:])
";

#[tokio::test]
async fn sockets_handed_over_by_systemd_are_used() {
    let dir = tempfile::tempdir().unwrap();
    Site::new("a.test").respond("a").line("redirect_to_https: false").write(&dir.path().join("sites.d"), "a.yaml");
    let program = Program::new("python3").args(["-c", HAND_OVER]).args([binary()]);
    let program = program.args(["run", "--sites", "sites.d", "--state", "state"]).dir(dir.path());
    let _process = program.start("gateway", dir.path());
    let socket = dir.path().join("state/admin.sock");
    let ready = || async {
        let ready = admin::get(&socket, "/readyz").await.ok()?;
        (ready.status == 200).then_some(())
    };
    eventually("the gateway to be ready", ready).await;
    let status = admin::get(&socket, "/v1/status").await.unwrap().json();
    let address = |name: &str| status[name][0].as_str().unwrap().parse().unwrap();
    let mut clear = Connection::clear(address("http"), "a.test").await.unwrap();
    assert_eq!(clear.get("/").await.unwrap().text(), "a");
    let mut tls = TcpStream::connect::<std::net::SocketAddr>(address("https")).await.unwrap();
    tls.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n").await.unwrap();
    let mut told = String::new();
    tls.read_to_string(&mut told).await.unwrap();
    assert!(told.starts_with("HTTP/1.1 400"), "clear HTTP on the TLS port: {told:?}");
}

#[tokio::test]
async fn the_admin_address_shows_metrics_and_readiness_only() {
    let address = free_port();
    let gateway = Gateway::builder().settings(&format!("admin: {{address: \"{address}\"}}")).start().await;
    for (path, expected) in [("/readyz", true), ("/metrics", true), ("/v1/status", false), ("/v1/sites", false)] {
        let mut connection = Connection::clear(address, &address.to_string()).await.unwrap();
        assert_eq!(connection.get(path).await.unwrap().status == 200, expected, "{path}");
    }
    drop(gateway);
}

#[tokio::test]
async fn the_admin_socket_and_the_state_folder_are_not_for_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").respond("a")).start().await;
    assert_eq!(gateway.get("a.test", "/").await.status, 200);
    let mut folders = vec![gateway.state_dir()];
    while let Some(folder) = folders.pop() {
        let mode = std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} is {mode:o}", folder.display());
        folders.extend(
            std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()),
        );
    }
}

#[tokio::test]
async fn a_hang_up_rescans_and_ends_nothing() {
    let (mut gateway, _origin) = one_site().await;
    let mut connection = gateway.connect("a.test", Protocol::Http1).await;
    for _ in 0..3 {
        gateway.process().signal(rustix::process::Signal::HUP);
        assert_eq!(connection.get("/").await.unwrap().status, 200);
    }
    gateway.add("b.yaml", &Site::new("b.test").respond("b")).await;
    assert_eq!(gateway.get("b.test", "/").await.text(), "b");
}

#[tokio::test]
async fn a_site_at_its_limit_says_when_to_come_back_and_others_do_not_notice() {
    let origin = HttpOrigin::start().await;
    let limited = Site::new("a.test").upstream(&origin).line("limits: {requests_in_flight: 1}");
    let gateway = Gateway::builder()
        .site("a.yaml", &limited)
        .site("b.yaml", &Site::new("b.test").upstream(&origin))
        .start()
        .await;
    let mut first = gateway.connect("a.test", Protocol::Http1).await;
    let request = first.request("/gate").body(client::no_body()).unwrap();
    let first = tokio::spawn(async move { first.answer(request).await.unwrap().status });
    origin.at_gate(1).await;
    let refused = gateway.get("a.test", "/echo").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after").is_some()), (503, true));
    assert_eq!(gateway.get("b.test", "/echo").await.status, 200);
    origin.open_gate();
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(gateway.get("a.test", "/echo").await.status, 200);
}

#[tokio::test]
async fn no_site_leads_to_the_admin_socket_in_whatever_spelling() {
    let gateway = Gateway::builder().site("a.yaml", &Site::new("a.test").respond("fine")).start().await;
    let socket = gateway.admin_socket();
    let (folder, name) = (socket.parent().unwrap(), socket.file_name().unwrap());
    let elsewhere = tempfile::tempdir().unwrap();
    let alias = elsewhere.path().join("alias.sock");
    std::os::unix::fs::symlink(&socket, &alias).unwrap();
    for spelling in [alias, folder.join("..").join(folder.file_name().unwrap()).join(name)] {
        let spelling = format!("unix:{}", spelling.display());
        gateway.add("b.yaml", &Site::new("b.test").upstream(&spelling)).await;
        let answer = gateway.get("b.test", "/v1/claims").await;
        assert_eq!(answer.status, 502, "{spelling}: {}", answer.text());
    }
    assert_eq!(gateway.get("a.test", "/").await.text(), "fine");
}
