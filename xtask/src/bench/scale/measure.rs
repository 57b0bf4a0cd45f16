//! One size of the bench, from the first start to the last edit.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use vestibule_testkit::{Connection, Gateway, HttpOrigin, Protocol, client::Trust};

use super::{
    changes::{Kind, Watcher},
    estate::{self, Estate},
    report::{Size, Start, milliseconds},
};
use crate::{Outcome, bench::peers::proc::processor_time};

/// Nobody waits longer than this for a start.
pub(super) const START_LIMIT: Duration = Duration::from_secs(600);
/// How long memory is given to settle.
pub(super) const REST: Duration = Duration::from_secs(3);
/// Sites that prove that all are served.
const PROOFS: u32 = 8;

/// How much of each.
pub(super) struct Plan {
    /// Visits, most of them of few sites.
    visits: u32,
    /// Changes of each kind that are timed.
    changes: u32,
    /// Edits over which memory must stay as it is.
    edits: u32,
    /// Sites added behind another proxy, which takes longer.
    pub(super) reloads: u32,
}

impl Plan {
    pub(super) const WHOLE: Self = Self { visits: 20_000, changes: 100, edits: 1_000, reloads: 3 };
    pub(super) const QUICK: Self = Self { visits: 4_000, changes: 30, edits: 300, reloads: 3 };
}

/// Resident memory of a gateway without sites.
pub(super) async fn empty(binary: &Path) -> u64 {
    let mut gateway = estate::gateway(binary).start().await;
    tokio::time::sleep(REST).await;
    gateway.process().resident_kib()
}

/// All of it for so many sites.
pub(super) async fn size(binary: &Path, sites: u32, empty_kib: u64, plan: &Plan) -> Outcome<Size> {
    let origin = HttpOrigin::start().await;
    let Estate { dir, trust } = Estate::lay_out(sites, &origin)?;
    let builder = estate::gateway(binary).patience(START_LIMIT);
    let began = Instant::now();
    let mut gateway = builder.start_in(dir).await;
    let first = started(&mut gateway, &trust, sites, began).await?;
    eprintln!("{sites} sites: started");

    gateway.terminate();
    gateway.process().wait_within(START_LIMIT).await.ok_or("the gateway did not end")?;
    let began = Instant::now();
    gateway.restart().await;
    let second = started(&mut gateway, &trust, sites, began).await?;
    tokio::time::sleep(REST).await;
    let cold_kib = gateway.process().resident_kib();
    eprintln!("{sites} sites: started again");

    let hot = visit(&mut gateway, &trust, sites, plan.visits).await?;
    tokio::time::sleep(REST).await;
    let visited_kib = gateway.process().resident_kib();
    eprintln!("{sites} sites: {hot} of them visited");

    let mut watcher = Watcher::new(&gateway).await;
    let added = watcher.change(&mut gateway, Kind::Added, plan.changes, sites).await?;
    let edited = watcher.change(&mut gateway, Kind::Edited, plan.changes, sites).await?;
    let removed = watcher.change(&mut gateway, Kind::Removed, plan.changes, sites).await?;
    let before_kib = gateway.process().resident_kib();
    watcher.edit(&gateway, plan.edits, sites).await?;
    tokio::time::sleep(REST).await;
    let after_kib = gateway.process().resident_kib();
    Ok(Size::new(sites, [first, second], [empty_kib, cold_kib, visited_kib], hot, [added, edited, removed])
        .with_edits(plan.edits, [before_kib, after_kib]))
}

/// What a start took: until the gateway says that it is ready, and until sites from all over have proved it.
async fn started(gateway: &mut Gateway, trust: &Trust, sites: u32, began: Instant) -> Outcome<Start> {
    let ready = began.elapsed();
    let processor = processor_time(gateway.process().pid());
    for proof in 0..PROOFS {
        prove(gateway, trust, (sites - 1) / (PROOFS - 1) * proof).await?;
    }
    let (proved, peak_kib) = (began.elapsed(), gateway.process().peak_kib());
    let status = gateway.status().await;
    let served = status["sites"]["live"].as_u64().or_else(|| status["sites"].as_u64());
    if let Some(served) = served.filter(|served| *served != u64::from(sites)) {
        return Err(format!("{served} of {sites} sites are live").into());
    }
    Ok(Start {
        ready_ms: milliseconds(ready),
        proved_ms: milliseconds(proved),
        cpu_ms: milliseconds(processor),
        peak_kib,
    })
}

/// A whole request by the site's own name and certificate.
async fn prove(gateway: &Gateway, trust: &Trust, number: u32) -> Outcome {
    let host = estate::host(number);
    let mut connection = Connection::secure(trust, gateway.https(), &host, Protocol::Http1).await?;
    let answer = connection.get("/bytes/10").await?;
    match answer.status.as_u16() {
        200 => Ok(()),
        other => Err(format!("{host} answered {other}").into()),
    }
}

/// So many handshakes, as visitors are: a few sites often, most of them hardly ever. How many sites had one.
async fn visit(gateway: &mut Gateway, trust: &Trust, sites: u32, visits: u32) -> Outcome<u32> {
    let mut seen = std::collections::HashSet::new();
    let mut drawn = 0x9e37_79b9_u32;
    for _ in 0..visits {
        // xorshift: the same visits in every run.
        drawn ^= drawn << 13;
        drawn ^= drawn >> 17;
        drawn ^= drawn << 5;
        let number = rank(drawn, sites);
        let host = estate::host(number);
        if let Err(error) = trust.connect(gateway.https(), &host, &[b"http/1.1"]).await {
            return Err(format!("{host}: {error}; the gateway's log ends with:\n{}", last_lines(gateway)).into());
        }
        seen.insert(number);
    }
    Ok(u32::try_from(seen.len())?)
}

fn last_lines(gateway: &mut Gateway) -> String {
    let log = gateway.process().stderr();
    let from = log.rmatch_indices('\n').nth(5).map_or(0, |(place, _)| place + 1);
    log[from..].to_owned()
}

/// Zipf's law with exponent 1, near enough: each factor of e in rank is as likely as any other.
fn rank(drawn: u32, sites: u32) -> u32 {
    let part = f64::from(drawn) / f64::from(u32::MAX);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and the number of sites")]
    let rank = f64::from(sites).powf(part) as u32;
    rank.clamp(1, sites) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_site_may_be_visited_and_the_first_most_often() {
        assert_eq!((rank(0, 1_000), rank(u32::MAX, 1_000)), (0, 999));
        assert!(rank(u32::MAX / 2, 1_000) < 32, "half of the visits are of the first few");
    }
}
