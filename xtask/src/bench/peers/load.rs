//! One load on one proxy, whoever makes it, and the processor time and memory of the proxy during it.

use std::{sync::Arc, time::Duration};

use vestibule_testkit::{Protocol, process::Program};

use super::{
    cell::Sample,
    h2load, idle,
    open::{
        latency::Latency,
        messages,
        paced::Paced,
        slow::{CLIENTS, Crowd},
        visits,
    },
    peer::Running,
    proc::Usage,
    sockets::Room,
    stage::Stage,
    workload::{Ask, Load, Workload},
    wrk,
};

/// What a generator may take beyond the time it was told.
const PATIENCE: Duration = Duration::from_secs(15);
/// Requests a second beside slow clients, and on how many connections.
const BESIDE: (f64, u32) = (2_000.0, 32);

/// What a load generator says of a run in which nothing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    /// Whole answers.
    pub(super) requests: u64,
    /// Everything received, also of answers that the end cut off.
    pub(super) bytes: Option<u64>,
    /// How long it took.
    pub(super) micros: u64,
    /// How long the answers took.
    pub(super) latency: Latency,
}

/// How long, and how much where a load does not say so itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dose {
    pub(super) seconds: u32,
    /// Requests a second at equal load.
    pub(super) even: f64,
}

/// Loads a running proxy.
pub(super) async fn measure(
    stage: &Stage,
    running: &mut Running,
    workload: Workload,
    dose: Dose,
) -> Result<Sample, String> {
    let (address, seconds) = (running.address, dose.seconds);
    let mut before = running.usage()?;
    let loaded = match workload.load() {
        Load::Idle(protocol) => return idle::measure(stage, running, protocol).await,
        Load::Slow => return beside_slow(stage, running, workload, seconds).await,
        Load::Wrk { connections, ask } => {
            let script = stage.script(&format!("{}.lua", workload.name()), &wrk::script(workload, ask))?;
            let words = wrk::command(connections, seconds, &script, &running.url(workload.path()));
            wrk::parse(&generate(stage, words, seconds).await?, ask)?
        }
        Load::H2load => {
            let log = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
            let words = h2load::command(seconds, log.path(), &running.url(workload.path()));
            let report = generate(stage, words, seconds).await?;
            let text = std::fs::read_to_string(log.path()).map_err(|error| format!("no log of h2load: {error}"))?;
            h2load::parse(&report, &text)?
        }
        // What it costs to open these connections is not theirs.
        Load::Even { protocol, connections, .. } => {
            let lines = paced(stage, running, workload, (protocol, connections)).open().await?;
            before = running.usage()?;
            lines.run(dose.even, seconds).await?
        }
        Load::Visits(of) => {
            let asked = (workload.path(), workload.body_bytes());
            let crowd = visits::Crowd::gather(of, stage, address, asked).await?;
            before = running.usage()?;
            crowd.run(seconds).await?
        }
        Load::Messages => {
            let lines = messages::open(Arc::new(stage.tls()), address, workload.path()).await?;
            before = running.usage()?;
            lines.run(messages::MESSAGES_PER_SECOND, seconds).await?
        }
    };
    sample(workload, loaded, before, running.usage()?)
}

fn paced<'a>(
    stage: &'a Stage,
    running: &Running,
    workload: Workload,
    (protocol, connections): (Protocol, u32),
) -> Paced<'a> {
    Paced {
        address: running.address,
        tls: Arc::new(stage.tls()),
        trust: stage.trust(),
        protocol,
        connections,
        path: workload.path(),
        length: workload.body_bytes(),
    }
}

/// The slow ones come first; what they add to the memory is seen when the load is over, and what they cost is in the
/// processor time per request of the others.
async fn beside_slow(stage: &Stage, running: &mut Running, workload: Workload, seconds: u32) -> Result<Sample, String> {
    let room = Room::free().await?;
    let lines = paced(stage, running, workload, (Protocol::Http1, BESIDE.1)).open().await?;
    let alone = running.usage()?.resident_kib;
    let alone = *running.before_crowds.get_or_insert(alone);
    let mut crowd = Crowd::open(&Arc::new(stage.tls()), running.address).await?;
    let before = running.usage()?;
    let loaded = lines.run(BESIDE.0, seconds).await?;
    let after = running.usage()?;
    crowd.are_all_there()?;
    room.was_enough()?;
    #[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
    let added = after.resident_kib.saturating_sub(alone) as f64;
    let sample = sample(workload, loaded, before, after)?;
    Ok(Sample { kib_per_connection: Some(added / f64::from(CLIENTS)), ..sample })
}

/// Runs a load generator to its end, and gives what it wrote.
async fn generate(stage: &Stage, words: Vec<String>, seconds: u32) -> Result<String, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (program, args) = words.split_first().ok_or("no command")?;
    let program = Program::new(program).args(args).env("OPENSSL_CONF", stage.openssl_settings());
    let mut process = program.start("load", dir.path());
    let bound = Duration::from_secs(u64::from(seconds)) + PATIENCE;
    let exit = process.wait_within(bound).await.ok_or_else(|| format!("the load did not end within {bound:?}"))?;
    if exit.success() {
        Ok(process.stdout())
    } else {
        Err(format!("the load ended with {exit}: {}", process.stderr().trim()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn sample(workload: Workload, loaded: Loaded, before: Usage, after: Usage) -> Result<Sample, String> {
    if loaded.requests == 0 {
        return Err("not one answer was whole".to_owned());
    }
    // What an upload is answered with is short; so are errors that were asked for.
    let body = match workload.load() {
        Load::Wrk { ask: Ask::File, .. } => workload.body_bytes(),
        _ => 0,
    };
    // wrk lets redirections pass as good, and short answers.
    if loaded.bytes.is_some_and(|bytes| bytes < loaded.requests * body) {
        return Err(format!("{} answers are not {body} bytes each", loaded.requests));
    }
    // Of few long answers, those that the end cut off are work done too.
    let answers = match loaded.bytes {
        Some(bytes) if workload == Workload::Large => bytes as f64 / body as f64,
        _ => loaded.requests as f64,
    };
    let Latency { p50, p99, p999 } = loaded.latency;
    let milliseconds = |micros: u64| Some(micros as f64 / 1e3);
    Ok(Sample {
        requests_per_second: Some(answers * 1e6 / loaded.micros.max(1) as f64),
        cpu_us_per_request: Some(after.cpu.saturating_sub(before.cpu).as_secs_f64() * 1e6 / answers),
        p50_ms: milliseconds(p50),
        p99_ms: milliseconds(p99),
        p999_ms: milliseconds(p999),
        rss_kib: Some(after.resident_kib as f64),
        kib_per_connection: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples() {
        let usage = |millis| Usage { cpu: Duration::from_millis(millis), resident_kib: 64 };
        let of = |workload, requests, bytes| {
            let latency = Latency { p50: 500, p99: 1_500, p999: 2_500 };
            let loaded = Loaded { requests, bytes, micros: 2_000_000, latency };
            sample(workload, loaded, usage(1_000), usage(3_000))
        };
        let small = of(Workload::H1, 1_000, Some(1_100_000)).unwrap();
        assert_eq!((small.requests_per_second, small.cpu_us_per_request), (Some(500.0), Some(2_000.0)));
        assert_eq!([small.p50_ms, small.p99_ms, small.p999_ms], [Some(0.5), Some(1.5), Some(2.5)]);
        assert_eq!(small.rss_kib, Some(64.0));
        // Two and a half answers: the half was work.
        let large = of(Workload::Large, 2, Some(40 << 20)).unwrap();
        assert_eq!(large.cpu_us_per_request, Some(800_000.0));
        assert!(of(Workload::H1, 1_000, Some(1_000)).is_err(), "empty answers");
        assert!(of(Workload::Upload, 1_000, Some(100_000)).is_ok(), "answers to uploads are short");
        assert!(of(Workload::H2, 0, None).is_err(), "no answers");
    }
}
