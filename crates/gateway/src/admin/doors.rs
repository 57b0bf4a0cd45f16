//! Where the admin interface listens, and who comes in: the operator's own socket, which nobody else can open; the tenants'
//! socket, which every user can; the loopback address, where nobody can be told from anybody.

use std::{
    convert::Infallible,
    fs, io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tokio::net::{TcpListener, UnixListener, UnixStream};

use super::{
    Caller,
    guests::{Guests, Purpose},
    server::{Door, converse},
};
use crate::{StartError, config::Need, house::House};

/// Waits after a failed accept.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Only the gateway's user (and root) may connect.
const PRIVATE: u32 = 0o600;
/// Everybody may connect: the kernel says who it is.
const PUBLIC: u32 = 0o666;

/// Where the admin interface listens.
#[derive(Debug)]
pub(crate) struct AdminSockets {
    operator: Bound,
    tenants: Option<Bound>,
    tcp: Option<std::net::TcpListener>,
}

/// A Unix socket, whose file goes with it.
#[derive(Debug)]
struct Bound {
    listener: std::os::unix::net::UnixListener,
    _file: SocketFile,
}

#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(%error, path = %self.0.display(), "an admin socket stays behind");
        }
    }
}

impl AdminSockets {
    /// Binds them. A socket file that nobody listens on is removed first.
    pub(crate) fn bind(house: &House) -> Result<Self, StartError> {
        let config = &house.shared.config;
        let unusable = |path: &Path, source| StartError::Io { path: path.to_owned(), source };
        let path = &config.admin_socket;
        let operator = bind_unix(path, PRIVATE).map_err(|source| unusable(path, source))?;
        let tenants = match &config.tenant_socket {
            None => None,
            Some((path, need)) => match (bind_public(path), need) {
                (Ok(bound), _) => Some(bound),
                (Err(source), Need::Required) => return Err(unusable(path, source)),
                (Err(error), Need::IfPossible) => {
                    tracing::warn!(
                        path = %path.display(), %error,
                        "tenants cannot ask for their things: their socket cannot be made"
                    );
                    None
                }
            },
        };
        let tcp = config.admin_address.map(|addr| {
            let listener = std::net::TcpListener::bind(addr.0).and_then(|listener| {
                listener.set_nonblocking(true)?;
                Ok(listener)
            });
            listener.map_err(|source| StartError::Bind(vestibule_listener::BindError::Bind { addr, source }))
        });
        Ok(Self { operator, tenants, tcp: tcp.transpose()? })
    }
}

/// In a folder that every user can enter; made if it is missing.
fn bind_public(path: &Path) -> io::Result<Bound> {
    if let Some(folder) = path.parent().filter(|folder| !folder.exists()) {
        fs::DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?; // whatever the umask says
    }
    bind_unix(path, PUBLIC)
}

fn bind_unix(path: &Path, mode: u32) -> io::Result<Bound> {
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket())
        && std::os::unix::net::UnixStream::connect(path).is_err()
    {
        fs::remove_file(path)?; // left behind by a gateway that was killed
    }
    // Bound under another name and moved into place with its mode set: at no moment may others connect.
    let fresh = path.with_extension(format!("{}.tmp", std::process::id()));
    if path.exists() {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another gateway answers on this socket"));
    }
    if let Err(error) = fs::remove_file(&fresh)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error); // else: left behind by a start that was killed
    }
    let listener = std::os::unix::net::UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(mode))?;
    fs::rename(&fresh, path)?;
    listener.set_nonblocking(true)?;
    Ok(Bound { listener, _file: SocketFile(path.to_owned()) })
}

/// Serves until the future is dropped. Must run inside a `LocalSet`.
pub(crate) async fn serve(house: House, sockets: AdminSockets) -> io::Result<Infallible> {
    let guests = Guests::default();
    let AdminSockets { operator, tenants, tcp } = sockets;
    let (operator, _operator_file) = (UnixListener::from_std(operator.listener)?, operator._file);
    let (tenants, _tenants_file) = match tenants {
        Some(bound) => (Some(UnixListener::from_std(bound.listener)?), Some(bound._file)),
        None => (None, None),
    };
    let tcp = tcp.map(TcpListener::from_std).transpose()?;
    let at_operators = accept_unix(&house, &guests, &operator);
    let at_tenants = async {
        match &tenants {
            Some(listener) => accept_unix(&house, &guests, listener).await,
            None => std::future::pending().await,
        }
    };
    let over_address = async {
        let Some(tcp) = tcp else { return std::future::pending().await };
        loop {
            match tcp.accept().await {
                // Whoever it is takes the place of no tenant and of no command.
                Ok((stream, _)) => enter(&house, &guests, stream, Door::Address),
                Err(_) => tokio::time::sleep(BACK_OFF).await,
            }
        }
    };
    tokio::select! {
        never = at_operators => Ok(never),
        never = at_tenants => Ok(never),
        never = over_address => Ok(never),
    }
}

async fn accept_unix(house: &House, guests: &Guests, listener: &UnixListener) -> Infallible {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => match caller(&stream) {
                Some(caller) => enter(house, guests, stream, Door::Socket(caller)),
                None => tracing::warn!("a site leads to an admin socket: refused"),
            },
            Err(_) => tokio::time::sleep(BACK_OFF).await,
        }
    }
}

/// Who is on the other end. Our own process only connects when a site names a socket of ours as its upstream, in whatever
/// spelling; it is nobody, and so is who cannot be told.
fn caller(stream: &UnixStream) -> Option<Caller> {
    let peer = stream.peer_cred().ok()?;
    let is_another = peer.pid().is_some_and(|pid| pid.unsigned_abs() != std::process::id());
    is_another.then(|| Caller::of(peer.uid(), rustix::process::geteuid().as_raw()))
}

/// Without a place the connection is closed at once.
fn enter<S>(house: &House, guests: &Guests, stream: S, door: Door)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + 'static,
{
    let purpose = if door == Door::Address { Purpose::Watching } else { Purpose::Connection };
    if let Ok(place) = guests.enter(door.caller(), purpose, Instant::now()) {
        converse(house, guests, stream, door, place);
    }
}
