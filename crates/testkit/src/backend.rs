//! Other people's servers, as processes: Python's `http.server` over TCP and over a Unix socket, nginx.

use std::{
    fmt, fs,
    net::{SocketAddr, TcpListener},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::net;
use tempfile::TempDir;
use tokio::net::{TcpStream, UnixStream};

use crate::{
    process::{Process, Program},
    wait::eventually,
};

/// A port that was free a moment ago, for servers that cannot choose one themselves. It lies below the range from which
/// the kernel serves port 0 (ip(7)), so that no gateway or origin of another test takes it meanwhile.
pub fn free_port() -> SocketAddr {
    const FIRST: u32 = 12_000;
    const COUNT: u32 = 20_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Test programs that run side by side begin at different places.
    let start = std::process::id().wrapping_mul(997);
    let ports = std::iter::repeat_with(|| FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT);
    let addresses =
        ports.take(COUNT as usize).map(|port| SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap())));
    addresses.into_iter().find(|address| TcpListener::bind(address).is_ok()).expect("a free port among so many")
}

/// An address that refuses connections and is nobody else's as long as this lives: bound, but not listening.
#[derive(Debug)]
pub struct Refusing {
    address: SocketAddr,
    _socket: OwnedFd,
}

impl Refusing {
    /// On a loopback port.
    pub fn bind() -> Self {
        let socket = net::socket(net::AddressFamily::INET, net::SocketType::STREAM, None).unwrap();
        net::bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = net::getsockname(&socket).unwrap().try_into().unwrap();
        Self { address, _socket: socket }
    }
}

impl fmt::Display for Refusing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

/// A running server and its folder.
#[derive(Debug)]
pub struct Backend {
    /// Its process: first, so that it ends before its folder goes.
    pub process: Process,
    /// As a site file writes it.
    pub upstream: String,
    /// What it serves.
    pub dir: TempDir,
}

/// Which user a backend runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// Ours.
    Same,
    /// Another (needs root).
    Uid(u32),
}

impl User {
    fn on(self, program: Program) -> Program {
        match self {
            Self::Same => program,
            Self::Uid(uid) => program.user(uid),
        }
    }
}

/// `python3 -m http.server` on a folder whose `index.html` is `page`.
pub async fn python_files(page: &str, user: User) -> Backend {
    let dir = served(page);
    let address = free_port();
    let program = Program::new(python()).args(["-m", "http.server", "--bind", "127.0.0.1"]);
    let program = program.args([address.port().to_string()]).dir(&dir.path().join("www"));
    let process = user.on(program).start("python", dir.path());
    listening(address).await;
    Backend { process, upstream: address.to_string(), dir }
}

/// Python's HTTP server on a Unix socket: every GET is answered by `page` and the user it runs as.
pub async fn python_unix(page: &str, user: User) -> Backend {
    const SCRIPT: &str = "\
import http.server, os, socketserver, sys
class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        body = ('%s uid=%d' % (sys.argv[2], os.getuid())).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def address_string(self):
        return 'unix'
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
with Server(sys.argv[1], Answer) as server:
    os.chmod(sys.argv[1], 0o666)
    server.serve_forever()
";
    let dir = served(page);
    let socket = dir.path().join("www/backend.sock");
    let program = Program::new(python()).args(["-c", SCRIPT]).args([socket.as_os_str(), page.as_ref()]);
    let process = user.on(program).start("python", dir.path());
    let look = || async { UnixStream::connect(&socket).await.ok() };
    drop(eventually("the Unix backend to listen", look).await);
    Backend { process, upstream: format!("unix:{}", socket.display()), dir }
}

/// nginx on a free port, serving a folder whose `index.html` is `page`.
pub async fn nginx(page: &str) -> Backend {
    let dir = served(page);
    let address = free_port();
    let configuration = nginx_configuration(dir.path(), address);
    fs::write(dir.path().join("nginx.conf"), configuration).unwrap();
    let program =
        ["/usr/sbin/nginx", "/sbin/nginx"].into_iter().find(|path| Path::new(path).exists()).unwrap_or("nginx");
    let program = Program::new(program).args(["-p".as_ref(), dir.path().as_os_str()]);
    let process = program.args(["-e", "error.log", "-c", "nginx.conf"]).start("nginx", dir.path());
    listening(address).await;
    Backend { process, upstream: address.to_string(), dir }
}

fn nginx_configuration(dir: &Path, address: SocketAddr) -> String {
    let dir = dir.display();
    format!(
        "daemon off; master_process off; pid {dir}/nginx.pid; error_log {dir}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server {{ listen {address}; root {dir}/www; location = /host {{ return 200 \"$host $http_x_forwarded_proto\"; }} }}
}}
"
    )
}

/// A folder that any user may read, with `www/index.html` in it.
fn served(page: &str) -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::Builder::new().prefix("vestibule-backend").tempdir().unwrap();
    let www = dir.path().join("www");
    fs::create_dir(&www).unwrap();
    fs::write(www.join("index.html"), page).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // A backend of another user puts its socket here.
    fs::set_permissions(&www, fs::Permissions::from_mode(0o777)).unwrap();
    dir
}

/// Debian's Python before others in the path: wrappers in home folders are not for other users.
pub fn python() -> PathBuf {
    let system = PathBuf::from("/usr/bin/python3");
    if system.exists() { system } else { PathBuf::from("python3") }
}

async fn listening(address: SocketAddr) {
    let look = || async { TcpStream::connect(address).await.ok() };
    drop(eventually(&format!("a backend to listen on {address}"), look).await);
}
