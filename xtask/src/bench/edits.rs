//! Successive edits of a few sites: valid, broken, removed, renamed over; each valid one timed until it is seen.

use std::{
    fs,
    time::{Duration, Instant},
};

use vestibule_testkit::{Connection, Gateway, Protocol, Site, site};

use crate::Outcome;

/// Sites that are edited in turn.
pub(super) const EDITED_SITES: usize = 16;
/// An edit that is not live by then never will be.
const LIVE_LIMIT: Duration = Duration::from_secs(10);
/// Between two looks: short beside what is measured, and gentle to the cores that are measured.
const LOOK: Duration = Duration::from_micros(500);

/// The file of an edited site.
pub(super) fn file(number: usize) -> String {
    format!("edited-{number}.yaml")
}

/// The site file of an edited site that shows `body`.
pub(super) fn site(number: usize, body: &str) -> Site {
    Site::new(&host(number)).respond(body)
}

fn host(number: usize) -> String {
    format!("edited-{number}.bench.test")
}

/// What happens to a site file.
#[derive(Clone, Copy, Debug)]
enum Edit {
    /// New content under the name.
    Valid,
    /// A file that does not parse; the site must stay.
    Broken,
    /// No file any more, then a valid one again.
    Removed,
    /// A file that lay in the folder under another name is moved over it.
    RenamedOver,
}

/// In this order, over and over: every kind meets every site.
const KINDS: [Edit; 5] = [Edit::Valid, Edit::Broken, Edit::Valid, Edit::Removed, Edit::RenamedOver];

/// Makes the edits; how long each valid one took from the rename to the first response that shows it.
pub(super) async fn run(gateway: &Gateway, count: usize) -> Outcome<Vec<Duration>> {
    let mut watchers = Vec::new();
    for number in 0..EDITED_SITES {
        watchers.push(gateway.connect(&host(number), Protocol::Http1).await);
    }
    let mut live_after = Vec::new();
    for round in 0..count {
        let (number, kind) = (round % EDITED_SITES, KINDS[round % KINDS.len()]);
        let body = format!("edit {round}");
        let taken = edit(gateway, &mut watchers[number], number, kind, &body).await;
        live_after.extend(taken.map_err(|error| format!("edit {round} ({kind:?}): {error}"))?);
    }
    Ok(live_after)
}

/// One edit. A valid one is timed.
async fn edit(
    gateway: &Gateway,
    watcher: &mut Connection,
    number: usize,
    kind: Edit,
    body: &str,
) -> Outcome<Option<Duration>> {
    let (dir, file) = (gateway.sites_dir(), file(number));
    match kind {
        Edit::Valid => {}
        Edit::Broken => {
            let before = watcher.get("/").await?;
            site::write(&dir, &file, "hosts: [\nupstream: }");
            gateway.wait_state(&file, "stale").await;
            let after = watcher.get("/").await?;
            let same = before.status == after.status && before.body == after.body;
            return if same { Ok(None) } else { Err(format!("the site changed to {after:?}").into()) };
        }
        Edit::Removed => {
            fs::remove_file(dir.join(&file))?;
            gateway.wait_gone(&host(number)).await;
        }
        Edit::RenamedOver => {
            // A site file of its own until it is moved: with the same name, so it loses the claim and serves nothing.
            let other = format!("other-{number}.yaml");
            site(number, body).write(&dir, &other);
            let start = Instant::now();
            fs::rename(dir.join(&other), dir.join(&file))?;
            return live(watcher, body, start).await.map(Some);
        }
    }
    let start = Instant::now();
    site(number, body).write(&dir, &file);
    live(watcher, body, start).await.map(Some)
}

/// Looks on a kept-alive connection until the body is there.
async fn live(watcher: &mut Connection, body: &str, start: Instant) -> Outcome<Duration> {
    loop {
        let answer = watcher.get("/").await?;
        let taken = start.elapsed();
        if answer.status == 200 && answer.body == body {
            return Ok(taken);
        }
        if taken > LIVE_LIMIT {
            return Err(format!("not live after {LIVE_LIMIT:?}, still {} {}", answer.status, answer.text()).into());
        }
        tokio::time::sleep(LOOK).await;
    }
}
