//! The connection walk: preface → challenge of a CA → site → tenant's budget → first certificate → TLS → serve. Step by
//! step in [`walk`]; the permit and the tenant's place are held to the end.

use std::{io, rc::Rc, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use vestibule_certs::Shows;
use vestibule_listener::{Accepted, Protocol};
use vestibule_names::HostRef;
use vestibule_preface::{self as preface, ClientHello, Preface, PrefaceError, Progress};
use vestibule_proxy::{Rewound, Scheme};
use vestibule_tls::{Refused, TlsStream};

use crate::{
    admission,
    config::WithoutCertificate,
    fault::chain,
    first_certificate,
    live::LiveSite,
    outcome::{Ended, Outcome},
    request::{ConnectionFacts, Handshake, Held},
    serve::{Codec, Serving, serve},
    tenant::Seat,
    visitor,
    worker::Worker,
};

/// First read: most ClientHellos with a post-quantum key share fit.
const PREFACE_BUFFER: usize = 2048;
/// TLS alerts (RFC 8446 section 6).
const UNRECOGNIZED_NAME: u8 = 112;
const INTERNAL_ERROR: u8 = 80;
const NO_APPLICATION_PROTOCOL: u8 = 120;
/// What a CA's challenge offers, alone (RFC 8737 section 4).
const ACME_TLS: &[u8] = b"acme-tls/1";
/// What a client gets that speaks TLS to the clear port, or something else altogether.
const NOT_HTTP: &[u8] =
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 58\r\n\
Connection: close\r\n\r\nThis port speaks clear HTTP/1.1 and HTTP/2, nothing else.\n";
/// What a client gets that speaks clear HTTP to the TLS port.
const NOT_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 59\r\n\
Connection: close\r\n\r\nThis port speaks HTTPS: write https:// instead of http://.\n";
/// As much of what a refused client says is heard out.
const HEARD_LIMIT: u64 = 64 * 1024;
/// How long the last words to a refused client may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Walks one accepted connection to its end. No `async fn`, which would keep room for what it was called with: beside every
/// idle connection there is such a walk.
pub(crate) fn walk(worker: Rc<Worker>, accepted: Accepted) -> impl Future<Output = Ended> {
    // Boxed: what a handshake needs is not kept for as long as the connection is served.
    let beginning = Box::pin(begin(worker, accepted));
    async move {
        let serving = match beginning.await {
            Ok(serving) => serving,
            Err(ended) => return ended,
        };
        serving.await
    }
}

/// Everything before the first request.
async fn begin(worker: Rc<Worker>, accepted: Accepted) -> Result<Serving, Ended> {
    let Accepted { stream, client, local, protocol, permit } = accepted;
    let limit = worker.config().timeouts.handshake;
    let facts = ConnectionFacts { client, local, scheme: Scheme::Http, handshake: None };
    match protocol {
        Protocol::Http => {
            let begun = timeout(limit, clear(stream)).await;
            let (stream, codec) = begun.map_err(|_| Outcome::HandshakeTimeout)??;
            Ok(serve(worker, stream, codec, facts, Held { permit, seat: None }))
        }
        Protocol::Https => {
            let begun = timeout(limit, secure(&worker, stream, &facts)).await;
            let Secured { stream, handshake, seat } = begun.map_err(|_| Outcome::HandshakeTimeout)??;
            let codec = codec_of(&stream);
            let facts = ConnectionFacts { scheme: Scheme::Https, handshake: Some(handshake), ..facts };
            Ok(serve(worker, stream, codec, facts, Held { permit, seat: Some(seat) }))
        }
    }
}

/// Step 1 on a clear port: is it HTTP at all, and which?
async fn clear(mut stream: TcpStream) -> Result<(Rewound<TcpStream>, Codec), Ended> {
    match first_bytes(&mut stream, preface::read_clear).await {
        Ok((bytes, Preface::Http1)) => Ok((Rewound::new(bytes, stream), Codec::Http1)),
        Ok((bytes, Preface::Http2)) => Ok((Rewound::new(bytes, stream), Codec::Http2)),
        Ok((_, Preface::Tls(_))) => {
            last_words(stream, NOT_HTTP).await;
            Err(Outcome::TlsOnClearPort.into())
        }
        Err(FirstBytes::Gone) => Err(Outcome::Closed.into()),
        Err(FirstBytes::Refused(error)) => {
            last_words(stream, NOT_HTTP).await;
            Err(Outcome::HandshakeFailed.because(error))
        }
    }
}

/// A finished handshake and whom it was for.
struct Secured {
    stream: TlsStream<TcpStream>,
    handshake: Handshake,
    seat: Seat,
}

/// Steps 1 to 6 on a TLS port: ClientHello, challenge, site, tenant's budget, certificate, handshake with that site's configuration.
async fn secure(worker: &Worker, mut stream: TcpStream, facts: &ConnectionFacts) -> Result<Secured, Ended> {
    let (bytes, hello) = match first_bytes(&mut stream, preface::read_tls).await {
        Ok((bytes, Preface::Tls(hello))) => (bytes, hello),
        Err(FirstBytes::Gone) => return Err(Outcome::Closed.into()),
        Ok(_) => return Err(Outcome::HandshakeFailed.into()), // `read_tls` knows nothing else
        Err(FirstBytes::Refused(error)) => {
            match error.alert() {
                Some(alert) => last_words(stream, &preface::alert(alert)).await,
                None => last_words(stream, NOT_TLS).await,
            }
            return Err(Outcome::HandshakeFailed.because(error));
        }
    };
    if hello.alpn == [ACME_TLS] {
        return Err(challenge(worker, stream, bytes, &hello).await);
    }
    let Some((host, site)) = site_for(worker, &hello, facts) else {
        last_words(stream, &preface::alert(UNRECOGNIZED_NAME)).await;
        return Err(Outcome::UnknownName.because(hello.sni.as_deref().unwrap_or("no server name")));
    };
    let seat = match admission::greet(worker, &site).await {
        Ok(seat) => seat,
        Err(limit) => {
            // There is no alert for it; this one blames nobody (RFC 8446 section 6.2).
            last_words(stream, &preface::alert(INTERNAL_ERROR)).await;
            return Err(Outcome::TenantLimit.because(limit.word()).of(&site.tenant));
        }
    };
    let tenant = Arc::clone(&site.tenant);
    let Some(site) = first_certificate(worker, &host, site).await else {
        last_words(stream, &preface::alert(UNRECOGNIZED_NAME)).await;
        return Err(Outcome::UnknownName.because(&host).of(&tenant));
    };
    let offer = match site.offer(&host) {
        Some(Ok(offer)) if offer.shows == Shows::Placeholder && alerts_without_certificate(worker) => {
            last_words(stream, &preface::alert(UNRECOGNIZED_NAME)).await;
            return Err(Outcome::NoCertificate.because(&host).of(&tenant));
        }
        Some(Ok(offer)) => offer,
        Some(Err(error)) => {
            last_words(stream, &preface::alert(INTERNAL_ERROR)).await;
            return Err(Outcome::Unprepared.because(chain(&error)).of(&tenant));
        }
        None => {
            // `tls: off`: on this port the name does not exist.
            last_words(stream, &preface::alert(UNRECOGNIZED_NAME)).await;
            return Err(Outcome::UnknownName.because(&host).of(&tenant));
        }
    };
    let shaken = shake_hands(offer.config, bytes, stream).await;
    let (stream, visitor) = shaken.map_err(|ended| ended.of(&tenant))?;
    let handshake = Handshake { host, shows: offer.shows, client_policy: offer.client_policy, visitor };
    Ok(Secured { stream, handshake, seat })
}

/// Step 6: the handshake itself, and who the client is by it.
async fn shake_hands(
    config: Arc<ServerConfig>,
    hello: Bytes,
    stream: TcpStream,
) -> Result<(TlsStream<TcpStream>, Option<Arc<visitor::Known>>), Ended> {
    match vestibule_tls::accept(config, hello.into(), stream).await {
        Ok(stream) => match visitor::known(stream.peer_certificates()) {
            Ok(visitor) => Ok((stream, visitor)),
            Err(error) => Err(Outcome::ClientCertificate.because(error)),
        },
        Err(Refused { fault, stream }) if visitor::is_at_fault(&fault) => {
            hear_out(stream).await;
            Err(Outcome::ClientCertificate.because(fault))
        }
        Err(Refused { fault, .. }) => Err(Outcome::HandshakeFailed.because(fault)),
    }
}

/// A client of TLS 1.3 speaks before it can have heard that its certificate is refused (RFC 8446 section 4.4.2.4). If what
/// it says were left unread, the kernel would reset the connection, and the alert with the reason be lost.
async fn hear_out(mut stream: TcpStream) {
    let heard = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(HEARD_LIMIT), &mut tokio::io::sink()).await
    };
    if let Ok(Err(error)) = timeout(LAST_WORDS, heard).await {
        tracing::trace!(%error, "a refused client did not listen");
    }
}

/// Step 2: a handshake of a CA that checks a name (RFC 8737). It is answered by the configuration of that one challenge, or
/// refused; no site's configuration ever takes part. A client that offers other protocols too is no CA, and is served as
/// any other: no site's configuration negotiates `acme-tls/1`.
async fn challenge(worker: &Worker, stream: TcpStream, hello_bytes: Bytes, hello: &ClientHello) -> Ended {
    let name = hello.sni.as_deref().and_then(|sni| HostRef::parse_sni(sni).ok());
    let config = worker.acme().zip(name).and_then(|(acme, name)| acme.door.alpn_config(&name.key()));
    let Some(config) = config else {
        last_words(stream, &preface::alert(NO_APPLICATION_PROTOCOL)).await;
        return Outcome::HandshakeFailed.because("a challenge that is not open");
    };
    match vestibule_tls::accept(config, hello_bytes.into(), stream).await {
        Ok(mut stream) => {
            // Nothing is served on it (RFC 8737 section 3): the handshake was the answer.
            let closed = timeout(LAST_WORDS, stream.shutdown()).await;
            tracing::debug!(closed = ?closed.is_ok(), "a challenge was answered by a handshake");
            Outcome::Challenge.into()
        }
        Err(Refused { fault, .. }) => Outcome::HandshakeFailed.because(fault),
    }
}

/// Step 5: the certificate, waited for a moment if it is on its way. The table is asked anew after the wait: the site may
/// have changed. `None`: it is gone.
async fn first_certificate(worker: &Worker, host: &str, site: Arc<LiveSite>) -> Option<Arc<LiveSite>> {
    let Some(acme) = worker.acme().filter(|_| site.shows(host) == Shows::Placeholder) else { return Some(site) };
    // The handshake itself needs some of its time, too.
    let hold = acme.hold.min(worker.config().timeouts.handshake / 2);
    let look = || worker.resolve(host).map_or(Shows::Placeholder, |site| site.shows(host));
    first_certificate::wait(acme, &site.vhost.id, host, hold, worker.draining(), look).await;
    worker.resolve(host)
}

/// What the operator's policy says of a name without a certificate: is there no handshake at all?
fn alerts_without_certificate(worker: &Worker) -> bool {
    worker.acme().is_some_and(|acme| acme.without_certificate == WithoutCertificate::Alert)
}

/// Step 3: the site of the server name; without one, the site that claims the bare address, if any does.
fn site_for(worker: &Worker, hello: &ClientHello, facts: &ConnectionFacts) -> Option<(Arc<str>, Arc<LiveSite>)> {
    let host = match &hello.sni {
        Some(sni) => HostRef::parse_sni(sni).ok()?,
        None => HostRef::Address(facts.local.ip().to_canonical()),
    };
    let site = worker.resolve(&host.key())?;
    Some((Arc::from(&*host.key()), site))
}

fn codec_of<S>(stream: &TlsStream<S>) -> Codec {
    match stream.alpn_protocol() {
        Some(b"h2") => Codec::Http2,
        _ => Codec::Http1,
    }
}

/// Why there is no preface.
enum FirstBytes {
    /// The client closed or reset before it said anything we know.
    Gone,
    /// What it said is not served here.
    Refused(PrefaceError),
}

/// Reads until the preface is known. Bounded by [`preface::LIMIT`] and by the caller's timeout.
async fn first_bytes(
    stream: &mut TcpStream,
    read: fn(&[u8]) -> Result<Progress, PrefaceError>,
) -> Result<(Bytes, Preface), FirstBytes> {
    let mut bytes = BytesMut::with_capacity(PREFACE_BUFFER);
    loop {
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return Err(FirstBytes::Gone),
            Ok(_) => {}
        }
        match read(&bytes) {
            Ok(Progress::Complete(preface)) => return Ok((bytes.freeze(), preface)),
            Ok(Progress::Partial) => {} // at the limit it is an error
            Err(error) => return Err(FirstBytes::Refused(error)),
        }
    }
}

/// Says something to a client that is refused, and closes without waiting long.
async fn last_words(mut stream: TcpStream, words: &[u8]) {
    let spoken: io::Result<()> = async {
        timeout(LAST_WORDS, stream.write_all(words)).await??;
        timeout(LAST_WORDS, stream.shutdown()).await??;
        Ok(())
    }
    .await;
    if let Err(error) = spoken {
        tracing::trace!(%error, "a refused client did not listen");
    }
}

#[cfg(test)]
mod tests;
