//! The I/O wrapper of a connection: [`Watched`] tells the connection's [`Vitals`] what moves, gives room to those who take
//! much, and closes so that the last response is read. [`Transport`] is what it is over.

use std::{
    future::Future,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};
use vestibule_proxy::Rewound;
use vestibule_tls::TlsStream;

use crate::{appetite::Appetite, vitals::Vitals};

/// A client's stream, and what is asked of it beside reading and writing.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Unpin {
    /// To be dropped after this, it ends in no good order, also where a good end would be an end of what was said.
    fn break_off(&self);
    /// The kernel may hold so much that is not sent yet, bytes.
    fn limit_unsent(&self, limit: u32);
}

impl Transport for TcpStream {
    /// It is reset.
    fn break_off(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!(%error, "a connection that breaks off ends as any other");
        }
    }
    fn limit_unsent(&self, limit: u32) {
        if let Err(error) = vestibule_listener::limit_unsent(self, limit) {
            tracing::debug!(%error, "a connection keeps the room that it has in the kernel");
        }
    }
}

impl<S: Transport> Transport for TlsStream<S> {
    /// What is dropped has said no close_notify (RFC 8446 section 6.1).
    fn break_off(&self) {}
    fn limit_unsent(&self, limit: u32) {
        self.stream().limit_unsent(limit);
    }
}

#[cfg(test)]
impl Transport for tokio::io::DuplexStream {
    fn break_off(&self) {}
    fn limit_unsent(&self, _: u32) {}
}

impl<S: Transport> Transport for Rewound<S> {
    fn break_off(&self) {
        self.get_ref().break_off();
    }
    fn limit_unsent(&self, limit: u32) {
        self.get_ref().limit_unsent(limit);
    }
}

/// How long a closing connection waits for the client's own end.
const LINGER_TIMEOUT: Duration = Duration::from_secs(2);
/// What a client may still send meanwhile, bytes.
const LINGER_LIMIT: usize = 16 * 1024 * 1024;
/// What is discarded at a time, bytes.
const DISCARD_BUFFER: usize = 8 * 1024;

/// A stream as a codec reads and writes it, under watch.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    vitals: Rc<Vitals>,
    appetite: Appetite,
    closing: Closing,
}

/// A socket that is closed with unread bytes resets the connection, and a reset can destroy the response before the client
/// has read it (RFC 9112 section 9.6). So the writing side ends first, and what still comes is read and thrown away for
/// a while.
#[derive(Debug)]
enum Closing {
    Open,
    Lingering { until: Pin<Box<Sleep>>, left: usize },
    Done,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, vitals: Rc<Vitals>) -> Self {
        Self { stream, vitals, appetite: Appetite::default(), closing: Closing::Open }
    }

    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &result {
            Poll::Pending => self.vitals.write_stalled(),
            Poll::Ready(_) => self.vitals.wrote(),
        }
        result
    }
}

impl<S: Transport> Watched<S> {
    /// See [`Transport::break_off`].
    pub(crate) fn break_off(&self) {
        self.stream.break_off();
    }
}

impl<S: Transport> Watched<S> {
    fn note_written(&mut self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(count)) = &result {
            self.vitals.took(*count);
            if let Some(limit) = self.appetite.took(*count, Instant::now) {
                self.stream.limit_unsent(limit);
            }
        }
        self.note(result)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Reads and throws away until the client's end, the time or the amount.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Closing::Lingering { until, left } = &mut self.closing else { return Poll::Ready(()) };
        let mut scratch = [0; DISCARD_BUFFER];
        while until.as_mut().poll(cx).is_pending() {
            let mut buf = ReadBuf::new(&mut scratch);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buf));
            let count = buf.filled().len();
            if read.is_err() || count == 0 || count > *left {
                break;
            }
            *left -= count;
        }
        Poll::Ready(())
    }
}

impl<S: Transport> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note_written(result)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(result)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.closing, Closing::Open) {
            let result = Pin::new(&mut self.stream).poll_shutdown(cx);
            ready!(self.note(result))?;
            // A tunnel ends each direction by itself: the other one is still wanted.
            self.closing = if self.vitals.is_tunnel() {
                Closing::Done
            } else {
                Closing::Lingering { until: Box::pin(sleep(LINGER_TIMEOUT)), left: LINGER_LIMIT }
            };
        }
        ready!(self.poll_linger(cx));
        self.closing = Closing::Done;
        Poll::Ready(Ok(()))
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.note_written(result)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connects");
        (client, listener.accept().await.expect("accepts").0)
    }

    async fn close(mut watched: Watched<TcpStream>) {
        poll_fn(|cx| Pin::new(&mut watched).poll_shutdown(cx)).await.expect("closes");
    }

    #[tokio::test]
    async fn the_last_words_are_read_by_a_client_that_is_still_writing() {
        for _ in 0..20 {
            let (mut client, mut server) = pair().await;
            let vitals = Rc::new(Vitals::new(std::time::Instant::now()));
            server.write_all(b"last words").await.expect("written");
            let writing = async {
                // More than the socket buffers hold: it can only go out if the other side reads.
                client.write_all(&vec![0; 8 * 1024 * 1024]).await.expect("taken");
                client.shutdown().await.expect("ended");
                let mut heard = Vec::new();
                client.read_to_end(&mut heard).await.expect("no reset");
                assert_eq!(heard, b"last words");
            };
            tokio::join!(close(Watched::new(server, vitals)), writing);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_ends_is_left_after_a_while() {
        let (_client, server) = pair().await;
        let vitals = Rc::new(Vitals::new(std::time::Instant::now()));
        let started = tokio::time::Instant::now();
        close(Watched::new(server, vitals)).await;
        assert!(started.elapsed() >= LINGER_TIMEOUT);
    }

    #[tokio::test]
    async fn a_tunnel_still_reads_after_it_has_said_its_end() {
        let (mut client, server) = pair().await;
        let vitals = Rc::new(Vitals::new(std::time::Instant::now()));
        vitals.become_tunnel();
        let mut watched = Watched::new(server, vitals);
        client.write_all(b"still wanted").await.expect("written");
        poll_fn(|cx| Pin::new(&mut watched).poll_shutdown(cx)).await.expect("closes one side");
        let mut heard = [0; 12];
        watched.stream.read_exact(&mut heard).await.expect("read");
        assert_eq!(&heard, b"still wanted");
    }
}
