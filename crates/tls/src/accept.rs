//! [`accept`]: the handshake.

use std::{future::poll_fn, sync::Arc};

use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    session::{Fault, Session},
    stream::TlsStream,
};

/// A handshake that failed.
#[derive(Debug)]
pub struct Refused<S> {
    /// Why.
    pub fault: Fault,
    /// The network, on which the client has been told why if there is an alert for it.
    pub stream: S,
}

/// Shakes hands with a client who has said these first bytes already. It waits for as long as the client does: whoever
/// calls sets a limit.
pub async fn accept<S>(config: Arc<ServerConfig>, mut first: Vec<u8>, stream: S) -> Result<TlsStream<S>, Refused<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let session = match Session::new(config) {
        Ok(session) => session,
        Err(error) => return Err(Refused { fault: Fault::Tls(error), stream }),
    };
    let mut tls = TlsStream::new(session, stream);
    let begun = poll_fn(|cx| std::task::Poll::Ready(tls.begin(cx, &mut first))).await;
    drop(first);
    let shaken = match begun {
        Ok(()) => poll_fn(|cx| tls.poll_handshake(cx)).await,
        Err(fault) => Err(fault),
    };
    match shaken {
        Ok(()) => Ok(tls),
        Err(fault) => Err(Refused { fault, stream: tls.into_stream() }),
    }
}
