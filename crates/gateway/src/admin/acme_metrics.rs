//! Metrics of public CAs: orders, names by state, the next expiry, and what the workers' front counts. Present only while
//! a CA is configured.

use std::{fmt, sync::atomic::Ordering::Relaxed};

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::metrics::{counter, gauge, labelled};
use crate::house::House;

/// Writes them.
pub(super) fn encode(house: &House, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let (Some(handle), Some(front)) = (&house.acme, &house.shared.acme) else { return Ok(()) };
    let counts = handle.counts();
    let running = u64::from(front.running.load(Relaxed));
    gauge(encoder, "acme_running", "0 when nothing is ordered or renewed any more", running)?;
    let mut orders = encoder.encode_descriptor("acme_orders", "Orders by CA and outcome", None, MetricType::Counter)?;
    for (ca, outcome, count) in &counts.orders {
        let labels = [("ca", ca.as_str()), ("outcome", outcome)];
        ConstCounter::new(*count).encode(orders.encode_family(&labels)?)?;
    }
    let mut names = encoder.encode_descriptor("acme_names", "Names of sites by state", None, MetricType::Gauge)?;
    for (state, count) in &counts.names {
        let value = i64::try_from(*count).unwrap_or(i64::MAX);
        ConstGauge::new(value).encode(names.encode_family(&[("state", *state)])?)?;
    }
    gauge(encoder, "acme_expired_names", "Names of sites whose certificate has run out", counts.expired)?;
    let broken = u64::try_from(house.shared.vault.store().broken().len()).unwrap_or(u64::MAX);
    gauge(encoder, "acme_broken_issuances", "Directories of the store that cannot be used", broken)?;
    if let Some(seconds) = counts.next_expiry {
        let help = "Until the next certificate runs out, of names that lead here";
        let descriptor = encoder.encode_descriptor("acme_next_expiry_seconds", help, None, MetricType::Gauge)?;
        ConstGauge::new(seconds).encode(descriptor)?;
    }
    counter(encoder, "acme_hook_failures", "Hooks that failed, and events they missed", counts.hook_failures)?;
    let (held, refused) = front.holds.counts();
    gauge(encoder, "acme_holds_open", "Handshakes that wait for a first certificate", front.holds.open())?;
    counter(encoder, "acme_holds", "Handshakes that have waited for a first certificate", held)?;
    counter(encoder, "acme_holds_refused", "Handshakes that found no place to wait", refused)?;
    let challenges = house.shared.totals.challenges();
    labelled(encoder, "acme_challenges", "Requests of challenges over HTTP by what they got", "answer", challenges)
}
