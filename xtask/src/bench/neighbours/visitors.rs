//! Visitors of the neighbours: each asks twenty times a second.

use std::time::Duration;

use tokio::{
    task::JoinSet,
    time::{Instant, timeout},
};
use vestibule_testkit::{Connection, Protocol, client::Trust};

use super::house::{House, NEIGHBOURS, neighbour};
use crate::bench::visitors::{PATIENCE, Seen, ask};

/// Between two requests of a visitor.
const PERIOD: Duration = Duration::from_millis(50);
/// Lets them visit for so long.
pub(super) async fn visit(house: &House, seconds: u32) -> Seen {
    let (trust, address) = (house.entrance().trust(), house.entrance().address());
    let begin = Instant::now() + Duration::from_secs(1);
    let mut visitors = JoinSet::new();
    for number in 0..NEIGHBOURS {
        let due = begin + PERIOD * number / NEIGHBOURS;
        let trust: Trust = trust.clone();
        visitors.spawn(async move {
            let name = neighbour(number);
            let connecting = Connection::secure(&trust, address, &name, Protocol::Http1);
            let Ok(Ok(connection)) = timeout(PATIENCE, connecting).await else { return vec![None] };
            let end = begin + Duration::from_secs(seconds.into());
            ask(connection, due, PERIOD, |due| due < end).await
        });
    }
    let mut all = Vec::new();
    while let Some(seen) = visitors.join_next().await {
        all.extend(seen.unwrap_or_else(|_| vec![None]));
    }
    Seen::sum(&all)
}
