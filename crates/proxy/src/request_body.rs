//! [`RequestBody`]: what follows the head of a request, as the client's codec gives it: nothing, content, or, where the
//! request may become a tunnel, the connection itself.
//!
//! This is the seam between a codec towards clients and all that forwards: no codec is named behind it, and nothing here
//! is generic over one.

use std::{
    fmt,
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};
use vestibule_wire as wire;

/// See the module. Nothing is allocated where there is no body, as with most requests.
///
/// What is to become of content that nobody has read is the codec's matter: it sees the body dropped.
#[derive(Default)]
pub struct RequestBody(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Nothing,
    Content(Content),
    Handover(Handover),
}

/// The frames of a body.
type Content = Pin<Box<dyn Body<Data = Bytes, Error = RequestBodyError>>>;

/// The client's side of a connection whose protocol is switched: ready when the 101 was written, `None` when the
/// connection is gone. Dropped unread, it leaves the connection to HTTP.
pub type Handover = Pin<Box<dyn Future<Output = Option<Box<dyn Duplex>>>>>;

/// A connection in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Duplex for T {}

/// Why a request body ended early. Always the client's doing.
#[derive(Debug, thiserror::Error)]
pub enum RequestBodyError {
    /// The client left in the middle, or gave the request up.
    #[error("the client cut it")]
    Cut,
    /// Reading failed.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// Its frames could be read in two ways.
    #[error("it is malformed")]
    Malformed(#[source] wire::Fault),
}

impl RequestBody {
    /// No body.
    pub const fn none() -> Self {
        Self(Kind::Nothing)
    }

    /// This body.
    pub fn of(content: impl Body<Data = Bytes, Error = RequestBodyError> + 'static) -> Self {
        Self(Kind::Content(Box::pin(content)))
    }

    /// No body, of a request that asks for another protocol (RFC 9110 section 7.8).
    pub fn upgradable(handover: impl Future<Output = Option<Box<dyn Duplex>>> + 'static) -> Self {
        Self(Kind::Handover(Box::pin(handover)))
    }

    /// The client's side of an upgrade, where one is possible.
    pub(crate) fn take_handover(&mut self) -> Option<Handover> {
        match std::mem::take(&mut self.0) {
            Kind::Handover(handover) => Some(handover),
            kind => {
                self.0 = kind;
                None
            }
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, RequestBodyError>>> {
        match &mut self.0 {
            Kind::Content(content) => content.as_mut().poll_frame(cx),
            Kind::Nothing | Kind::Handover(_) => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Content(content) => content.is_end_stream(),
            Kind::Nothing | Kind::Handover(_) => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Content(content) => content.size_hint(),
            Kind::Nothing | Kind::Handover(_) => SizeHint::with_exact(0),
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Kind::Nothing => "RequestBody::Nothing",
            Kind::Content(_) => "RequestBody::Content",
            Kind::Handover(_) => "RequestBody::Handover",
        })
    }
}
