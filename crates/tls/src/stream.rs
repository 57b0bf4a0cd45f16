//! [`TlsStream`]: a connection whose handshake is over, read and written.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    records::cut,
    session::{Fault, Session},
    spare,
    unread::LONGEST_RECORD,
};

/// As much ciphertext is read at once, at least: a whole record of the usual greatest length.
const READ_SIZE: usize = 16 * 1024 + 512;
/// The same at most, for a reader who has as much room.
const LARGE_READ_SIZE: usize = 64 * 1024;
/// As much plaintext is taken at once, and its ciphertext kept while the network does not take it.
const WRITE_SIZE: usize = 64 * 1024;
/// Room for headers, tags and a change of keys.
const WRITE_ROOM: usize = WRITE_SIZE + 1024;

/// The plaintext of a TLS connection over a stream of ciphertext.
///
/// A read that returns nothing is the client's close_notify; an end without it is an error of the kind
/// [`io::ErrorKind::UnexpectedEof`], since what came before may be cut off. What violates TLS is one of the kind
/// [`io::ErrorKind::InvalidData`] that holds the [`rustls::Error`], once the client has been told.
pub struct TlsStream<S> {
    session: Session,
    stream: S,
    has_ended: bool,
}

impl<S> TlsStream<S> {
    pub(crate) fn new(session: Session, stream: S) -> Self {
        Self { session, stream, has_ended: false }
    }

    pub(crate) fn into_stream(self) -> S {
        self.stream
    }

    /// The stream of ciphertext.
    pub fn stream(&self) -> &S {
        &self.stream
    }

    /// How many bytes wait in one direction or the other.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.session.held()
    }

    /// Is no memory held for bytes?
    #[cfg(test)]
    pub(crate) fn is_at_rest(&self) -> bool {
        self.session.is_at_rest()
    }

    /// The application protocol that was agreed on.
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.session.state().alpn_protocol()
    }

    /// The certificates that the client has shown, its own first.
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.session.state().peer_certificates()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream<S> {
    /// The handshake, to the end of all that is to be sent in it.
    pub(crate) fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        loop {
            ready!(Pin::new(&mut *self).poll_flush(cx))?;
            if !self.session.state().is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            if let Err(fault) = ready!(self.poll_receive(cx, None)) {
                self.say_at_once(cx);
                return Poll::Ready(Err(fault));
            }
        }
    }

    /// The first bytes of the handshake, which were read before.
    pub(crate) fn begin(&mut self, cx: &mut Context<'_>, first: &mut [u8]) -> Result<(), Fault> {
        self.session.receive(first, None).inspect_err(|_| self.say_at_once(cx))
    }

    /// Reads ciphertext once.
    fn poll_receive(&mut self, cx: &mut Context<'_>, reader: Option<&mut ReadBuf<'_>>) -> Poll<Result<(), Fault>> {
        let before = self.session.room_before();
        let room = reader.as_ref().map_or(0, |reader| reader.remaining()).saturating_sub(before);
        let size = room.clamp(READ_SIZE, LARGE_READ_SIZE);
        let mut buffer = spare::incoming(LONGEST_RECORD + LARGE_READ_SIZE);
        let mut new = ReadBuf::new(&mut buffer[before..before + size]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut new))?;
        let count = new.filled().len();
        if count == 0 {
            return Poll::Ready(Err(Fault::Cut));
        }
        Poll::Ready(self.session.receive(&mut buffer[..before + count], reader))
    }

    /// Sends what waits.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let unsent = self.session.unsent();
        while !unsent.is_empty() {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, unsent.bytes()))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => unsent.take(count),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends what waits as far as it goes now. If the network fails, or takes nothing, whoever writes next will see.
    fn say_at_once(&mut self, cx: &mut Context<'_>) {
        let _ = self.poll_send(cx);
    }

    fn poll_write_parts(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.has_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_send(cx))?;
        let mut buffer = spare::outgoing(spare::LEAD + WRITE_ROOM);
        let mut end = spare::LEAD;
        let taken = cut(parts, WRITE_SIZE, |plaintext| {
            end = self.session.seal(plaintext, &mut buffer, end)?;
            Ok::<_, Fault>(())
        })?;
        let mut ciphertext = &buffer[spare::LEAD..end];
        while !ciphertext.is_empty() && self.session.unsent().is_empty() {
            match Pin::new(&mut self.stream).poll_write(cx, ciphertext) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => ciphertext = &ciphertext[count..],
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => break,
            }
        }
        self.session.unsent().push(ciphertext);
        Poll::Ready(Ok(taken))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        loop {
            if buf.remaining() == 0 || this.session.deliver(buf) || this.session.has_client_ended() {
                return Poll::Ready(Ok(()));
            }
            this.session.check()?;
            let nobody_waits = this.session.unsent().is_empty();
            let received = ready!(this.poll_receive(cx, Some(&mut *buf)));
            // Else it goes with what waits: whoever reads may be another task than whoever writes, and the network, asked
            // for room, would wake the one who asked last.
            if nobody_waits {
                this.say_at_once(cx);
            }
            if buf.filled().len() > before {
                return Poll::Ready(Ok(())); // a failure behind it comes again
            }
            received?;
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_parts(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_parts(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_send(cx))?;
        Pin::new(&mut this.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.has_ended {
            this.has_ended = true;
            this.session.say_end()?;
        }
        ready!(this.poll_send(cx))?;
        match ready!(Pin::new(&mut this.stream).poll_shutdown(cx)) {
            // The client was faster.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Poll::Ready(Ok(())),
            result => Poll::Ready(result),
        }
    }
}
