//! What a start, an edit and a rescan cost with 1,000, 10,000 and 100,000 site files:
//! `cargo run --release --package vestibule-watch --example watch_cost`.
#![expect(clippy::print_stdout, reason = "its purpose is to print")]

use std::{
    error::Error,
    fs,
    path::Path,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use vestibule_watch::{Batch, Next, StopHandle, WatchConfig, run};

const EDITS: u32 = 200;
const TENANTS: u32 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    println!("files      first scan   edit (median)   edit (p99)   rescan");
    for files in [1_000, 10_000, 100_000] {
        measure(files)?;
    }
    Ok(())
}

fn name(n: u32) -> String {
    format!("tenant-{}/site-{n}.yaml", n % TENANTS)
}

fn text(n: u32, version: u32) -> String {
    format!("hosts: site-{n}.example.test\nupstream: {}\n", 5_000 + version)
}

fn measure(files: u32) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    for n in 0..files {
        let path = dir.path().join(name(n));
        fs::create_dir_all(path.parent().unwrap_or(dir.path()))?;
        fs::write(path, text(n, 0))?;
    }
    // Fresh files are read again by a rescan; let these be of yesterday's kind.
    thread::sleep(Duration::from_secs(3));

    let (sender, batches) = mpsc::channel::<Batch>();
    let (stop, started) = (StopHandle::default(), Instant::now());
    let config = WatchConfig {
        dir: dir.path().to_owned(),
        file_limit: 1 << 20,
        rescan: Duration::from_secs(3_600),
        gateway: rustix::process::geteuid().as_raw(),
    };
    let handle = stop.clone();
    let watching = thread::spawn(move || {
        run(config, &handle, |batch| if sender.send(batch).is_ok() { Next::Continue } else { Next::Stop })
    });
    let first = batches.recv()?;
    let scan = started.elapsed();
    assert_eq!(first.changes.len(), files as usize, "the first batch is complete");

    let mut costs = Vec::new();
    for version in 1..=EDITS {
        costs.push(edit(dir.path(), version * 7 % files, version, &batches)?);
    }
    costs.sort_unstable();
    let (median, p99) = (costs[costs.len() / 2], costs[costs.len() * 99 / 100]);

    let started = Instant::now();
    stop.rescan();
    batches.recv()?;
    println!("{files:<10} {scan:<12.1?} {median:<15.2?} {p99:<12.2?} {:.1?}", started.elapsed());
    stop.stop();
    watching.join().map_err(|_| "the watch panicked")??;
    Ok(())
}

/// From the rename over a site file to its batch.
fn edit(dir: &Path, n: u32, version: u32, batches: &mpsc::Receiver<Batch>) -> Result<Duration, Box<dyn Error>> {
    let beside = dir.join("edit.tmp");
    fs::write(&beside, text(n, version))?;
    let started = Instant::now();
    fs::rename(beside, dir.join(name(n)))?;
    batches.recv()?;
    Ok(started.elapsed())
}
