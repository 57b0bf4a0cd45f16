//! DNS-01 by acme-dns, against an HTTP server in the test that speaks its interface.

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use vestibule_acme::{FailureKind, config::DnsProvider, dns::Way};
use vestibule_names::TenantId;

use crate::{Scene, host};

const OPERATOR: TenantId = TenantId::OPERATOR;
const TARGET: &str = "d420c923.auth.example.net";
const AT: &str = "_acme-challenge.blog.example.com";

/// What one request was: its head in lower case, and its body.
type Requests = Arc<Mutex<Vec<(String, String)>>>;

/// Answers every connection with the same bytes, after it has read a request.
struct Service {
    url: String,
    requests: Requests,
    task: JoinHandle<()>,
}

impl Service {
    async fn answering(answer: Vec<u8>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Requests::default();
        let kept = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                serve(stream, &kept, &answer).await;
            }
        });
        Self { url, requests, task }
    }

    async fn saying(status: &str, body: &str) -> Self {
        Self::answering(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into()).await
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, requests: &Requests, answer: &[u8]) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                requests.lock().unwrap().push((head, body.to_owned()));
                break;
            }
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    // The other side may have read enough before all is written.
    let _ = stream.write_all(answer).await;
}

fn account() -> Value {
    json!({"username": "u-1", "password": "p-1", "fulldomain": TARGET, "subdomain": "d420c923", "allowfrom": []})
}

impl Scene {
    fn acme_dns(&self, url: &str, credentials: &Value) -> DnsProvider {
        let path = self.folder.path().join("credentials.json");
        std::fs::write(&path, credentials.to_string()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        DnsProvider::AcmeDns { server: url.to_owned(), credentials_file: path }
    }

    async fn fails(&self, provider: &DnsProvider, whose: TenantId) -> (FailureKind, String) {
        let failure =
            self.dns.present(Way::own(provider, whose), &host("blog.example.com"), "VALUE").await.unwrap_err();
        (failure.kind, failure.sentence)
    }
}

#[tokio::test]
async fn a_value_is_set_with_the_account_of_the_name() {
    for credentials in [account(), json!({"other.example.com": {}, "blog.example.com": account()})] {
        let credentials = match credentials {
            // An account for another name is not looked at, but must be one.
            Value::Object(mut each) if each.contains_key("other.example.com") => {
                let mut other = account();
                other["username"] = "u-2".into();
                each.insert("other.example.com".to_owned(), other);
                Value::Object(each)
            }
            one => one,
        };
        let scene = Scene::new().await;
        let service = Service::saying("200 OK", "{\"txt\": \"VALUE\"}").await;
        scene.server.zone("example.com").zone("auth.example.net").alias(AT, TARGET).add_text(TARGET, "VALUE");
        let provider = scene.acme_dns(&format!("{}/", service.url), &credentials);
        let presented =
            scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap();
        scene.dns.withdraw(presented).await;
        let requests = service.requests.lock().unwrap().clone();
        let [(head, body)] = &requests[..] else { panic!("one request was expected: {requests:?}") };
        assert!(head.starts_with("post /update http/1.1\r\n"), "{head}");
        for line in ["x-api-user: u-1", "x-api-key: p-1", "content-type: application/json"] {
            assert!(head.lines().any(|found| found == line), "{line} in {head}");
        }
        assert_eq!(body, "{\"subdomain\":\"d420c923\",\"txt\":\"VALUE\"}");
    }
}

#[tokio::test]
async fn without_the_right_alias_it_says_which_record_to_set() {
    let scene = Scene::new().await;
    let service = Service::saying("200 OK", "{}").await;
    let provider = scene.acme_dns(&service.url, &account());
    let line = format!("set `{AT}. CNAME {TARGET}.`");
    let (kind, sentence) = scene.fails(&provider, OPERATOR).await;
    assert_eq!(kind, FailureKind::ValidationDns);
    assert!(sentence.contains("and there is none") && sentence.ends_with(&line), "{sentence}");
    let scene = Scene::new().await;
    scene.server.alias(AT, "elsewhere.example.net");
    let (_, sentence) = scene.fails(&scene.acme_dns(&service.url, &account()), OPERATOR).await;
    assert!(sentence.contains("leads to elsewhere.example.net") && sentence.ends_with(&line), "{sentence}");
    assert!(service.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_the_service_says_is_shown_in_part() {
    let huge = format!("HTTP/1.1 400 Bad Request\r\n\r\n\x1b[31m{}", "x".repeat(1 << 20));
    let cases: [(Vec<u8>, FailureKind, &str); 5] = [
        (
            b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 9\r\n\r\nforbidden".into(),
            FailureKind::Configuration,
            "(401 Unauthorized): forbidden",
        ),
        (huge.into(), FailureKind::Configuration, "(400 Bad Request): \u{fffd}[31mxxx"),
        (
            b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n".into(),
            FailureKind::Configuration,
            "(302 Found)",
        ),
        (b"garbage\r\n\r\n".into(), FailureKind::ValidationDns, "cannot be asked: it breaks off"),
        (Vec::new(), FailureKind::ValidationDns, "cannot be asked: it breaks off"),
    ];
    for (answer, expected, words) in cases {
        let scene = Scene::new().await;
        scene.server.alias(AT, TARGET);
        let service = Service::answering(answer).await;
        let (kind, sentence) = scene.fails(&scene.acme_dns(&service.url, &account()), OPERATOR).await;
        assert_eq!(kind, expected, "{sentence}");
        assert!(sentence.contains(words) && sentence.chars().count() < 600, "{words}: {sentence}");
    }
}

#[tokio::test]
async fn accounts_that_cannot_be_used_are_said_without_their_secrets() {
    let scene = Scene::new().await;
    scene.server.alias(AT, TARGET);
    for (credentials, expected) in [
        (json!({"username": "hush", "password": 1}), "holds no acme-dns account"),
        (json!(["hush"]), "holds no acme-dns account"),
        (json!({"other.example.com": account()}), "has no acme-dns account for blog.example.com"),
    ] {
        let (kind, sentence) = scene.fails(&scene.acme_dns("http://127.0.0.1:1", &credentials), OPERATOR).await;
        assert_eq!(kind, FailureKind::Configuration);
        assert!(sentence.contains(expected) && !sentence.contains("hush"), "{sentence}");
    }
}

#[tokio::test]
async fn secrets_go_in_clear_only_within_this_machine() {
    let scene = Scene::new().await;
    scene.server.alias(AT, TARGET).address_of("far.example.net", "192.0.2.1");
    for (url, expected) in [
        ("http://192.0.2.1", "http is for servers on this machine only"),
        ("http://far.example.net", "http is for servers on this machine only"),
        ("ftp://127.0.0.1", "must be an https URL"),
        ("127.0.0.1", "is no URL"),
        ("http://[", "is no URL"),
    ] {
        let (_, sentence) = scene.fails(&scene.acme_dns(url, &account()), OPERATOR).await;
        assert!(sentence.contains(expected), "{url}: {sentence}");
    }
}

#[tokio::test]
async fn a_tenant_does_not_lead_us_inside() {
    let scene = Scene::new().await;
    scene.server.alias(AT, TARGET).address_of("inside.example.net", "10.0.0.1").address_of("inside.example.net", "::1");
    let provider = scene.acme_dns("https://unused.example.net", &account());
    let DnsProvider::AcmeDns { credentials_file, .. } = provider else { unreachable!() };
    let tenant = TenantId(rustix::process::geteuid().as_raw() + 4242);
    // A root gateway can give the file away; another one serves nobody but its own user, whose reach has no bounds.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&credentials_file, Some(tenant.0), None).unwrap();
    }
    let at = |server: &str| DnsProvider::AcmeDns {
        server: server.to_owned(),
        credentials_file: PathBuf::from(&credentials_file),
    };
    for (url, expected) in [
        ("http://127.0.0.1", "must be an https URL"),
        ("https://auth.example.net:8443", "only servers at port 443"),
        ("https://127.0.0.1", "is not on the Internet"),
        ("https://[::ffff:169.254.169.254]", "is not on the Internet"),
        ("https://inside.example.net", "is not on the Internet"),
    ] {
        let (_, sentence) = scene.fails(&at(url), tenant).await;
        let is_read = rustix::process::geteuid().is_root() || !expected.contains("Internet");
        let expected = if is_read { expected } else { "it is not a file of uid" };
        assert!(sentence.contains(expected), "{url}: {sentence}");
    }
}
