//! [`Link`]: one HTTP/1.1 connection without a task of its own: whoever waits for an answer drives it.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Headers of an answer; no CA sends a tenth of it.
const HEAD_LIMIT: usize = 32 * 1024;

type Driven = Connection<TokioIo<TlsStream<TcpStream>>, Full<Bytes>>;

/// See the module.
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    connection: Option<Pin<Box<Driven>>>,
}

/// What came of sending.
pub(super) enum Sent {
    Answered(Response<Incoming>),
    /// Not a byte of it left.
    Unsent(Request<Full<Bytes>>),
}

impl Link {
    pub(super) async fn open(stream: TlsStream<TcpStream>) -> hyper::Result<Self> {
        let mut http1 = http1::Builder::new();
        http1.max_header_size(HEAD_LIMIT).max_buf_size(HEAD_LIMIT);
        let (sender, connection) = http1.handshake(TokioIo::new(stream)).await?;
        Ok(Self { sender, connection: Some(Box::pin(connection)) })
    }

    /// Can it take another request? Sees what has arrived meanwhile, such as the peer's end.
    pub(super) async fn is_open(&mut self) -> bool {
        poll_fn(|context| {
            if self.connection.as_mut().is_some_and(|connection| connection.as_mut().poll(context).is_ready()) {
                self.connection = None;
            }
            Poll::Ready(())
        })
        .await;
        self.connection.is_some() && self.sender.is_ready()
    }

    pub(super) async fn send(&mut self, request: Request<Full<Bytes>>) -> hyper::Result<Sent> {
        let answer = self.sender.try_send_request(request);
        match self.drive(answer).await {
            Ok(response) => Ok(Sent::Answered(response)),
            Err(mut unsent) => match unsent.take_message() {
                Some(request) => Ok(Sent::Unsent(request)),
                None => Err(unsent.into_error()),
            },
        }
    }

    /// Waits for `what` while the connection is driven.
    pub(super) async fn drive<T>(&mut self, what: impl Future<Output = T>) -> T {
        let mut what = pin!(what);
        poll_fn(|context| {
            loop {
                if let Poll::Ready(out) = what.as_mut().poll(context) {
                    return Poll::Ready(out);
                }
                let Some(connection) = &mut self.connection else { return Poll::Pending };
                match connection.as_mut().poll(context) {
                    // Whoever waits on it has been told; one more look.
                    Poll::Ready(_) => self.connection = None,
                    Poll::Pending => return Poll::Pending,
                }
            }
        })
        .await
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}
