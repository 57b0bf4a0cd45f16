//! One run of a load generator against one proxy, and the processor time of the proxy during it.

use std::time::Duration;

use vestibule_testkit::process::Program;

use super::{
    cell::Sample,
    h2load,
    peer::Running,
    proc::{Usage, microseconds},
    stage::Stage,
    workload::{Generator, Workload},
    wrk,
};

/// What a generator may take beyond the time it was told.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a load generator says of a run in which nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Whole answers.
    pub(super) requests: u64,
    /// Everything received, also of answers that the end cut off.
    pub(super) bytes: Option<u64>,
    /// How long it took.
    pub(super) micros: u64,
    /// Median latency.
    pub(super) p50_us: u64,
    /// The slowest of a hundred.
    pub(super) p99_us: u64,
}

/// Loads a running proxy.
pub(super) async fn measure(
    stage: &Stage,
    running: &mut Running,
    workload: Workload,
    seconds: u32,
) -> Result<Sample, String> {
    let before = running.usage()?;
    let loaded = run(stage, &running.url(workload.path()), workload, seconds).await?;
    let after = running.usage()?;
    sample(workload, loaded, before, after)
}

async fn run(stage: &Stage, url: &str, workload: Workload, seconds: u32) -> Result<Loaded, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let log = dir.path().join("requests.log");
    let words = workload.command(url, seconds, &stage.script(), &log);
    let (program, args) = words.split_first().ok_or("no command")?;
    let program = Program::new(program).args(args).env("OPENSSL_CONF", stage.openssl_settings());
    let mut process = program.start("load", dir.path());
    let bound = Duration::from_secs(u64::from(seconds)) + PATIENCE;
    let exit = process.wait_within(bound).await.ok_or_else(|| format!("the load did not end within {bound:?}"))?;
    if !exit.success() {
        return Err(format!("the load ended with {exit}: {}", process.stderr().trim()));
    }
    let text = || std::fs::read_to_string(&log).map_err(|error| format!("no log of h2load: {error}"));
    match workload.generator() {
        Generator::Wrk => wrk::parse(&process.stdout()),
        Generator::H2load => h2load::parse(&process.stdout(), &text()?, "h2"),
        Generator::H2loadRate => h2load::parse(&process.stdout(), &text()?, "http/1.1"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn sample(workload: Workload, loaded: Loaded, before: Usage, after: Usage) -> Result<Sample, String> {
    let body = workload.body_bytes();
    if loaded.requests == 0 {
        return Err("not one answer was whole".to_owned());
    }
    // wrk lets redirections pass as good, and short answers.
    if loaded.bytes.is_some_and(|bytes| bytes < loaded.requests * body) {
        return Err(format!("{} answers are not {body} bytes each", loaded.requests));
    }
    // Of few long answers, those that the end cut off are work done too.
    let answers = match loaded.bytes {
        Some(bytes) if workload == Workload::Large => bytes as f64 / body as f64,
        _ => loaded.requests as f64,
    };
    Ok(Sample {
        requests_per_second: Some(answers * 1e6 / loaded.micros.max(1) as f64),
        cpu_us_per_request: Some(microseconds(after.ticks.saturating_sub(before.ticks)) / answers),
        p50_ms: Some(loaded.p50_us as f64 / 1e3),
        p99_ms: Some(loaded.p99_us as f64 / 1e3),
        rss_kib: Some(after.resident_kib as f64),
        kib_per_connection: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples() {
        let usage = |ticks| Usage { ticks, resident_kib: 64 };
        let of = |workload, requests, bytes| {
            let loaded = Loaded { requests, bytes, micros: 2_000_000, p50_us: 500, p99_us: 1_500 };
            sample(workload, loaded, usage(100), usage(300))
        };
        let tick = microseconds(1);
        let small = of(Workload::H1, 1_000, Some(1_100_000)).unwrap();
        assert_eq!(small.requests_per_second, Some(500.0));
        assert_eq!(small.cpu_us_per_request, Some(200.0 * tick / 1_000.0));
        assert_eq!([small.p50_ms, small.p99_ms, small.rss_kib], [Some(0.5), Some(1.5), Some(64.0)]);
        // Two and a half answers: the half was work.
        let large = of(Workload::Large, 2, Some(40 << 20)).unwrap();
        assert_eq!(large.cpu_us_per_request, Some(200.0 * tick / 2.5));
        assert!(of(Workload::H1, 1_000, Some(1_000)).is_err(), "empty answers");
        assert!(of(Workload::H2, 0, None).is_err(), "no answers");
    }
}
