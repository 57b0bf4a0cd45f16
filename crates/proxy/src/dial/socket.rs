//! The socket to a backend: name → addresses → is this one allowed → connect → whose process is it. What comes out of here
//! has been asked for this tenant, and not a byte was written to it.

use std::{
    cell::RefCell,
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    path::Path,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpStream, UnixStream},
    time::{Instant, sleep},
};
use vestibule_names::UpstreamTarget;
use vestibule_owner::{
    Dial, Kernel, KernelError, Sight,
    path::{self, PathError, SocketFile},
};

use super::{refused, room};
use crate::{
    ForwardError, blocking,
    border::{Allowance, Border, Denial, Finding, Outcome, OwnerCheck, Verdict, Why},
    pool::Backend,
    stream::End,
};

/// Addresses of one name that are tried.
const ADDRESS_LIMIT: usize = 16;
/// A connection that nobody has accepted yet is looked at again after this, then after twice as long, and so on.
const FIRST_LOOK: Duration = Duration::from_micros(200);
/// The longest pause between two looks.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// So much of the connect timeout is left when looking ends, in tenths: the denial must come before the timeout.
const PATIENCE_TENTHS: u32 = 9;
/// Who only warns does not hold a request up for longer.
const WARN_PATIENCE: Duration = Duration::from_millis(20);

/// Gives the addresses of a name: the system's resolver, but in tests. Blocks.
pub(super) type Resolve = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// Opens sockets within a border.
pub(super) struct Opener {
    border: Border,
    resolve: Resolve,
    kernel: RefCell<Option<Rc<Kernel>>>,
}

/// One socket that is being opened.
struct Errand<'a> {
    opener: &'a Opener,
    backend: &'a Backend,
    /// When a verdict must be there.
    deadline: Instant,
}

impl Opener {
    pub(super) fn new(border: Border) -> Self {
        let resolve: Resolve = Arc::new(|host, port| Ok((host, port).to_socket_addrs()?.take(ADDRESS_LIMIT).collect()));
        Self { border, resolve, kernel: RefCell::default() }
    }

    /// Opens a socket to a backend; what its tenant may not be connected to is told to the border.
    pub(super) async fn open(&self, backend: &Backend, limit: Duration) -> Result<End, ForwardError> {
        let deadline = Instant::now() + limit * PATIENCE_TENTHS / 10;
        let errand = Errand { opener: self, backend, deadline };
        let opened = match &backend.addr.target {
            UpstreamTarget::Address(addr) => errand.tcp(*addr).await,
            UpstreamTarget::Name(host, port) => errand.named(host.as_str(), *port).await,
            UpstreamTarget::Unix(path) => errand.unix(path).await,
        };
        if let Err(ForwardError::Denied(denial)) = &opened {
            errand.report(denial, Outcome::Refused);
        }
        opened
    }

    /// The worker's own, opened when it is first needed.
    fn kernel(&self) -> Result<Rc<Kernel>, KernelError> {
        if let Some(kernel) = &*self.kernel.borrow() {
            return Ok(Rc::clone(kernel));
        }
        let kernel = Rc::new(Kernel::open()?);
        *self.kernel.borrow_mut() = Some(Rc::clone(&kernel));
        Ok(kernel)
    }
}

impl Errand<'_> {
    fn border(&self) -> &Border {
        &self.opener.border
    }

    fn allowance(&self) -> &Allowance {
        &self.backend.allowance
    }

    fn report(&self, denial: &Denial, outcome: Outcome) {
        let Backend { account, addr, .. } = self.backend;
        self.border().report(&Finding { tenant: account.tenant(), upstream: addr, denial, outcome });
    }

    /// Each address is judged by itself, whatever the name led to a moment ago.
    async fn named(&self, host: &str, port: u16) -> Result<End, ForwardError> {
        let nothing = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let mut last = ForwardError::Connect(nothing);
        let (resolve, host) = (Arc::clone(&self.opener.resolve), host.to_owned());
        let resolved = blocking::run(&self.backend.account, move || resolve(&host, port)).await;
        for addr in resolved.map_err(ForwardError::WayLost)?.map_err(refused)? {
            match self.tcp(addr).await {
                Ok(end) => return Ok(end),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn tcp(&self, addr: SocketAddr) -> Result<End, ForwardError> {
        let denied = |why| ForwardError::Denied(Denial::place(&addr, why));
        let owned = match self.border().judge(self.allowance(), &self.backend.addr.target, addr) {
            Verdict::Denied(why) => return Err(denied(why)),
            Verdict::Owned => true,
            verdict if *self.allowance() == Allowance::Free || addr.ip().to_canonical().is_loopback() => {
                verdict == Verdict::OwnedIfLocal
            }
            verdict => {
                let kernel = self.opener.kernel().map_err(blind)?;
                let local = kernel.is_local(addr.ip()).map_err(blind)?;
                if local && self.border().is_own(addr) {
                    return Err(denied(Why::Gateway));
                }
                local && verdict == Verdict::OwnedIfLocal
            }
        };
        let stream = match self.border().check() {
            OwnerCheck::Enforce if owned => self.asked(addr).await?,
            OwnerCheck::Blind if owned => return Err(ForwardError::Denied(Denial::Blind)),
            OwnerCheck::Warn if owned => self.warned(addr).await?,
            _ => connect(addr).await?,
        };
        // Without it a small write waits for the acknowledgement of the one before.
        stream.set_nodelay(true).map_err(refused)?;
        room::bound(&stream, addr.ip());
        Ok(End::Tcp(stream))
    }

    /// Connects, and lets through what should not be.
    async fn warned(&self, addr: SocketAddr) -> Result<TcpStream, ForwardError> {
        let hasty = Self { deadline: self.deadline.min(Instant::now() + WARN_PATIENCE), ..*self };
        match hasty.asked(addr).await {
            Err(ForwardError::Denied(denial)) => {
                self.report(&denial, Outcome::LetThrough);
                connect(addr).await
            }
            other => other,
        }
    }

    /// Connects to an address of this machine, and asks whose process is there: before, so that a stranger is not even
    /// connected to, and after, which is what counts.
    async fn asked(&self, addr: SocketAddr) -> Result<TcpStream, ForwardError> {
        let denied = |uid| ForwardError::Denied(Denial::Port { port: addr.port(), uid });
        let kernel = self.opener.kernel().map_err(blind)?;
        let dial = kernel.dial(addr).map_err(blind)?;
        // Root opens listeners for others: who accepts is another question.
        if let Some(uid) = dial.listener().filter(|uid| *uid != 0 && !self.allowance().accepts(*uid)) {
            return Err(denied(uid));
        }
        let stream = connect(addr).await?;
        let mut pause = FIRST_LOOK;
        loop {
            let unsettled = match look(&dial, &kernel, &stream)? {
                Sight::Held(uid) | Sight::Queued(uid) if self.allowance().accepts(uid) => return Ok(stream),
                Sight::Held(uid) => return Err(denied(uid)),
                Sight::Queued(0) => denied(0),
                Sight::Queued(uid) => return Err(denied(uid)),
                Sight::Unsettled => ForwardError::Denied(Denial::Unsettled(addr)),
                Sight::Closed => return Err(refused(io::ErrorKind::ConnectionReset.into())),
            };
            if Instant::now() + pause > self.deadline {
                return Err(unsettled);
            }
            sleep(pause).await;
            pause = LOOK_PAUSE.min(pause * 2);
        }
    }

    async fn unix(&self, path: &Arc<Path>) -> Result<End, ForwardError> {
        if *self.allowance() == Allowance::Free {
            return UnixStream::connect(&**path).await.map(End::Unix).map_err(refused);
        }
        if let Some(why) = self.border().refuses_path(self.allowance(), path) {
            return Err(ForwardError::Denied(Denial::place(&path.display(), why)));
        }
        let file = self.find(path).await?;
        if let Some(why) = self.border().refuses_path(self.allowance(), &file.path) {
            return Err(ForwardError::Denied(Denial::place(&path.display(), why)));
        }
        let stream = UnixStream::connect(file.address()).await.map_err(refused)?;
        let held = stream.peer_cred().map_err(refused)?;
        if held.pid().is_some_and(|pid| u32::try_from(pid) == Ok(std::process::id())) {
            return Err(ForwardError::Denied(Denial::place(&path.display(), Why::Gateway)));
        }
        if !self.allowance().lists_path(&file.path) {
            self.judge_socket(path, held.uid(), file.uid)?;
        }
        Ok(End::Unix(stream))
    }

    /// Is a Unix socket the tenant's? Credentials are those of whoever called listen: root does so for others, and gives
    /// them the file.
    fn judge_socket(&self, path: &Path, listens: u32, owns_file: u32) -> Result<(), ForwardError> {
        let accepts = |uid| self.allowance().accepts(uid);
        if self.border().check() == OwnerCheck::Off || accepts(listens) || (listens == 0 && accepts(owns_file)) {
            return Ok(());
        }
        self.settle(Denial::Socket { path: path.to_owned(), uid: listens })
    }

    /// Walks the way to a socket: through folders and links of trusted users only, unless the socket at its end is listed.
    async fn find(&self, path: &Arc<Path>) -> Result<SocketFile, ForwardError> {
        let strict = match self.walk(path, Some(Arc::clone(&self.backend.allowance))).await? {
            Err(foreign @ PathError::Foreign { .. }) => foreign,
            walked => return walked.map_err(astray),
        };
        let file = self.walk(path, None).await?.map_err(astray)?;
        if !self.allowance().lists_path(&file.path) && self.border().check() != OwnerCheck::Off {
            self.settle(Denial::Way(strict))?;
        }
        Ok(file)
    }

    /// On the blocking pool: a file system may take its time.
    async fn walk(
        &self,
        path: &Arc<Path>,
        trusted: Option<Arc<Allowance>>,
    ) -> Result<Result<SocketFile, PathError>, ForwardError> {
        let path = Arc::clone(path);
        let walked = blocking::run(&self.backend.account, move || {
            path::open(&path, |uid| trusted.as_ref().is_none_or(|allowance| allowance.accepts(uid)))
        });
        walked.await.map_err(ForwardError::WayLost)
    }

    /// Denies, or only tells.
    fn settle(&self, denial: Denial) -> Result<(), ForwardError> {
        if matches!(self.border().check(), OwnerCheck::Enforce | OwnerCheck::Blind) {
            return Err(ForwardError::Denied(denial));
        }
        self.report(&denial, Outcome::LetThrough);
        Ok(())
    }
}

async fn connect(addr: SocketAddr) -> Result<TcpStream, ForwardError> {
    let stream = TcpStream::connect(addr).await.map_err(refused)?;
    // Where nobody listens at a port of the range for clients, TCP may connect a socket to itself.
    let ends = (stream.local_addr().map_err(refused)?, stream.peer_addr().map_err(refused)?);
    if ends.0 == ends.1 { Err(refused(io::ErrorKind::ConnectionRefused.into())) } else { Ok(stream) }
}

fn look(dial: &Dial, kernel: &Kernel, stream: &TcpStream) -> Result<Sight, ForwardError> {
    let local = stream.local_addr().map_err(refused)?;
    dial.look(kernel, local).map_err(blind)
}

fn blind(error: KernelError) -> ForwardError {
    tracing::debug!(%error, "the kernel does not say who holds a socket");
    ForwardError::Denied(Denial::Blind)
}

/// A path that leads to no socket is like a port at which nobody listens.
fn astray(error: PathError) -> ForwardError {
    match error {
        PathError::Open { source, .. } => refused(source),
        error => refused(io::Error::new(io::ErrorKind::NotFound, error)),
    }
}

#[cfg(test)]
mod tests;
