//! [`Edits`]: successive edits of a few sites (valid, broken, removed, renamed over), each valid one timed until a
//! client sees it.

use std::{
    fs,
    time::{Duration, Instant},
};

use crate::{Connection, Gateway, GatewayBuilder, Protocol, Site, site};

/// Sites that are edited in turn.
const SITES: usize = 16;
/// An edit that is not live by then never will be.
const LIVE_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks: short beside what is measured, and gentle to the cores that are measured.
const LOOK: Duration = Duration::from_micros(500);

/// What happens to a site file.
#[derive(Clone, Copy, Debug)]
enum Edit {
    /// New content under the name.
    Valid,
    /// A file that does not parse; the site must stay as it was.
    Broken,
    /// No file any more, then a valid one again.
    Removed,
    /// A file that lay in the folder under another name is moved over it.
    RenamedOver,
}

/// In this order, over and over. Their number and that of the sites have no common divisor: every kind meets every site.
const KINDS: [Edit; 5] = [Edit::Valid, Edit::Broken, Edit::Valid, Edit::Removed, Edit::RenamedOver];

/// The sites that get edited, watched by one kept-alive connection each.
#[derive(Debug)]
pub struct Edits<'a> {
    gateway: &'a Gateway,
    watchers: Vec<Connection>,
    made: usize,
}

impl<'a> Edits<'a> {
    /// The files that must be there before the start, with their names.
    pub fn files() -> impl Iterator<Item = (String, Site)> {
        (0..SITES).map(|number| (file(number), edited(number, "first")))
    }

    /// Gives a gateway its [`Edits::files`].
    #[must_use]
    pub fn prepare(builder: GatewayBuilder) -> GatewayBuilder {
        Self::files().fold(builder, |builder, (file, site)| builder.site(&file, &site))
    }

    /// Opens a connection to each of the sites.
    pub async fn watch(gateway: &'a Gateway) -> Self {
        let mut watchers = Vec::new();
        for number in 0..SITES {
            watchers.push(gateway.connect(&host(number), Protocol::Http1).await);
        }
        Self { gateway, watchers, made: 0 }
    }

    /// Makes so many edits, one after the other; how long each valid one took from the rename to the first response
    /// that shows it.
    pub async fn make(&mut self, count: usize) -> Vec<Duration> {
        let mut live_after = Vec::new();
        for _ in 0..count {
            let (number, kind) = (self.made % SITES, KINDS[self.made % KINDS.len()]);
            live_after.extend(self.edit(number, kind, &format!("edit {}", self.made)).await);
            self.made += 1;
        }
        live_after
    }

    async fn edit(&mut self, number: usize, kind: Edit, body: &str) -> Option<Duration> {
        let (dir, file) = (self.gateway.sites_dir(), file(number));
        let mut start = Instant::now();
        match kind {
            Edit::Broken => {
                self.break_file(number).await;
                return None;
            }
            Edit::Removed => {
                fs::remove_file(dir.join(&file)).unwrap();
                self.gateway.wait_gone(&host(number)).await;
                start = Instant::now();
                edited(number, body).write(&dir, &file);
            }
            Edit::Valid => edited(number, body).write(&dir, &file),
            Edit::RenamedOver => {
                // Until it is moved it is a site file of its own, without a name: the other one holds the claim.
                let other = format!("other-{number}.yaml");
                edited(number, body).write(&dir, &other);
                start = Instant::now();
                fs::rename(dir.join(&other), dir.join(&file)).unwrap();
            }
        }
        Some(self.live(number, body, start).await)
    }

    async fn break_file(&mut self, number: usize) {
        let before = self.get(number).await;
        site::write(&self.gateway.sites_dir(), &file(number), "hosts: [\nupstream: }");
        self.gateway.wait_state(&file(number), "stale").await;
        assert_eq!(self.get(number).await, before, "a broken edit changed what {} serves", host(number));
    }

    /// Looks on the kept-alive connection until the body is there.
    async fn live(&mut self, number: usize, body: &str, start: Instant) -> Duration {
        loop {
            let seen = self.get(number).await;
            let taken = start.elapsed();
            if seen == (200, body.to_owned()) {
                return taken;
            }
            assert!(
                taken < LIVE_LIMIT,
                "{body:?} of {} is not live after {LIVE_LIMIT:?}, still {seen:?}",
                host(number)
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Status and body. A connection that the gateway closed in order (the site was removed) is opened again.
    async fn get(&mut self, number: usize) -> (u16, String) {
        if self.watchers[number].is_closed() {
            self.watchers[number] = self.gateway.connect(&host(number), Protocol::Http1).await;
        }
        let answer = self.watchers[number].get("/").await.unwrap();
        (answer.status.as_u16(), answer.text())
    }
}

fn file(number: usize) -> String {
    format!("edited-{number}.yaml")
}

fn host(number: usize) -> String {
    format!("edited-{number}.swap.test")
}

fn edited(number: usize, body: &str) -> Site {
    Site::new(&host(number)).respond(body)
}
