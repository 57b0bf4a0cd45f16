//! A challenge over HTTP is open: who gets its answer, by which spelling of its path, and what reaches a site meanwhile. The
//! CA's look goes to an origin that never answers: so the challenge stays open, and the test knows its token.

use http::Uri;
use rustix::process::geteuid;
use tokio::net::TcpStream;
use vestibule_testkit::{
    Connection, Protocol, ScriptedOrigin, SimulatedRig, Site, Step,
    client::{Trust, no_body},
    origin::always,
};

use super::{ANN, BOB, drop_as, exchange, renew_watched_by, targets};

const ANNS: &str = "shop.example.net";
const BOBS: &str = "x.example.net";
const FOLDER: &str = "/.well-known/acme-challenge";

/// Ann's shop, whose certificate is being renewed, and Bob, who holds the wildcard around it and a route on the challenges.
struct Scene {
    rig: SimulatedRig,
    anns: ScriptedOrigin,
    bobs: ScriptedOrigin,
    token: String,
    _validator: ScriptedOrigin,
}

impl Scene {
    async fn set() -> Self {
        let (anns, bobs) = (ScriptedOrigin::start(always("ann")).await, ScriptedOrigin::start(always("bob")).await);
        let validator = ScriptedOrigin::start(vec![Step::ReadHead, Step::Await]).await;
        // Nobody gets a wildcard over another's name but by the operator's hand. The backends are processes of this test.
        let tenants = [
            format!("default: {{owners: [{}]}}", geteuid().as_raw()),
            format!("{ANN}: {{hosts: [{ANNS}]}}"),
            format!("{BOB}: {{hosts: [\"*.example.net\"]}}"),
        ];
        let delegated = format!("tenants:\n  {}", tenants.join("\n  "));
        let rig = SimulatedRig::builder().gateway(|gateway| gateway.settings(&delegated));
        let rig = rig.line("challenges: [http-01]").start().await;
        let shop = Site::new(ANNS).upstream(&anns).line("redirect_to_https: false");
        drop_as(&rig, ANN, "ann.yaml", &shop);
        rig.served(ANNS, "ann").await;
        let greedy = Site::new("*.example.net").upstream(&bobs).line("redirect_to_https: false\ntls: internal");
        let greedy = greedy.line(&format!("routes:\n  {FOLDER}: {{upstream: \"{bobs}\"}}"));
        drop_as(&rig, BOB, "bob.yaml", &greedy);
        rig.gateway.wait_live(BOBS).await;
        renew_watched_by(&rig, ANNS, &validator);
        let look = validator.received_with(FOLDER).await;
        let token = look.split_once(&format!("{FOLDER}/")).unwrap().1.split_once(' ').unwrap().0.to_owned();
        assert!(look.contains(&format!("host: {ANNS}")), "{look}");
        Self { rig, anns, bobs, token, _validator: validator }
    }

    async fn clear(&self, host: &str, target: &str) -> String {
        let mut stream = TcpStream::connect(self.rig.gateway.http()).await.unwrap();
        exchange(&mut stream, &get(host, target)).await
    }

    async fn secure(&self, trust: &Trust, sni: &str, host: &str, target: &str) -> String {
        let mut stream = trust.connect(self.rig.gateway.https(), sni, &[b"http/1.1"]).await.unwrap();
        exchange(&mut stream, &get(host, target)).await
    }

    /// The key authorization, or what the gateway says instead.
    fn is_given(&self, answer: &str) -> bool {
        answer.contains(&format!("{}.", self.token))
    }

    /// Whatever spelling came through to a site is none of the folder's.
    fn assert_nothing_leaked(&self) {
        for origin in [&self.anns, &self.bobs] {
            for target in targets(origin) {
                let read = most_generous(&target);
                assert!(read != FOLDER && !read.starts_with(&format!("{FOLDER}/")), "{target} reached a site");
            }
        }
    }
}

fn get(host: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

/// As a backend would read a target that decodes everything, and walks dots, double slashes and backslashes.
fn most_generous(target: &str) -> String {
    let path = target.split(['?', '#']).next().unwrap_or_default();
    let mut walked: Vec<String> = Vec::new();
    for segment in decoded(path).split(['/', '\\']) {
        match segment {
            "" | "." => {}
            ".." => drop(walked.pop()),
            other => walked.push(other.to_owned()),
        }
    }
    format!("/{}", walked.join("/"))
}

fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut decoded = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        match piece.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                decoded.push(char::from(byte));
                decoded.push_str(&piece[2..]);
            }
            None => decoded.extend(['%'].into_iter().chain(piece.chars())),
        }
    }
    decoded
}

/// Spellings that a careless reader takes for the folder, or that lead out of it; `TOKEN` stands for the token.
const TRICKS: &[&str] = &[
    "/.well-known/acme-challenge/./TOKEN",
    "/.well-known/acme-challenge/x/../TOKEN",
    "/.well-known/acme-challenge//TOKEN",
    "//.well-known/acme-challenge/TOKEN",
    "/.well-known//acme-challenge/TOKEN",
    "/./.well-known/acme-challenge/TOKEN",
    "/x/../.well-known/acme-challenge/TOKEN",
    "/x/%2e%2e/.well-known/acme-challenge/TOKEN",
    "/%2e%2e/.well-known/acme-challenge/TOKEN",
    "/../../.well-known/acme-challenge/TOKEN",
    "/%2ewell-known/acme-challenge/TOKEN",
    "/.well-known/%61cme-challenge/TOKEN",
    "/.well-known%2Facme-challenge/TOKEN",
    "/.well-known/acme-challenge%2FTOKEN",
    "/.well-known/acme-challenge%5CTOKEN",
    "/.well-known\\acme-challenge\\TOKEN",
    "/.well-known/acme-challenge/TOKEN/",
    "/.well-known/acme-challenge/TOKEN/x",
    "/.well-known/acme-challenge/TOKEN?x=y",
    "/.well-known/acme-challenge/TOKEN?",
    "/.well-known/acme-challenge/TOKEN;x=y",
    "/.well-known/acme-challenge;x/TOKEN",
    "/.well-known;x/acme-challenge/TOKEN",
    "/.well-known/acme-challenge/TOKEN%00",
    "/.well-known/acme-challenge/TOKEN%20",
    "/.well-known/acme-challenge/TOKEN.txt",
    "/.well-known/acme-challenge/%2e%2e/%2e%2e/TOKEN",
    "/.well-known/acme-challenge/../acme-challenge/TOKEN",
    "/.well-known/acme-challenge/../../TOKEN",
    "/.WELL-KNOWN/acme-challenge/TOKEN",
    "/.well-known/ACME-CHALLENGE/TOKEN",
    "/.well-known/acme-challenges/TOKEN",
    "/.well-known/acme-challenge",
    "/.well-known/acme-challenge/",
    "/.well-known/%252e%252e/.well-known/acme-challenge/TOKEN",
    "/%252ewell-known/acme-challenge/TOKEN",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_host_and_one_spelling_get_the_answer_and_no_site_sees_the_question() {
    let scene = Scene::set().await;
    let literal = format!("{FOLDER}/{}", scene.token);
    let absolute = format!("http://{ANNS}{literal}");
    for target in [&literal, &absolute] {
        let answer = scene.clear(ANNS, target).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && scene.is_given(&answer), "{target}: {answer}");
    }
    let (public, local) = (scene.rig.trust().clone(), scene.rig.gateway.trust().clone());
    assert!(scene.is_given(&scene.secure(&public, ANNS, ANNS, &literal).await));
    // The wildcard around it, a name that nobody has, an address, another site's handshake.
    for host in [BOBS, "y.x.example.net", "nobody.example.org", "127.0.0.1", "shop.example.net.evil.example"] {
        assert!(!scene.is_given(&scene.clear(host, &literal).await), "{host}");
        assert!(!scene.is_given(&scene.clear(host, &format!("http://{host}{literal}")).await), "{host}");
    }
    assert!(!scene.is_given(&scene.secure(&local, BOBS, BOBS, &literal).await));
    assert!(!scene.is_given(&scene.secure(&local, BOBS, ANNS, &literal).await), "by another site's handshake");
    for trick in TRICKS {
        let target = trick.replace("TOKEN", &scene.token);
        for answer in [
            scene.clear(ANNS, &target).await,
            scene.clear(BOBS, &target).await,
            scene.clear(ANNS, &format!("http://{ANNS}{target}")).await,
            scene.secure(&public, ANNS, ANNS, &target).await,
            scene.secure(&local, BOBS, BOBS, &target).await,
        ] {
            assert!(answer.starts_with("HTTP/1.1 "), "{target}: no answer");
            assert!(!scene.is_given(&answer), "{target}: {answer}");
        }
    }
    scene.assert_nothing_leaked();
    // Sites went on meanwhile, and the literal form still works: it was open all the time.
    assert!(scene.clear(ANNS, "/").await.ends_with("ann") && scene.clear(BOBS, "/").await.ends_with("bob"));
    assert!(scene.is_given(&scene.clear(ANNS, &literal).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_knows_no_other_spelling_either() {
    let scene = Scene::set().await;
    let gateway = scene.rig.gateway.https();
    let mut connection = Connection::secure(scene.rig.trust(), gateway, ANNS, Protocol::Http2).await.unwrap();
    let literal = format!("{FOLDER}/{}", scene.token);
    assert!(scene.is_given(&connection.get(&literal).await.unwrap().text()));
    let stolen = connection.request_for(BOBS, &literal).body(no_body()).unwrap();
    assert_eq!(connection.answer(stolen).await.unwrap().status, 421);
    let tricks = TRICKS.iter().map(|trick| trick.replace("TOKEN", &scene.token));
    // What the client itself cannot write, it cannot send.
    for target in tricks.filter(|target| Uri::try_from(format!("https://{ANNS}{target}")).is_ok()) {
        let answer = connection.get(&target).await.unwrap();
        assert!(!scene.is_given(&answer.text()), "{target}");
    }
    let mut bobs = Connection::secure(scene.rig.gateway.trust(), gateway, BOBS, Protocol::Http2).await.unwrap();
    assert!(!scene.is_given(&bobs.get(&literal).await.unwrap().text()));
    scene.assert_nothing_leaked();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_are_not_guessed_and_a_tenants_route_is_told() {
    let scene = Scene::set().await;
    let token = &scene.token;
    let flipped: String = token.chars().rev().collect();
    let mut guesses = vec![flipped, token.to_lowercase(), token.to_uppercase(), format!("{token}A"), "*".to_owned()];
    guesses.extend((1..token.len()).map(|length| token[..length].to_owned()));
    guesses.push("A".repeat(8000));
    for guess in guesses.iter().filter(|guess| *guess != token) {
        let answer = scene.clear(ANNS, &format!("{FOLDER}/{guess}")).await;
        assert!(!answer.starts_with("HTTP/1.1 200") && !answer.contains(&format!("{guess}.")), "{guess}: {answer}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        let request = get(ANNS, &format!("{FOLDER}/{token}")).replacen("GET", method, 1);
        let mut stream = TcpStream::connect(scene.rig.gateway.http()).await.unwrap();
        let answer = exchange(&mut stream, &request).await;
        assert!(answer.starts_with("HTTP/1.1 4") && !scene.is_given(&answer), "{method}: {answer}");
    }
    scene.assert_nothing_leaked();
    let row = scene.rig.gateway.row("bob.yaml").await.unwrap();
    let codes: Vec<_> = row["reports"].as_array().unwrap().iter().map(|report| report["code"].clone()).collect();
    assert!(codes.contains(&"V0508".into()), "{row}");
}
