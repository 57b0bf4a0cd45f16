//! `vestibule demo-backend` (hidden): a small web server that answers with who it is and what it was told about the client.
//! Not part of the gateway: it only stands behind it in the demo.

mod answer;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    task::JoinSet,
};

use crate::{exit::Exit, failure::Failure};

/// Connections at once; further ones wait in the kernel's queue.
const CONNECTION_LIMIT: usize = 256;
/// For the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Accepting rests this long after an error (no descriptors, usually).
const BACK_OFF: Duration = Duration::from_millis(100);

/// The flags of `demo-backend`.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    /// What it calls itself
    #[arg(long)]
    name: String,
    /// The port on loopback to listen on; 0 is any
    #[arg(long, required_unless_present = "unix")]
    port: Option<u16>,
    /// The Unix socket to listen on
    #[arg(long, conflicts_with = "port")]
    unix: Option<PathBuf>,
}

/// Where it listens.
#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Serves until standard input ends, which it does when the demo is gone, however it went.
pub(crate) fn run(flags: Flags) -> Result<Exit, Failure> {
    std::thread::spawn(|| {
        drop(io::copy(&mut io::stdin().lock(), &mut io::sink()));
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Signals)?;
    runtime.block_on(async {
        let (listener, address) = listen(&flags).await?;
        writeln!(io::stdout(), "{address}")?;
        serve(listener, &flags.name).await
    })
}

async fn listen(flags: &Flags) -> Result<(Listener, String), Failure> {
    let failed = |source| Failure::Backend { name: flags.name.clone(), source };
    if let Some(path) = &flags.unix {
        let listener = UnixListener::bind(path).map_err(failed)?;
        return Ok((Listener::Unix(listener), format!("unix:{}", path.display())));
    }
    let listener = TcpListener::bind(("127.0.0.1", flags.port.unwrap_or(0))).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?.to_string();
    Ok((Listener::Tcp(listener), address))
}

async fn serve(listener: Listener, name: &str) -> Result<Exit, Failure> {
    let name: std::rc::Rc<str> = name.into();
    let tasks = tokio::task::LocalSet::new();
    tasks
        .run_until(async {
            let mut open = JoinSet::new();
            loop {
                while open.try_join_next().is_some() {}
                if open.len() >= CONNECTION_LIMIT {
                    open.join_next().await;
                }
                let name = name.clone();
                let accepted = match &listener {
                    Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                        open.spawn_local(converse(stream, name));
                    }),
                    Listener::Unix(listener) => listener.accept().await.map(|(stream, _)| {
                        open.spawn_local(converse(stream, name));
                    }),
                };
                if accepted.is_err() {
                    tokio::time::sleep(BACK_OFF).await;
                }
            }
        })
        .await
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, name: std::rc::Rc<str>) {
    let service =
        service_fn(|request| std::future::ready(Ok::<_, std::convert::Infallible>(answer::to(&request, &name))));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // However it ended, the gateway has its own word about it.
    drop(connection.await);
}
