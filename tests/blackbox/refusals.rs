//! Promise: whatever is refused has a line of the log, and a flood of it has few.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use vestibule_testkit::{Gateway, Site, certificate::Authority, client::Trust};

/// Refusals of each kind.
const FLOOD: usize = 10_000;
const STATUS: &[u8] = b"HTTP/1.1 404";
/// Of each kind there is one line at once, one in ten seconds, and one at the end.
const LINES: usize = 12;

/// Sends so many requests on one connection, and reads all answers.
async fn flood(gateway: &Gateway, request: impl Fn(usize) -> String, count: usize) {
    let stream = tokio::net::TcpStream::connect(gateway.http()).await.unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let write = async {
        for batch in (0..count).collect::<Vec<_>>().chunks(100) {
            let bytes: String = batch.iter().map(|number| request(*number)).collect();
            writer.write_all(bytes.as_bytes()).await.unwrap();
        }
    };
    let read = async {
        let (mut received, mut answers) = (Vec::new(), 0);
        while answers < count {
            assert_ne!(reader.read_buf(&mut received).await.unwrap(), 0, "closed after {answers} of {count} answers");
            // A status line that is not whole yet stays for the next time.
            let whole = received.len().saturating_sub(STATUS.len() - 1);
            answers += received.windows(STATUS.len()).filter(|window| *window == STATUS).count();
            received.drain(..whole);
        }
    };
    tokio::join!(write, read);
}

/// The lines that tell of a code.
fn lines(gateway: &mut Gateway, code: &str) -> Vec<Value> {
    let log = gateway.process().stderr();
    let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter(|line| line["code"] == code).collect()
}

/// How many refusals lines tell of: each of one, and of those before it; those that only catch up of none of their own.
fn told(lines: &[Value]) -> u64 {
    let own = |line: &Value| u64::from(!line["message"].as_str().unwrap().contains("no line told it"));
    lines.iter().map(|line| line["unsaid"].as_u64().unwrap() + own(line)).sum()
}

#[tokio::test]
async fn a_flood_of_refusals_is_a_few_lines_that_tell_of_all() {
    let site = Site::new("a.test").line("tls: off").line("routes: {/here: {respond: {body: here}}}");
    // Run by an ordinary user the site is a tenant's, who may begin fewer requests per second than a fast machine answers.
    let settings = "log: {format: json, access: off}\nlimits: {connections_per_client: 10000}\n\
        tenants: {default: {limits: {requests_per_second: 1000000}}}";
    let mut gateway = Gateway::builder().settings(settings).site("a.yaml", &site).start().await;
    // Each for a name of its own: nothing is kept of names.
    flood(&gateway, |number| format!("GET / HTTP/1.1\r\nhost: n{number}.test\r\n\r\n"), FLOOD).await;
    flood(&gateway, |number| format!("GET /{number} HTTP/1.1\r\nhost: a.test\r\n\r\n"), FLOOD).await;
    let trust = Trust::roots(&Authority::default().root_pem());
    for _ in 0..100 {
        assert!(trust.connect(gateway.https(), "nobody.test", &[b"h2"]).await.is_err());
    }
    gateway.terminate();
    assert!(gateway.process().wait().await.success());
    for (code, count) in [("unknown_host", FLOOD), ("no_route", FLOOD), ("unknown_name", 100)] {
        let lines = lines(&mut gateway, code);
        assert!((1..=LINES).contains(&lines.len()), "{code}: {} lines", lines.len());
        assert_eq!(told(&lines), count as u64, "{code}: {lines:#?}");
        assert!(lines[0]["client"].as_str().unwrap().starts_with("127.0.0.1:"), "{code}: {lines:#?}");
        assert_eq!(lines[0]["site"].as_str(), (code == "no_route").then_some("a.yaml"), "{code}");
    }
}

#[tokio::test]
async fn a_flood_at_one_site_leaves_the_lines_of_others_alone() {
    let settings = "log: {format: json, access: off}";
    let site = |host: &str| Site::new(host).line("tls: off").line("routes: {/here: {respond: {body: here}}}");
    let builder = Gateway::builder().settings(settings).site("a.yaml", &site("a.test"));
    let mut gateway = builder.site("b.yaml", &site("b.test")).start().await;
    flood(&gateway, |_| "GET / HTTP/1.1\r\nhost: a.test\r\n\r\n".to_owned(), 1000).await;
    // Another code, of the same tenant: its first line comes at once.
    let answer = gateway.connect_clear("b.test").await.get("/%2f").await.unwrap();
    assert_eq!(answer.status, 400);
    vestibule_testkit::eventually("a line about b.yaml", || {
        let lines = lines(&mut gateway, "bad_path");
        std::future::ready((lines.len() == 1 && lines[0]["site"] == "b.yaml").then_some(()))
    })
    .await;
}
