//! The measurement of `bench swap`, from the empty gateway to the last edit.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use vestibule_testkit::{
    Gateway, HttpOrigin, Site,
    swap::{Edits, Load},
};

use super::report::Report;
use crate::Outcome;

/// Nobody waits longer than this for a start.
const START_LIMIT: Duration = Duration::from_secs(600);
/// The site that is under load while others are edited.
const LOADED_HOST: &str = "a.bench.test";

/// Measures start and memory with so many sites, then so many edits under load.
pub(super) async fn run(binary: PathBuf, sites: usize, edits: usize) -> Outcome<Report> {
    let builder = Gateway::builder().binary(binary).settings("log: {access: off}").patience(START_LIMIT);
    let mut empty = builder.clone().start().await;
    let empty_kib = empty.process().resident_kib();
    drop(empty);

    let origin = HttpOrigin::start().await;
    let dir = tempfile::tempdir()?;
    populate(&dir.path().join("sites.d"), sites, &origin)?;
    let start = Instant::now();
    let mut gateway = builder.start_in(dir).await;
    let cold_start = start.elapsed();
    let full_kib = gateway.process().resident_kib();

    let load = Load::start(&gateway, LOADED_HOST).await;
    let live_after = Edits::watch(&gateway).await.make(edits).await;
    let load = load.stop().await;
    let end_kib = gateway.process().resident_kib();
    Ok(Report::new(sites, cold_start, [empty_kib, full_kib, end_kib], edits, live_after, load))
}

/// Two-line site files: the one under load, those that will be edited, and the crowd.
fn populate(dir: &Path, count: usize, origin: &HttpOrigin) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    Site::new(LOADED_HOST).upstream(origin).write(dir, "a.yaml");
    let mut written = 1;
    for (file, site) in Edits::files() {
        site.write(dir, &file);
        written += 1;
    }
    let mut text = String::new();
    for number in written..count {
        text.clear();
        write!(text, "hosts: s{number}.bench.test\nupstream: {origin}\n").map_err(io::Error::other)?;
        fs::write(dir.join(format!("s{number}.yaml")), &text)?;
    }
    Ok(())
}
