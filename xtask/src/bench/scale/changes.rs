//! Sites added, edited and removed one by one, each timed until a client sees it: on one kept-alive connection of clear
//! HTTP, which every site of this bench is also served on once it has been edited.

use std::{
    fs,
    time::{Duration, Instant},
};

use vestibule_testkit::{Answer, Connection, Gateway, client::no_body};

use super::{
    estate::{self, SPARE},
    report::Change,
};
use crate::{Outcome, bench::peers::proc::processor_time};

/// A change that is not live by then never will be.
const LIVE_LIMIT: Duration = Duration::from_secs(30);
/// Between two looks: short beside what is measured.
const LOOK: Duration = Duration::from_micros(250);

/// What happens to a site.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// A new file, of a name that had a certificate before.
    Added,
    /// Other content.
    Edited,
    /// No file any more.
    Removed,
}

/// The connection on which changes are looked for.
pub(super) struct Watcher {
    connection: Connection,
    edits: u32,
    looks: u32,
}

impl Watcher {
    pub(super) async fn new(gateway: &Gateway) -> Self {
        Self { connection: gateway.connect_clear(&estate::host(0)).await, edits: 0, looks: 0 }
    }

    /// So many changes of one kind, spread over the sites: how long each took, and what all cost the gateway, without what
    /// our looking cost it.
    pub(super) async fn change(
        &mut self,
        gateway: &mut Gateway,
        kind: Kind,
        count: u32,
        sites: u32,
    ) -> Outcome<Change> {
        let count = count.min(SPARE);
        let pid = gateway.process().pid();
        let (before, looks_before) = (processor_time(pid), self.looks);
        let mut live_after = Vec::new();
        for turn in 0..count {
            let number = match kind {
                // What was added is removed, so that the box is as before.
                Kind::Added | Kind::Removed => sites + turn,
                Kind::Edited => scattered(turn, sites),
            };
            live_after.push(self.one(gateway, kind, number).await?);
        }
        // What is left to do for the last of them counts too.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let after = processor_time(pid);
        for _ in looks_before..self.looks {
            self.ask(0).await?;
            tokio::time::sleep(LOOK).await;
        }
        let looking = processor_time(pid).saturating_sub(after);
        let used = after.saturating_sub(before).saturating_sub(looking);
        Ok(Change::new(live_after, used / count.max(1)))
    }

    /// So many edits, as fast as they go live.
    pub(super) async fn edit(&mut self, gateway: &Gateway, count: u32, sites: u32) -> Outcome {
        for turn in 0..count {
            self.one(gateway, Kind::Edited, scattered(turn, sites)).await?;
        }
        Ok(())
    }

    async fn one(&mut self, gateway: &Gateway, kind: Kind, number: u32) -> Outcome<Duration> {
        self.edits += 1;
        let body = format!("edit {}", self.edits);
        let start = Instant::now();
        match kind {
            Kind::Added | Kind::Edited => {
                let rest = format!("respond: {{body: \"{body}\"}}\nredirect_to_https: false\n");
                estate::write(gateway.dir(), number, &rest)?;
            }
            Kind::Removed => fs::remove_file(gateway.sites_dir().join(estate::file(number)))?,
        }
        let is_live = |answer: &Answer| match kind {
            Kind::Added | Kind::Edited => answer.status == 200 && answer.text() == body,
            Kind::Removed => answer.status == 404,
        };
        loop {
            self.looks += 1;
            let answer = self.ask(number).await?;
            let taken = start.elapsed();
            if is_live(&answer) {
                return Ok(taken);
            }
            if taken > LIVE_LIMIT {
                return Err(format!("{} is not live after {LIVE_LIMIT:?}: {answer:?}", estate::file(number)).into());
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn ask(&mut self, number: u32) -> Outcome<Answer> {
        let request = self.connection.request_for(&estate::host(number), "/").body(no_body())?;
        Ok(self.connection.answer(request).await?)
    }
}

/// Far from each other, in order of name too.
fn scattered(turn: u32, sites: u32) -> u32 {
    turn.wrapping_mul(7_919) % sites
}
