//! `cargo xtask bench instructions`: how many instructions a request takes in user space, counted by callgrind.
//!
//! A count says nothing of caches, branches or the kernel, but it is the same on a noisy machine. The real binary with one
//! worker gets request after request on one connection; after a warm-up the counters are set to zero, and after so many
//! requests read: neither the start nor the handshake is in them. Only the clear workload is recorded and judged: the code
//! of the TLS provider differs from one processor to the next.

mod area;
mod profile;
mod record;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use clap::Args;
use vestibule_testkit::{Connection, Gateway, HttpOrigin, Protocol, Site};

use self::{area::Area, profile::Profile, record::Record};
use crate::{
    Outcome,
    packages::{Package, install_missing},
};

/// The one host.
const HOST: &str = "a.test";
/// Pools, caches and buffers are as they will stay after so many requests.
const WARM_UP: u32 = 200;
/// Under callgrind everything takes fifty times as long, the first key pair of the local CA too.
const PATIENCE: Duration = Duration::from_secs(120);

const NEEDED: &[Package] = &[Package { name: "valgrind", programs: &["valgrind", "callgrind_control"] }];

/// What to count.
#[derive(Args)]
pub(crate) struct InstructionsArgs {
    /// Requests that are counted.
    #[arg(long, default_value_t = 1_000)]
    requests: u32,
    /// Record the figure of the clear workload anew.
    #[arg(long)]
    record: bool,
    /// Count this binary, not a release build.
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Print the numbers as JSON.
    #[arg(long)]
    json: bool,
}

/// How requests come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Workload {
    Clear,
    Tls(Protocol),
}

const WORKLOADS: [Workload; 3] = [Workload::Clear, Workload::Tls(Protocol::Http1), Workload::Tls(Protocol::Http2)];

impl Workload {
    fn title(self) -> &'static str {
        match self {
            Self::Clear => "HTTP/1.1, clear",
            Self::Tls(Protocol::Http1) => "HTTP/1.1, TLS",
            Self::Tls(Protocol::Http2) => "HTTP/2, TLS",
        }
    }
}

/// Instructions of one request.
type Counts = BTreeMap<Area, u64>;

/// Counts, prints, and judges or records.
pub(crate) fn run(args: &InstructionsArgs) -> Outcome {
    install_missing("`bench instructions` needs", NEEDED)?;
    let binary = args.binary.clone().map_or_else(super::release_build, Ok)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let counted = runtime.block_on(count(binary, args.requests.max(1)))?;
    if args.json {
        let by_title: BTreeMap<_, _> = counted.iter().map(|(workload, counts)| (workload.title(), counts)).collect();
        println!("{}", serde_json::to_string_pretty(&by_title)?);
    } else {
        print!(
            "{}",
            area::table(&counted.iter().map(|(workload, counts)| (workload.title(), counts)).collect::<Vec<_>>())
        );
    }
    let clear = counted.into_iter().find(|(workload, _)| *workload == Workload::Clear).ok_or("nothing was counted")?.1;
    let now = Record::of(clear);
    if args.record { now.write() } else { now.judge(&Record::read()?) }
}

/// One gateway for all workloads, one after the other.
async fn count(binary: PathBuf, requests: u32) -> Outcome<Vec<(Workload, Counts)>> {
    let origin = HttpOrigin::start().await;
    let site = Site::new(HOST).upstream(&origin).line("redirect_to_https: false");
    let profiles = tempfile::tempdir()?;
    let mut gateway = Gateway::builder()
        .binary(binary)
        .under(callgrind(profiles.path()))
        .settings("log: {access: off}")
        .workers(1)
        .site("a.yaml", &site)
        .patience(PATIENCE)
        .start()
        .await;
    let pid = gateway.process().pid();
    let mut counted = Vec::new();
    for (workload, dump) in WORKLOADS.into_iter().zip(1..) {
        let mut connection = match workload {
            Workload::Clear => gateway.connect_clear(HOST).await,
            Workload::Tls(protocol) => gateway.connect(HOST, protocol).await,
        };
        ask(&mut connection, WARM_UP).await?;
        control(pid, "--zero")?;
        ask(&mut connection, requests).await?;
        control(pid, "--dump")?;
        let worker = busiest(profiles.path(), dump)?;
        counted.push((workload, area::by_area(&worker, requests)));
    }
    Ok(counted)
}

/// The profiles of each thread apart, without the lines of the source.
fn callgrind(profiles: &Path) -> Vec<String> {
    let file = format!("--callgrind-out-file={}/profile", profiles.display());
    ["valgrind", "--quiet", "--tool=callgrind", "--separate-threads=yes", "--dump-line=no", &file]
        .map(str::to_owned)
        .to_vec()
}

async fn ask(connection: &mut Connection, requests: u32) -> Outcome {
    for _ in 0..requests {
        let answer = connection.get("/").await?;
        if answer.status != 200 {
            return Err(format!("the gateway answered {}", answer.status).into());
        }
    }
    Ok(())
}

/// What callgrind shall do with its counters; it has done so when this returns.
fn control(pid: u32, order: &str) -> Outcome {
    let told = Command::new("callgrind_control").arg(order).arg(pid.to_string()).output()?;
    if told.status.success() {
        return Ok(());
    }
    Err(format!("`callgrind_control {order}`: {}", String::from_utf8_lossy(&told.stderr).trim()).into())
}

/// The thread that did most: the worker. The others look at the clock.
fn busiest(profiles: &Path, dump: u32) -> Outcome<Profile> {
    let prefix = format!("profile.{dump}-");
    let mut all = Vec::new();
    for entry in std::fs::read_dir(profiles)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(&prefix) {
            all.push(Profile::parse(&std::fs::read_to_string(entry.path())?));
        }
    }
    let busiest = all.into_iter().max_by_key(Profile::total);
    Ok(busiest.ok_or("callgrind wrote no profile")?)
}
