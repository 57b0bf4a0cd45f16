//! Single connections, without a gateway around them: what a backend can do to one under TLS.

use std::{
    future::{Future, poll_fn},
    rc::Rc,
    task::Poll,
    time::Duration,
};

use http::Request;
use tokio::{
    io::AsyncWriteExt,
    net::UnixStream,
    time::{Instant, pause, sleep, timeout},
};
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    rustls::{ServerConfig, pki_types::ServerName, server::ServerSessionMemoryCache},
    server::TlsStream,
};
use vestibule_certs::{CertificateRequest, IdentityRequest, Vault};
use vestibule_h1::AnswerTo;
use vestibule_names::{HostPattern, SiteId, TenantId};

use super::rig::{run, spawn};
use crate::{
    ForwardError, UpstreamBudget,
    account::free,
    deadlines::Deadlines,
    law::Behind,
    link::{Link, OpenMark, Outbound},
    stream::{End, Socket, Stream},
    upload::{Length, Upload},
};

type Peer = TlsStream<UnixStream>;

fn socket(end: UnixStream) -> Socket {
    Socket::new(End::Unix(end), UpstreamBudget::default().take(&free()).unwrap())
}

/// A connection under TLS whose other end sends so many tickets first, and that end, which is done when they are written.
async fn tls(tickets: usize) -> (Stream, impl Future<Output = Peer>) {
    let dir = tempfile::tempdir().unwrap();
    let vault = Vault::open(&dir.path().join("vault")).unwrap();
    let roots = dir.path().join("roots.pem");
    std::fs::write(&roots, vault.root_pem()).unwrap();
    let request = IdentityRequest {
        certificate: CertificateRequest {
            site: SiteId::new("a.yaml"),
            tenant: TenantId::OPERATOR,
            hosts: vec![HostPattern::parse("backend.test").unwrap()].into(),
            origin: vestibule_certs::Origin::LocalCa,
        },
        client_ca: None,
    };
    let offer = vault.prepare(&request).unwrap().identity.offer_for("backend.test").unwrap();
    let mut config = ServerConfig::clone(&offer.config);
    config.send_tls13_tickets = tickets;
    config.session_storage = ServerSessionMemoryCache::new(16);
    let (ours, theirs) = UnixStream::pair().unwrap();
    let accepting = tokio::task::spawn_local(async move {
        let mut peer = TlsAcceptor::from(std::sync::Arc::new(config)).accept(theirs).await.unwrap();
        peer.flush().await.unwrap();
        peer
    });
    let connector = TlsConnector::from(vault.client_config(Some(&roots)).unwrap());
    let stream = connector.connect(ServerName::try_from("backend.test").unwrap(), socket(ours)).await.unwrap();
    (Stream::Tls(Box::new(stream)), async move { accepting.await.unwrap() })
}

/// Once the runtime has had time to see what has come.
async fn is_silent(stream: &mut Stream) -> bool {
    sleep(Duration::from_millis(50)).await;
    poll_fn(|cx| Poll::Ready(stream.is_silent(cx))).await
}

#[test]
fn tickets_on_an_idle_connection_are_silence_and_a_flood_of_them_is_not() {
    run(async {
        let (mut stream, peer) = tls(2).await;
        let mut peer = peer.await;
        assert!(is_silent(&mut stream).await);
        assert!(is_silent(&mut stream).await);
        peer.write_all(b"H").await.unwrap();
        peer.flush().await.unwrap();
        assert!(!is_silent(&mut stream).await);
        // Nothing but tickets, and more of them than anybody wants to read in one go.
        let (mut stream, _peer) = tls(400).await;
        assert!(!is_silent(&mut stream).await);
    });
}

/// What is certain of a clear connection is not under TLS, where a part may have got through before a write fails: only
/// there may a request of any method be sent again.
#[test]
fn a_failed_write_leaves_a_request_untouched_on_a_clear_connection_only() {
    run(async {
        let head = Request::post("/").header("host", "a.test").body(()).unwrap().into_parts().0;
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let (tls, peer) = tls(0).await;
        drop(peer.await);
        for (mut stream, is_begun) in [(Stream::Clear(socket(ours)), false), (tls, true)] {
            let mut request = Outbound::new(&head, &Behind::nothing(), Upload::none(), Length::None);
            let sent = poll_fn(|cx| Poll::Ready(request.poll_send(&mut stream, cx))).await;
            assert!(!matches!(sent, Poll::Ready(Err(_))), "its answer may be there nevertheless");
            assert!(!request.is_sent());
            assert_eq!(request.is_begun(), is_begun);
        }
    });
}

/// Each answer has a time of its own, whatever its connection has waited for before; a connection that is gone is not looked
/// at.
#[test]
fn an_answer_is_late_by_its_own_time_and_not_by_another_s() {
    const SHORT: Duration = Duration::from_millis(60);
    const LONG: Duration = Duration::from_secs(3600);
    run(async {
        pause(); // time passes when everybody waits
        let deadlines = Deadlines::new(spawn(&Rc::new(())));
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let link = Link::new(Stream::Clear(socket(ours)), OpenMark::new(&Rc::default()), &deadlines);
        let head = Request::get("/").header("host", "a.test").body(()).unwrap().into_parts().0;
        let ask = |limit| {
            let mut request = Outbound::new(&head, &Behind::nothing(), Upload::none(), Length::None);
            link.begin(&mut request, AnswerTo::Other, 1024, (Instant::now(), limit));
            poll_fn(|cx| link.poll_answer(cx))
        };
        // The longer wait comes first, the shorter one before its look, and the last after the look of the one before.
        for limit in [LONG, SHORT, SHORT] {
            let answering = async {
                sleep(SHORT / 2).await;
                theirs.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
            };
            let (answer, ()) = tokio::join!(ask(limit), answering);
            assert_eq!(answer.unwrap().response.status(), 204);
            assert!(link.end());
            assert_eq!(deadlines.looks(), 1);
        }
        for _ in 0..2 {
            sleep(SHORT / 4).await;
            let asked = Instant::now();
            assert!(matches!(ask(SHORT).await, Err(ForwardError::ResponseTimeout)));
            assert!(asked.elapsed() >= SHORT);
        }
        drop(ask(LONG));
        assert_eq!(deadlines.looks(), 0, "nobody has waited yet");
        assert!(timeout(SHORT, ask(LONG)).await.is_err());
        assert_eq!(deadlines.looks(), 1);
        drop(link);
        assert_eq!(deadlines.looks(), 0);
    });
}
