//! Against a server that does exactly what a test says, over real TLS.

use std::{future::pending, path::Path, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;
use vestibule_testkit::certificate::{Authority as TestCa, Validity};

use super::*;

/// What the server does, for each request that arrives.
#[derive(Clone, Debug)]
enum Does {
    /// Takes the TCP connection and says nothing.
    NoTls,
    /// Reads the request and says nothing.
    Silence,
    /// Writes this, then says nothing more.
    Begins(String),
    /// Writes this and keeps the connection.
    Answers(String),
    /// Writes this and closes.
    AnswersAndCloses(String),
    /// Reads the request and closes.
    Closes,
}

struct Scene {
    transport: Transport,
    url: String,
    server: JoinHandle<()>,
    seen: Arc<std::sync::Mutex<Vec<String>>>,
    connections: Arc<std::sync::atomic::AtomicUsize>,
    _dir: tempfile::TempDir,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn scene(script: &[Does]) -> Scene {
    scene_with(script, |ca| ca.root_pem()).await
}

/// `root`: what the transport trusts.
async fn scene_with(script: &[Does], root: impl FnOnce(&TestCa) -> String) -> Scene {
    let (ca, dir) = (TestCa::default(), tempfile::tempdir().unwrap());
    let root_file = dir.path().join("root.pem");
    std::fs::write(&root_file, root(&ca)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let seen = Arc::<std::sync::Mutex<Vec<String>>>::default();
    let connections = Arc::<std::sync::atomic::AtomicUsize>::default();
    let serving = serve(listener, acceptor(&ca), script.to_vec(), Arc::clone(&seen), Arc::clone(&connections));
    let transport = transport(dir.path(), Some(root_file));
    Scene { transport, url, server: tokio::spawn(serving), seen, connections, _dir: dir }
}

fn transport(dir: &Path, root: Option<PathBuf>) -> Transport {
    let timeouts = CaTimeouts {
        connect: Duration::from_millis(400),
        read: Duration::from_millis(300),
        request: Duration::from_secs(5),
        order: Duration::from_secs(60),
    };
    Transport::new(Vault::open(&dir.join("vault")).unwrap(), root, timeouts)
}

fn acceptor(ca: &TestCa) -> TlsAcceptor {
    let issued = ca.issue(&["127.0.0.1"], Validity::Now);
    let chain = CertificateDer::pem_slice_iter(issued.chain.as_bytes()).map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    TlsAcceptor::from(Arc::new(config.with_no_client_auth().with_single_cert(chain, key).unwrap()))
}

/// The steps of the script, over as many connections as the client opens.
async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    script: Vec<Does>,
    seen: Arc<std::sync::Mutex<Vec<String>>>,
    connections: Arc<std::sync::atomic::AtomicUsize>,
) {
    let mut steps = script.into_iter().peekable();
    while let Ok((stream, _)) = listener.accept().await {
        connections.fetch_add(1, Ordering::Relaxed);
        if matches!(steps.peek(), Some(Does::NoTls)) {
            pending::<()>().await;
        }
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        while let Some(request) = read_request(&mut stream).await {
            seen.lock().unwrap().push(request);
            let (text, then) = match steps.next().expect("a step for each request") {
                Does::NoTls | Does::Silence => pending().await,
                Does::Begins(text) => (text, Some(false)),
                Does::Answers(text) => (text, None),
                Does::AnswersAndCloses(text) => (text, Some(true)),
                Does::Closes => (String::new(), Some(true)),
            };
            // A client that has had enough is not this server's trouble.
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.flush().await;
            match then {
                None => {}
                Some(true) => {
                    let _ = stream.shutdown().await;
                    break;
                }
                Some(false) => pending().await,
            }
        }
    }
}

/// One request with its body (`Content-Length`); `None` at the end.
async fn read_request(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(read).unwrap().to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(head + &String::from_utf8(body).unwrap())
}

impl Scene {
    async fn get(&self, path: &str) -> Result<Answer, TransportError> {
        let request = Request::get(format!("{}{path}", self.url)).header("user-agent", "library/1");
        self.transport.exchange(request.body(Bytes::new()).unwrap()).await
    }

    async fn post(&self, body: &'static str) -> Result<Answer, TransportError> {
        let request = Request::post(format!("{}/new", self.url)).body(Bytes::from_static(body.as_bytes()));
        self.transport.exchange(request.unwrap()).await
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_request_says_who_asks_and_gets_its_answer() {
    let scene = scene(&[Does::Answers(ok("hello"))]).await;
    let answer = scene.get("/directory?a=b").await.unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, &b"hello"[..]));
    let seen = &scene.seen()[0];
    let version = env!("CARGO_PKG_VERSION");
    let agent = format!("user-agent: vestibule/{version} (+https://github.com/vestibule-gateway/vestibule) library/1");
    let host = format!("host: {}", scene.url.trim_start_matches("https://"));
    let lines: Vec<_> = seen.lines().collect();
    assert_eq!(lines[0], "get /directory?a=b http/1.1");
    assert!(lines.contains(&agent.as_str()) && lines.contains(&host.as_str()), "{seen}");
}

#[tokio::test]
async fn every_hang_ends_and_is_named() {
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_owned();
    let head = "HTTP/1.1 200 OK\r\nContent-".to_owned();
    for (does, stage) in [
        (Does::NoTls, Stage::Connect),
        (Does::Silence, Stage::Headers),
        (Does::Begins(head), Stage::Headers),
        (Does::Begins(begun), Stage::Body),
    ] {
        let scene = scene(std::slice::from_ref(&does)).await;
        let error = scene.get("/").await.unwrap_err();
        assert!(matches!(error, TransportError::Timeout { stage: seen, .. } if seen == stage), "{does:?}: {error}");
        assert_eq!(scene.connections(), 1, "{does:?}");
    }
}

#[tokio::test]
async fn a_request_ends_though_bytes_go_on_coming() {
    let mut scene = scene(&[Does::Begins("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_owned())]).await;
    scene.transport.timeouts.request = Duration::from_millis(200);
    let error = scene.get("/").await.unwrap_err();
    assert!(matches!(error, TransportError::Timeout { stage: Stage::Whole, .. }), "{error}");
}

#[tokio::test]
async fn large_answers_are_not_read() {
    let of = |size: usize, media: &str| {
        format!("HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Length: {size}\r\n\r\n{}", "x".repeat(size))
    };
    let (json, chain) = ("application/json", "application/pem-certificate-chain; charset=utf-8");
    for (size, media, limit) in [
        (JSON_LIMIT, json, None),
        (JSON_LIMIT + 1, json, Some(JSON_LIMIT)),
        (JSON_LIMIT + 1, chain, None),
        (CHAIN_LIMIT + 1, chain, Some(CHAIN_LIMIT)),
    ] {
        let scene = scene(&[Does::Answers(of(size, media))]).await;
        match (scene.get("/").await, limit) {
            (Ok(answer), None) => assert_eq!(answer.body.len(), size),
            (Err(TransportError::TooLarge { limit, .. }), Some(expected)) => assert_eq!(limit, expected),
            (outcome, _) => panic!("{size} of {media}: {outcome:?}"),
        }
    }
    let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "x".repeat(100_000));
    let scene = scene(&[Does::Begins(endless)]).await;
    assert!(matches!(scene.get("/").await, Err(TransportError::Broken { .. })));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let moved = "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let scene = scene(&[Does::Answers(moved.to_owned())]).await;
    assert_eq!(scene.post("{}").await.unwrap().status, 307);
    assert_eq!(scene.seen().len(), 1);
}

#[tokio::test]
async fn a_busy_cas_page_keeps_its_status_and_its_wait() {
    for (field, expected) in [
        ("Retry-After: 120\r\n".to_owned(), Some(Duration::from_secs(120))),
        (
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: Sun, 06 Nov 1994 08:50:37 GMT\r\n".to_owned(),
            Some(Duration::from_secs(60)),
        ),
        (String::new(), None),
    ] {
        let page = format!("HTTP/1.1 503 Busy\r\nContent-Type: text/html\r\n{field}Content-Length: 6\r\n\r\n<html>");
        let scene = scene(&[Does::Answers(page)]).await;
        let answer = scene.get("/").await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.retry_after), (503, expected), "{field}");
    }
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_noticed() {
    let scene = scene(&[Does::Answers(ok("")), Does::Answers(dated("Sun, 06 Nov 1994 08:49:37 GMT"))]).await;
    scene.get("/").await.unwrap();
    assert_eq!(scene.transport.skew(), None);
    scene.get("/").await.unwrap();
    assert!(scene.transport.skew().unwrap() > 365 * 86_400);
}

fn dated(date: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n")
}

#[tokio::test]
async fn only_the_named_root_is_trusted() {
    let scene = scene_with(&[Does::Answers(ok(""))], |_| TestCa::default().root_pem()).await;
    let error = scene.get("/").await.unwrap_err();
    assert!(matches!(error, TransportError::Tls { .. }), "{error}");
    assert!(scene.seen().is_empty());
    let scene = scene_with(&[], |_| "no roots".to_owned()).await;
    assert!(matches!(scene.get("/").await, Err(TransportError::Roots(_))));
}

#[tokio::test]
async fn nothing_goes_out_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let transport = transport(dir.path(), None);
    for url in ["http://127.0.0.1:1/", "/directory", "ftp://127.0.0.1/"] {
        let request = Request::get(url).body(Bytes::new()).unwrap();
        let error = transport.exchange(request).await.unwrap_err();
        assert!(matches!(error, TransportError::Url(_)), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_connection_is_used_again_while_it_is_open() {
    let scene = scene(&[Does::Answers(ok("1")), Does::AnswersAndCloses(ok("2")), Does::Answers(ok("3"))]).await;
    for (expected, connections) in [("1", 1), ("2", 1), ("3", 2)] {
        assert_eq!(scene.get("/").await.unwrap().body, expected);
        assert_eq!(scene.connections(), connections);
    }
}

#[tokio::test]
async fn what_may_have_arrived_is_not_sent_twice() {
    let scene = scene(&[Does::Answers(ok("1")), Does::Closes, Does::Answers(ok("3"))]).await;
    scene.get("/").await.unwrap();
    let error = scene.post("{\"new\": 1}").await.unwrap_err();
    assert!(matches!(error, TransportError::Broken { .. }), "{error}");
    assert_eq!(scene.seen().iter().filter(|request| request.starts_with("post")).count(), 1);
    assert_eq!(scene.get("/").await.unwrap().body, "3");
}
