//! [`Intake`]: the strict reading in front of hyper's HTTP/1.1 codec. What a client sends reaches the codec message by
//! message, and only after `wire` has understood it; a message that two readers could take in two ways becomes a request
//! that nobody sent, which the request walk answers with a refusal and the end of the connection.
//!
//! So a refused head has its page, its code, its metric and its access event like every other refusal, in its place
//! behind the answers to what came before it; and nothing that follows it is read as a request.
//!
//! Not here: what a head means (`proxy::inspect`), and how long a client may take (`vitals`).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use http::Request;
use hyper::rt::ReadBufCursor;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use vestibule_proxy::{self as proxy, Refusal};
use vestibule_wire::{
    Fault, Gate, Limits, Next, Side, Sieve,
    frames::{Frames, Verdict, endless_head},
};

use crate::vitals::Vitals;

/// What the codec gets in the place of a refused head. A client that sends the same is answered as any other.
const STAND_IN: &[u8] = b"- * HTTP/1.1\r\nhost: -\r\n\r\n";
/// Is this what stands in for a refused head? Only to be asked of a connection that has one: requests before it may still
/// be walking when it is read.
pub(crate) fn is_stand_in<B>(request: &Request<B>) -> bool {
    request.method().as_str() == "-"
}

/// How much is read at once while a head or chunk is not whole.
const READ_SIZE: usize = 8 * 1024;

/// A stream that remembers how much its last read gave, and counts the frames of HTTP/2.
#[derive(Debug)]
pub(crate) struct Counted<S> {
    stream: S,
    last: usize,
    pace: Option<Pace>,
}

/// What stands in front of the codec of HTTP/2.
#[derive(Debug)]
enum Pace {
    Counting {
        frames: Frames,
        head_limit: u64,
    },
    /// The client is over its limits: this is left to say in its place.
    Calming(Vec<u8>),
}

impl<S> Counted<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, last: 0, pace: None }
    }

    /// From now on its bytes are frames.
    pub(crate) fn count_frames(&mut self, head_limit: u64) {
        self.pace = Some(Pace::Counting { frames: Frames::new(Instant::now()), head_limit });
    }

    fn wrote(&mut self, written: &Poll<io::Result<usize>>) {
        if let (Some(Pace::Counting { frames, .. }), Poll::Ready(Ok(count))) = (&mut self.pace, written) {
            frames.wrote(*count);
        }
    }

    /// Judges what a read has put behind `before`.
    fn judge(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        if let Some(Pace::Counting { frames, head_limit }) = &mut self.pace
            && let Verdict::CalmAfter(count) = frames.read(&buf.filled()[before..], Instant::now)
        {
            buf.set_filled(before + count);
            self.pace = Some(Pace::Calming(endless_head(*head_limit)));
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        if let Some(Pace::Calming(rest)) = &mut self.pace {
            let count = rest.len().min(buf.remaining());
            buf.put_slice(&rest[..count]);
            rest.drain(..count);
            if rest.is_empty() {
                self.pace = None; // what is still read is thrown away
            }
            return Poll::Ready(Ok(()));
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.judge(buf, before);
        self.last = buf.filled().len() - before;
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(&written);
        written
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(&written);
        written
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Reads a client's messages for the codec.
#[derive(Debug)]
pub(crate) struct Intake {
    sieve: Sieve,
    /// What is left to say of the stand-in for a refused head; `None` before there is one.
    stand_in: Option<&'static [u8]>,
}

impl Intake {
    pub(crate) fn new(limits: Limits) -> Self {
        let gate = Gate::new(Side::Requests, limits, proxy::forbids_trailer);
        Self { sieve: Sieve::new(gate), stand_in: None }
    }

    /// Gives the codec what it may have.
    pub(crate) fn poll_read<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut TokioIo<Counted<S>>,
        vitals: &Vitals,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if let Some(rest) = &mut self.stand_in {
                if rest.is_empty() {
                    return Poll::Pending; // the answer to it ends the connection
                }
                let count = rest.len().min(buf.remaining());
                buf.put_slice(&rest[..count]);
                *rest = &rest[count..];
                return Poll::Ready(Ok(()));
            }
            self.decide(vitals, cx);
            match self.sieve.decide() {
                Ok(Next::Pass) => {
                    buf.put_slice(self.sieve.take(buf.remaining()));
                    return Poll::Ready(Ok(()));
                }
                // Straight into the codec's buffer, if it has no room for what may not pass unseen.
                Ok(Next::Unseen(count)) if count >= buf.remaining() as u64 => {
                    ready!(hyper::rt::Read::poll_read(Pin::new(&mut *io), cx, buf))?;
                    vitals.read();
                    self.sieve.gate().passed(io.inner().last as u64);
                    return Poll::Ready(Ok(()));
                }
                Ok(Next::Unseen(_) | Next::Read) => {
                    if ready!(self.poll_more(io, vitals, cx))? == 0 {
                        return Poll::Ready(Ok(())); // the client's end
                    }
                }
                Err(fault) => self.refuse(fault, vitals)?,
            }
        }
    }

    /// What came of an upgrade is known once its request has been answered.
    fn decide(&mut self, vitals: &Vitals, cx: &Context<'_>) {
        let gate = self.sieve.gate();
        if gate.is_undecided() {
            vitals.wake_when_answered(cx.waker());
            if vitals.is_tunnel() {
                gate.open();
            } else if vitals.answered() >= gate.heads() {
                gate.stay();
            }
        }
    }

    fn poll_more<S: AsyncRead + Unpin>(
        &mut self,
        io: &mut TokioIo<Counted<S>>,
        vitals: &Vitals,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.sieve.gate().is_undecided() && self.sieve.waiting() >= READ_SIZE {
            return Poll::Pending; // woken once the upgrade is answered
        }
        let mut scratch = [std::mem::MaybeUninit::uninit(); READ_SIZE];
        let mut buf = ReadBuf::uninit(&mut scratch);
        match Pin::new(&mut io.inner_mut().stream).poll_read(cx, &mut buf) {
            Poll::Pending => {
                self.sieve.rest(); // an idle connection keeps no buffer
                Poll::Pending
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => {
                vitals.read();
                self.sieve.push(buf.filled());
                Poll::Ready(Ok(buf.filled().len()))
            }
        }
    }

    /// A refused head gets its stand-in; a refused body ends with an error, which is the client's.
    fn refuse(&mut self, fault: Fault, vitals: &Vitals) -> io::Result<()> {
        tracing::debug!(%fault, "refused before it was parsed");
        if fault.is_in_body() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
        }
        vitals.refuse(refusal(fault));
        self.stand_in = Some(STAND_IN);
        Ok(())
    }
}

/// What a fault is called.
fn refusal(fault: Fault) -> Refusal {
    match fault {
        Fault::Length | Fault::Coding | Fault::BothLengths => Refusal::BadFraming,
        Fault::UnknownCoding => Refusal::UnsupportedCoding,
        Fault::FieldName | Fault::FieldValue | Fault::Folded => Refusal::BadHeader,
        Fault::TooManyFields | Fault::HeadTooLarge => Refusal::HeadersTooLarge,
        Fault::TargetTooLong => Refusal::UriTooLong,
        Fault::Target => Refusal::BadPath,
        Fault::Authority => Refusal::BadHost,
        Fault::Connect => Refusal::MethodNotAllowed,
        _ => Refusal::BadRequest,
    }
}

#[cfg(test)]
mod tests;
