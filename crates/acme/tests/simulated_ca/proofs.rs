//! Challenges looked at for real, and what scripts make of them.

use std::net::SocketAddr;

use instant_acme::{ChallengeType, KeyAuthorization, Order, OrderStatus};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use vestibule_testkit::{
    ChallTestServer,
    backend::Refusing,
    ca::{Outcome, SimulatedCa, Validation},
};

use super::{QUICK, account, failure, order, prove, why};

/// Serves that body to every request, as often as asked.
async fn web(body: String) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let _ = stream.read(&mut head).await;
            let length = body.len();
            let _ =
                stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}").as_bytes()).await;
        }
    });
    address
}

fn refusing() -> (Refusing, SocketAddr) {
    let refusing = Refusing::bind();
    let address = refusing.to_string().parse().unwrap();
    (refusing, address)
}

/// Says "ready" for the only name, after looking at what has to be shown.
async fn ready(order: &mut Order, kind: ChallengeType, show: impl AsyncFnOnce(KeyAuthorization)) {
    let mut authorizations = order.authorizations();
    let mut authorization = authorizations.next().await.unwrap().unwrap();
    let mut challenge = authorization.challenge(kind).unwrap();
    show(challenge.key_authorization()).await;
    challenge.set_ready().await.unwrap();
}

#[tokio::test]
async fn http_01_is_fetched() {
    let ca = SimulatedCa::start().await;
    let (account, _) = account(&ca).await;
    let (_nobody, nowhere) = refusing();
    let look = |http| ca.validate(Validation::Real { http, tls: nowhere, dns: None });
    let mut good = order(&account, &["a.test"]).await.unwrap();
    ready(&mut good, ChallengeType::Http01, async |key| look(web(key.as_str().to_owned()).await)).await;
    assert_eq!(good.poll_ready(&QUICK).await.unwrap(), OrderStatus::Ready);

    let mut wrong = order(&account, &["b.test"]).await.unwrap();
    ready(&mut wrong, ChallengeType::Http01, async |_| look(web("a blog".to_owned()).await)).await;
    assert_eq!(wrong.poll_ready(&QUICK).await.unwrap(), OrderStatus::Invalid);
    assert_eq!(why(&mut wrong).await, "unauthorized");

    look(nowhere);
    let mut nobody = order(&account, &["c.test"]).await.unwrap();
    assert_eq!(failure(&mut nobody, ChallengeType::Http01).await, "connection");
}

#[tokio::test]
async fn dns_01_is_looked_up() {
    let (ca, names) = (SimulatedCa::start().await, ChallTestServer::start().await);
    let (account, _) = account(&ca).await;
    let (_nobody, nowhere) = refusing();
    ca.validate(Validation::Real { http: nowhere, tls: nowhere, dns: Some(names.dns()) });

    let mut wildcard = order(&account, &["*.a.test"]).await.unwrap();
    let show = async |key: KeyAuthorization| names.set_txt("_acme-challenge.a.test", &key.dns_value()).await;
    ready(&mut wildcard, ChallengeType::Dns01, show).await;
    assert_eq!(wildcard.poll_ready(&QUICK).await.unwrap(), OrderStatus::Ready);

    let mut table = order(&account, &["b.test"]).await.unwrap();
    let show = async |key: KeyAuthorization| ca.set_txt("_acme-challenge.b.test", &key.dns_value());
    ready(&mut table, ChallengeType::Dns01, show).await;
    assert_eq!(table.poll_ready(&QUICK).await.unwrap(), OrderStatus::Ready);
    ca.clear_txt("_acme-challenge.b.test");

    names.set_txt("_acme-challenge.c.test", "of another time").await;
    let mut stale = order(&account, &["c.test"]).await.unwrap();
    assert_eq!(failure(&mut stale, ChallengeType::Dns01).await, "unauthorized");
    names.servfail("_acme-challenge.d.test").await;
    let mut broken = order(&account, &["d.test"]).await.unwrap();
    assert_eq!(failure(&mut broken, ChallengeType::Dns01).await, "dns");
}

#[tokio::test]
async fn a_script_decides() {
    let ca = SimulatedCa::start().await;
    let (account, _) = account(&ca).await;
    for (outcome, error) in [
        (Outcome::Dns, "dns"),
        (Outcome::Connection, "connection"),
        (Outcome::Tls, "tls"),
        (Outcome::Unauthorized, "unauthorized"),
        (Outcome::Caa, "caa"),
    ] {
        // A name each: failures add up.
        let name = format!("{error}.test");
        ca.script(&name, &[outcome, Outcome::Valid]);
        let mut failed = order(&account, &[&name]).await.unwrap();
        assert_eq!(failure(&mut failed, ChallengeType::Http01).await, error);
        let mut passed = order(&account, &[&name]).await.unwrap();
        assert_eq!(prove(&mut passed, ChallengeType::Http01).await.unwrap(), OrderStatus::Ready);
    }
}
