//! [`Backend`]: an [`HttpOrigin`] as a process of a tenant's, which can be killed and started again where it was.

use std::{
    fmt, fs, io,
    net::SocketAddr,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use tokio::net::{TcpStream, UnixStream};
use vestibule_testkit::{
    HttpOrigin, eventually,
    ports::Reserved,
    process::{Process, Program},
};

use crate::Outcome;

/// `xtask soak-backend`: not for people.
#[derive(Args)]
pub(crate) struct BackendArgs {
    /// An address of the loopback, or the path of a Unix socket.
    address: String,
}

/// Serves until it is ended.
pub(super) fn serve(args: &BackendArgs) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let _origin = match args.address.parse::<SocketAddr>() {
            Ok(address) => HttpOrigin::start_at(address).await?,
            Err(_) => HttpOrigin::start_unix(Path::new(&args.address)),
        };
        std::future::pending::<Outcome>().await
    })
}

/// Where a backend listens.
#[derive(Clone, Debug)]
enum Place {
    Port(Reserved),
    Socket(PathBuf),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Backend {
    process: Process,
    program: PathBuf,
    place: Place,
    user: Option<u32>,
    logs: PathBuf,
}

impl Backend {
    /// On a port of the loopback that stays its own.
    pub(super) async fn at_port(program: &Path, user: Option<u32>, logs: &Path) -> Self {
        Self::begin(program, Place::Port(Reserved::tcp()), user, logs).await
    }

    /// On a Unix socket in a folder of that user's.
    pub(super) async fn at_socket(program: &Path, user: Option<u32>, logs: &Path) -> io::Result<Self> {
        let folder = logs.join("run");
        fs::create_dir(&folder)?;
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755))?;
        std::os::unix::fs::chown(&folder, user, user)?;
        Ok(Self::begin(program, Place::Socket(folder.join("backend.sock")), user, logs).await)
    }

    async fn begin(program: &Path, place: Place, user: Option<u32>, logs: &Path) -> Self {
        let process = start(program, &place, user, logs);
        let backend = Self { process, program: program.to_path_buf(), place, user, logs: logs.to_path_buf() };
        backend.listens().await;
        backend
    }

    /// SIGKILL: what is open is cut.
    pub(super) fn kill(&mut self) {
        self.process.kill();
    }

    /// The same again, where it was.
    pub(super) async fn start_again(&mut self) {
        if let Place::Socket(path) = &self.place {
            // Nobody listens there any more.
            let _ = fs::remove_file(path);
        }
        self.process = start(&self.program, &self.place, self.user, &self.logs);
        self.listens().await;
    }

    async fn listens(&self) {
        let place = &self.place;
        let look = || async {
            match place {
                Place::Port(port) => TcpStream::connect(port.address()).await.map(drop).ok(),
                Place::Socket(path) => UnixStream::connect(path).await.map(drop).ok(),
            }
        };
        eventually("a backend to listen", look).await;
    }
}

fn start(program: &Path, place: &Place, user: Option<u32>, logs: &Path) -> Process {
    let address = match place {
        Place::Port(port) => {
            port.release();
            port.address().to_string()
        }
        Place::Socket(path) => path.display().to_string(),
    };
    let program = Program::new(program).args(["soak-backend", &address]);
    let program = match user {
        Some(uid) => program.user(uid),
        None => program,
    };
    program.start("backend", logs)
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Port(port) => port.address().fmt(f),
            Place::Socket(path) => write!(f, "unix:{}", path.display()),
        }
    }
}
