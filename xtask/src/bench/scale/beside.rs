//! [`Beside`]: as many sites with a certificate each behind another proxy, in its own words, and what it takes there until one
//! more is served: the proxy reads its whole configuration again. Files are written before the clock runs.
//!
//! Not here: ways to change a running proxy without its configuration (HAProxy's runtime API knows some, for certificates and
//! maps that are there already).

use std::{
    fs, io,
    net::SocketAddr,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde::Serialize;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};
use vestibule_testkit::{
    Connection, HttpOrigin, Protocol,
    backend::free_port,
    certificate::Authority,
    client::{Trust, whole},
    process::{Process, Program},
};

use super::{
    estate,
    measure::{REST, START_LIMIT},
    report::{Change, kib_each, milliseconds},
};
use crate::{
    Outcome,
    bench::peers::{
        config::{self, Job, Setup, Terms},
        hosts,
        peer::Peer,
        proc::{processor_time, proportional_kib},
        stage::listening,
    },
    packages::path_of,
};

/// Between two looks: each is a handshake, which costs the proxy something too.
const LOOK: Duration = Duration::from_millis(20);
/// A proxy that reads its configuration answers late or not at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was measured.
#[derive(Debug, Serialize)]
pub(super) struct Beside {
    pub(super) peer: Peer,
    /// Until the last site was served over TLS with its own certificate.
    pub(super) proved_ms: f64,
    /// Processor time until then.
    pub(super) cpu_ms: f64,
    pub(super) kib_per_site: f64,
    pub(super) added: Change,
}

/// A proxy, and the folder that it is configured in.
struct Place {
    // First: it ends before its folder goes.
    process: Process,
    peer: Peer,
    files: Files,
}

struct Files {
    authority: Authority,
    names: Vec<String>,
    listen: SocketAddr,
    /// Caddy's, where it is told to read its configuration again.
    admin: SocketAddr,
    origin: SocketAddr,
    dir: TempDir,
}

/// All of it for so many sites.
pub(super) async fn measure(peer: Peer, sites: u32, changes: u32) -> Outcome<Beside> {
    let origin = HttpOrigin::start().await;
    let few = Place::start(peer, 1, &origin).await?;
    sleep(REST).await;
    let empty_kib = few.kib()?;
    drop(few);

    let began = Instant::now();
    let files = Files::lay_out(sites, &origin)?;
    eprintln!("{sites} sites: laid out for {} in {:?}", peer.name(), began.elapsed());
    let began = Instant::now();
    let mut place = Place::start_with(peer, files).await?;
    place.prove(began).await?;
    let (proved, processor) = (began.elapsed(), processor_time(place.process.pid()));
    sleep(REST).await;
    let kib = place.kib()?;
    eprintln!("{sites} sites: {} started", peer.name());

    let before = processor_time(place.process.pid());
    let mut live_after = Vec::new();
    for _ in 0..changes {
        live_after.push(place.add().await?);
    }
    // What is left to do for the last of them counts too.
    sleep(REST).await;
    let used = processor_time(place.process.pid()).saturating_sub(before);
    Ok(Beside {
        peer,
        proved_ms: milliseconds(proved),
        cpu_ms: milliseconds(processor),
        kib_per_site: kib_each(kib.saturating_sub(empty_kib), sites),
        added: Change::new(live_after, used / changes.max(1)),
    })
}

impl Place {
    async fn start(peer: Peer, sites: u32, origin: &HttpOrigin) -> Outcome<Self> {
        Self::start_with(peer, Files::lay_out(sites, origin)?).await
    }

    async fn start_with(peer: Peer, files: Files) -> Outcome<Self> {
        files.configure(peer)?;
        let program = path_of(peer.name()).ok_or("not installed")?;
        let dir = files.dir.path();
        let home = ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"];
        let program = Program::new(program).args(words(peer)?.split(' ')).dir(dir).with_children();
        let program = home.into_iter().fold(program, |program, name| program.env(name, dir));
        let mut process = program.start(peer.name(), dir);
        listening(&mut process, files.listen).await?;
        Ok(Self { process, peer, files })
    }

    fn kib(&self) -> Outcome<u64> {
        Ok(proportional_kib(self.process.pid()).ok_or("it has ended")?)
    }

    /// One site more: its certificate, its configuration, and until it is served.
    async fn add(&mut self) -> Outcome<Duration> {
        self.files.add()?;
        self.files.configure(self.peer)?;
        let began = Instant::now();
        match self.peer {
            // Its master process starts workers anew.
            Peer::Haproxy => self.process.signal(Signal::USR2),
            Peer::Caddy => self.files.reload_caddy().await?,
            Peer::Vestibule | Peer::Nginx | Peer::Apache => self.process.signal(Signal::HUP),
        }
        self.prove(began).await
    }

    /// Looks until the last site is served by its name and with its certificate.
    async fn prove(&self, began: Instant) -> Outcome<Duration> {
        let trust = Trust::roots(&self.files.authority.root_pem());
        let host = self.files.names.last().ok_or("no sites")?;
        loop {
            let look = async {
                let mut connection = Connection::secure(&trust, self.files.listen, host, Protocol::Http1).await.ok()?;
                connection.get("/bytes/10").await.ok()
            };
            // Before, it is somebody else's certificate, or none.
            let answer = timeout(PATIENCE, look).await.ok().flatten();
            if answer.is_some_and(|answer| answer.status == 200) {
                return Ok(began.elapsed());
            }
            if began.elapsed() > START_LIMIT {
                return Err(format!("{host} is not served by {} after {START_LIMIT:?}", self.peer.name()).into());
            }
            sleep(LOOK).await;
        }
    }
}

impl Files {
    fn lay_out(sites: u32, origin: &HttpOrigin) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("vestibule-bench").tempdir()?;
        let (authority, names) = (Authority::default(), (0..sites).map(estate::host).collect::<Vec<_>>());
        hosts::issue(&authority, &names, dir.path())?;
        let (listen, admin) = (free_port(), free_port());
        Ok(Self { authority, names, listen, admin, origin: origin.to_string().parse()?, dir })
    }

    fn add(&mut self) -> Outcome {
        let name = estate::host(u32::try_from(self.names.len())?);
        hosts::issue_one(&self.authority, &name, self.dir.path())?;
        self.names.push(name);
        Ok(())
    }

    fn setup(&self) -> Setup<'_> {
        Setup {
            terms: Terms::Load,
            job: Job::Hosts,
            dir: self.dir.path(),
            certificates: self.dir.path(),
            names: &self.names,
            listen: self.listen,
            metrics: self.admin,
            origin: self.origin,
        }
    }

    /// Writes all of it.
    fn configure(&self, peer: Peer) -> io::Result<()> {
        let (setup, dir) = (self.setup(), self.dir.path());
        match peer {
            // Without a master process it does not read it again.
            Peer::Nginx => {
                fs::write(dir.join("nginx.conf"), config::nginx(&setup).replacen("master_process off;", "", 1))
            }
            Peer::Haproxy => {
                fs::write(dir.join("hosts.map"), config::haproxy_map(&setup))?;
                fs::write(dir.join("haproxy.cfg"), config::haproxy(&setup))
            }
            Peer::Caddy => fs::write(dir.join("Caddyfile"), config::caddy(&setup)),
            Peer::Vestibule | Peer::Apache => Ok(()),
        }
    }

    /// As `caddy reload` does.
    async fn reload_caddy(&self) -> Outcome {
        let text = config::caddy(&self.setup());
        let asking = async {
            let mut connection = Connection::clear(self.admin, &self.admin.to_string()).await?;
            let request = connection.request("/load").method("POST").header("content-type", "text/caddyfile");
            let answer = connection.answer(request.body(whole(text))?).await?;
            if answer.status == 200 { Ok(()) } else { Outcome::Err(answer.text().into()) }
        };
        timeout(START_LIMIT, asking).await?
    }
}

/// Its arguments. HAProxy reads its configuration again as a master process with workers only.
///
/// # Errors
/// It is none that this bench knows.
pub(super) fn words(peer: Peer) -> Outcome<&'static str> {
    match peer {
        Peer::Nginx => Ok("-p . -e error.log -c nginx.conf"),
        Peer::Haproxy => Ok("-W -db -f haproxy.cfg"),
        Peer::Caddy => Ok("run --adapter caddyfile --config Caddyfile"),
        Peer::Vestibule | Peer::Apache => Err("only beside nginx, HAProxy and Caddy".into()),
    }
}
