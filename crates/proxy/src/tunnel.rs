//! [`Tunnel`]: two upgraded connections, spliced in both directions.
//!
//! A direction holds no memory while nothing is stuck: bytes are read onto the stack and written at once, and only
//! what the other side did not take is kept. The end of one direction is passed on as a half-close; the tunnel ends
//! when both have ended, one has failed, or nothing moved for the idle timeout.

use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep, timeout},
};
use vestibule_names::{TenantId, UpstreamAddr};

use crate::{Account, Handover, Rewound, pool::Lease, stream::Stream};

/// The most that is read at once, and so the most that one direction keeps.
const CHUNK: usize = 16 * 1024;

/// How long the codec may take to hand over a connection whose 101 was written.
const HANDOVER_TIMEOUT: Duration = Duration::from_secs(30);

/// When one direction of a tunnel may move on: whoever runs a tunnel deals that out among all that moves.
pub trait Turns {
    /// Ready when more may be moved.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()>;
    /// So many bytes were moved.
    fn moved(&mut self, count: usize);
}

/// Two connections to be spliced, after a confirmed 101.
#[must_use = "a tunnel moves nothing unless it is run"]
pub struct Tunnel {
    client: Handover,
    backend: Box<Rewound<Stream>>,
    upstream: UpstreamAddr,
    account: Arc<Account>,
    idle: Duration,
}

/// How a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TunnelEnd {
    /// Client to backend.
    pub bytes_up: u64,
    /// Backend to client.
    pub bytes_down: u64,
    /// Why.
    pub close: TunnelClose,
}

/// Why a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TunnelClose {
    /// Both sides have ended what they had to say.
    Finished,
    /// A side broke.
    Failed,
    /// Nothing moved for the idle timeout.
    Idle,
    /// It never began: a side was gone before the 101 was out.
    NeverOpened,
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

impl Tunnel {
    /// `None` when the backend's connection is gone already.
    pub(crate) fn new(client: Handover, lease: Lease, idle: Duration) -> Option<Self> {
        let (upstream, account) = (lease.backend.addr.clone(), Arc::clone(&lease.backend.account));
        let backend = Box::new(lease.take_stream()?);
        Some(Self { client, backend, upstream, account, idle })
    }

    /// Whose it is.
    pub fn tenant(&self) -> TenantId {
        self.account.tenant()
    }

    /// Splices until both sides ended, one failed, or nothing moved for the idle timeout. Each direction has turns of its
    /// own.
    pub async fn run(self, turns: [impl Turns; 2]) -> TunnelEnd {
        let Ok(Some(client)) = timeout(HANDOVER_TIMEOUT, self.client).await else {
            return TunnelEnd { bytes_up: 0, bytes_down: 0, close: TunnelClose::NeverOpened };
        };
        splice((client, self.backend), self.idle, &self.account, turns).await
    }
}

async fn splice<C, B>(
    (mut client, mut backend): (C, B),
    idle: Duration,
    account: &Account,
    turns: [impl Turns; 2],
) -> TunnelEnd
where
    C: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let [mut up, mut down] = turns.map(|turns| Direction::new(account, turns));
    let mut timer = pin!(sleep(idle));
    let close = poll_fn(|cx| {
        let before = up.moved + down.moved;
        let ends = (up.poll(cx, &mut client, &mut backend), down.poll(cx, &mut backend, &mut client));
        match ends {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => return Poll::Ready(TunnelClose::Failed),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(TunnelClose::Finished),
            _ => {}
        }
        if up.moved + down.moved != before {
            timer.as_mut().reset(Instant::now() + idle);
        }
        timer.as_mut().poll(cx).map(|()| TunnelClose::Idle)
    })
    .await;
    TunnelEnd { bytes_up: up.moved, bytes_down: down.moved, close }
}

/// One direction of a tunnel.
struct Direction<'a, T> {
    account: &'a Account,
    turns: T,
    /// Until the tenant's bandwidth has paid for what was read last. Made when that must be waited for.
    unpaid: Option<Pin<Box<Sleep>>>,
    /// Read and not yet written.
    stuck: Vec<u8>,
    /// How much of it is written.
    written: usize,
    moved: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Flowing,
    /// All that was written is to be flushed.
    Flushing,
    /// The reading side has ended.
    Closing,
    Closed,
}

impl<'a, T: Turns> Direction<'a, T> {
    fn new(account: &'a Account, turns: T) -> Self {
        Self { account, turns, unpaid: None, stuck: Vec::new(), written: 0, moved: 0, state: State::Flowing }
    }

    /// Moves what can be moved; ready when the direction has ended and the end was passed on.
    fn poll<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            ready!(self.poll_stuck(cx, to))?;
            match self.state {
                State::Flowing => {
                    ready!(self.poll_paid(cx));
                    ready!(self.turns.poll_turn(cx));
                    ready!(self.poll_read(cx, from, to))?;
                }
                State::Flushing => {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.state = State::Flowing;
                }
                State::Closing => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.state = State::Closed;
                }
                State::Closed => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Ready when what was read before is paid for.
    fn poll_paid(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(unpaid) = &mut self.unpaid {
            ready!(unpaid.as_mut().poll(cx));
            self.unpaid = None;
        }
        Poll::Ready(())
    }

    /// Reads once, and writes at once what the other side takes at once.
    fn poll_read<R, W>(&mut self, cx: &mut Context<'_>, from: &mut R, to: &mut W) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut chunk = [const { MaybeUninit::<u8>::uninit() }; CHUNK];
        let mut buffer = ReadBuf::uninit(&mut chunk);
        ready!(Pin::new(from).poll_read(cx, &mut buffer))?;
        let bytes = buffer.filled();
        if bytes.is_empty() {
            self.state = State::Closing;
            return Poll::Ready(Ok(()));
        }
        self.state = State::Flushing;
        self.turns.moved(bytes.len());
        let wait = self.account.pass(bytes.len());
        if !wait.is_zero() {
            self.unpaid = Some(Box::pin(sleep(wait)));
        }
        let count = match Pin::new(to).poll_write(cx, bytes) {
            Poll::Ready(count) => count?,
            Poll::Pending => 0,
        };
        self.moved += count as u64;
        if count < bytes.len() {
            self.stuck.extend_from_slice(&bytes[count..]);
            self.account.hold(self.stuck.len());
        }
        Poll::Ready(Ok(()))
    }

    fn poll_stuck<W: AsyncWrite + Unpin>(&mut self, cx: &mut Context<'_>, to: &mut W) -> Poll<io::Result<()>> {
        while self.written < self.stuck.len() {
            let count = ready!(Pin::new(&mut *to).poll_write(cx, &self.stuck[self.written..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += count;
            self.moved += count as u64;
        }
        if !self.stuck.is_empty() {
            // Given back, not kept for the next time: most tunnels are idle most of the time.
            self.account.release(self.stuck.len());
            (self.stuck, self.written) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T> Drop for Direction<'_, T> {
    fn drop(&mut self) {
        self.account.release(self.stuck.len());
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;
    use crate::AccountLimits;

    const IDLE: Duration = Duration::from_secs(60);

    /// Turns that always have to be waited for, one for each piece.
    #[derive(Default)]
    struct OneByOne(Turn);

    #[derive(Default, PartialEq, Eq, Debug)]
    enum Turn {
        #[default]
        NotAsked,
        Waiting,
        Now,
    }

    impl Turns for OneByOne {
        fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
            if self.0 == Turn::NotAsked {
                self.0 = Turn::Waiting;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.0 = Turn::Now;
            Poll::Ready(())
        }
        fn moved(&mut self, _: usize) {
            assert_eq!(std::mem::take(&mut self.0), Turn::Now, "nothing moves before its turn");
        }
    }

    async fn spliced(client: DuplexStream, backend: DuplexStream, limits: AccountLimits) -> TunnelEnd {
        let account = Account::new(TenantId(7), limits);
        let end = splice((client, backend), IDLE, &account, [OneByOne::default(), OneByOne::default()]).await;
        assert_eq!(account.held(), 0, "nothing is held after the end");
        end
    }

    #[tokio::test(start_paused = true)]
    async fn a_tunnel_keeps_to_its_tenants_bandwidth() {
        let limits = AccountLimits { bandwidth: 100_000, ..AccountLimits::UNLIMITED };
        let ((mut client, ours), (mut backend, theirs)) = (duplex(1 << 20), duplex(1 << 20));
        let began = Instant::now();
        let tunnel = tokio::spawn(spliced(ours, theirs, limits));
        client.write_all(&[0; 130_000]).await.unwrap();
        drop(client);
        let mut heard = Vec::new();
        backend.read_to_end(&mut heard).await.unwrap();
        drop(backend);
        assert_eq!((heard.len(), tunnel.await.unwrap().bytes_up), (130_000, 130_000));
        // A second's worth at once, and the last piece is read before it is paid for.
        let unpaid = 130_000 - CHUNK as u64 - 100_000;
        let (least, most) = (Duration::from_micros(unpaid * 10), Duration::from_millis(300));
        assert!((least..=most).contains(&began.elapsed()), "{:?}", began.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn whatever_moves_keeps_a_tunnel_open() {
        let ((mut client, ours), (mut backend, theirs)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(spliced(ours, theirs, AccountLimits::UNLIMITED));
        let begin = Instant::now();
        for _ in 0..3 {
            tokio::time::sleep(IDLE * 2 / 3).await;
            client.write_all(b"x").await.unwrap();
            backend.read_u8().await.unwrap();
            tokio::time::sleep(IDLE * 2 / 3).await;
            backend.write_all(b"y").await.unwrap();
            client.read_u8().await.unwrap();
        }
        let end = tunnel.await.unwrap();
        assert_eq!(end, TunnelEnd { bytes_up: 3, bytes_down: 3, close: TunnelClose::Idle });
        assert_eq!(begin.elapsed().as_secs(), (IDLE * 5).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stops_makes_a_tunnel_idle() {
        let ((mut client, ours), (_backend, theirs)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(spliced(ours, theirs, AccountLimits::UNLIMITED));
        let sending = tokio::spawn(async move { client.write_all(&[0; 100_000]).await });
        let end = tunnel.await.unwrap();
        assert_eq!((end.bytes_up, end.close), (64, TunnelClose::Idle));
        assert!(sending.await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn half_a_close_leaves_the_other_half() {
        let ((mut client, ours), (mut backend, theirs)) = (duplex(64), duplex(64));
        let tunnel = tokio::spawn(spliced(ours, theirs, AccountLimits::UNLIMITED));
        client.write_all(b"question").await.unwrap();
        client.shutdown().await.unwrap();
        let mut heard = String::new();
        backend.read_to_string(&mut heard).await.unwrap();
        backend.write_all(b"answer").await.unwrap();
        drop(backend);
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!((heard.as_str(), answer.as_str()), ("question", "answer"));
        assert_eq!(tunnel.await.unwrap(), TunnelEnd { bytes_up: 8, bytes_down: 6, close: TunnelClose::Finished });
    }
}
