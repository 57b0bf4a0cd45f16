//! [`measure`]: one attack on a fresh instance of one proxy, and what it cost.

use std::{
    cell::Cell as Flag,
    path::Path,
    time::{Duration, Instant},
};

use serde::Serialize;
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};
use vestibule_testkit::{Connection, HttpOrigin, Protocol, wait::within};

use super::attack::{self, Attack, Crowd, Scale, Target, Toll};
use crate::bench::{
    peers::{
        config::{Job, Terms},
        peer::{Peer, Running},
        stage::{HOST, START_LIMIT, Stage},
    },
    visitors::{Seen, ask},
};

/// Between two requests of the other client.
const PERIOD: Duration = Duration::from_millis(5);
/// How long the other client is alone first, so that what it costs is known.
const QUIET: Duration = Duration::from_millis(500);
/// Between two looks at the memory.
const LOOK: Duration = Duration::from_millis(20);

/// What an attack cost.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    /// Connections of the attack.
    pub(super) connections: u32,
    /// What it sent: frames, fields, bytes or handshakes.
    pub(super) pieces: u64,
    /// Connections that the proxy ended.
    pub(super) closed: u32,
    /// How long those had lasted, on average.
    pub(super) closed_after_s: Option<f64>,
    /// How long all of it took.
    pub(super) took_s: f64,
    /// Processor time, user and system, without what the other client costs.
    pub(super) cpu_s: f64,
    /// The same for each piece.
    pub(super) cpu_us_per_piece: Option<f64>,
    /// The most resident memory, less what there was before.
    pub(super) growth_kib: u64,
    /// Requests of the attack that its backend got.
    pub(super) upstream_requests: usize,
    /// What the other client saw.
    pub(super) visitor: Seen,
}

/// What was seen from the side of the proxy.
struct Watched {
    toll: Toll,
    took: Duration,
    /// Of everything, the other client included.
    cpu: Duration,
    growth_kib: u64,
    quiet: Quiet,
}

/// What the other client alone costs.
struct Quiet {
    requests: usize,
    cpu: Duration,
}

/// See the module. The origin is a fresh one too: it may have old requests to answer long after their proxy is gone.
pub(super) async fn measure(
    vestibule: &Path,
    peer: Peer,
    attack: Attack,
    crowd: Crowd,
    scale: &Scale,
) -> Result<Cell, String> {
    let origin = HttpOrigin::start().await;
    let address = origin.to_string().parse().map_err(|error| format!("the origin is at {origin}: {error}"))?;
    let stage = Stage::before(vestibule.to_owned(), address).map_err(|error| error.to_string())?;
    let mut running = peer.launch(&stage, Job::Files, Terms::Shipped).await?;
    let visitor = visitor(&stage, &running).await?;
    let target = Target { trust: stage.trust().clone(), address: running.address };
    let asked = origin.requests();
    let under_way = Flag::new(true);
    let (seen, watched) = tokio::join!(ask(visitor, tokio::time::Instant::now(), PERIOD, |_| under_way.get()), async {
        let watched = watch(&mut running, &origin, || attack::start(attack, crowd, scale, target)).await;
        under_way.set(false);
        watched
    });
    let visitor = Seen::sum(&seen);
    let upstream_requests = (origin.requests() - asked).saturating_sub(visitor.requests);
    Ok(watched?.cell(upstream_requests, visitor))
}

/// Another client's connection, once the proxy serves.
async fn visitor(stage: &Stage, running: &Running) -> Result<Connection, String> {
    let serves = || async {
        let mut visitor = Connection::secure(stage.trust(), running.address, HOST, Protocol::Http1).await.ok()?;
        visitor.get("/bytes/1024").await.ok().filter(|answer| answer.status == 200)?;
        Some(visitor)
    };
    within(START_LIMIT, serves).await.ok_or_else(|| "does not answer as it should".to_owned())
}

/// Looks at the proxy before and during an attack.
async fn watch(
    running: &mut Running,
    origin: &HttpOrigin,
    attack: impl FnOnce() -> oneshot::Receiver<Toll>,
) -> Result<Watched, String> {
    let (cpu, asked) = (running.processor_time(), origin.requests());
    sleep(QUIET).await;
    let (before, memory) = (running.processor_time(), running.usage()?.resident_kib);
    let quiet = Quiet { requests: origin.requests() - asked, cpu: before.saturating_sub(cpu) };
    let began = Instant::now();
    let mut toll = attack();
    let mut peak = memory;
    let toll = loop {
        let ended = timeout(LOOK, &mut toll).await;
        peak = peak.max(running.usage()?.resident_kib);
        if let Ok(toll) = ended {
            break toll.map_err(|_| "the attack broke off")?;
        }
    };
    let (took, cpu) = (began.elapsed(), running.processor_time().saturating_sub(before));
    Ok(Watched { toll, took, cpu, growth_kib: peak.saturating_sub(memory), quiet })
}

impl Watched {
    fn cell(self, upstream_requests: usize, visitor: Seen) -> Cell {
        let Self { toll, took, growth_kib, .. } = self;
        let cpu = self.cpu.saturating_sub(self.quiet.of(visitor.requests));
        let rounded = |value: f64| (value * 1e4).round() / 1e4;
        #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
        let per_piece = cpu.as_secs_f64() * 1e6 / toll.pieces as f64;
        Cell {
            connections: toll.connections,
            pieces: toll.pieces,
            closed: toll.closed,
            closed_after_s: (toll.closed > 0).then(|| rounded(toll.lasted.as_secs_f64() / f64::from(toll.closed))),
            took_s: rounded(took.as_secs_f64()),
            cpu_s: rounded(cpu.as_secs_f64()),
            cpu_us_per_piece: (toll.pieces > 0).then(|| rounded(per_piece)),
            growth_kib,
            upstream_requests,
            visitor,
        }
    }
}

impl Quiet {
    /// What the other client's requests behind these cost, of so many in all.
    fn of(&self, requests: usize) -> Duration {
        let later = u32::try_from(requests.saturating_sub(self.requests)).unwrap_or(u32::MAX);
        let one = self.cpu / u32::try_from(self.requests.max(1)).unwrap_or(u32::MAX);
        one.saturating_mul(later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_client_is_not_the_attacks_cost() {
        let quiet = Quiet { requests: 100, cpu: Duration::from_millis(10) };
        assert_eq!(quiet.of(150), Duration::from_millis(5));
        assert_eq!(quiet.of(50), Duration::ZERO);
        assert_eq!(Quiet { requests: 0, cpu: Duration::ZERO }.of(7), Duration::ZERO);
    }
}
