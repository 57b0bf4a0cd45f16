//! Tenants at work: one edits, breaks and renames its file, and times how soon a good edit is live; one replaces its
//! certificate files; one has sites that come and go; one saves its file as fast as it goes, which must not delay the others.

use std::{fs, io, sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use vestibule_testkit::{Connection, Protocol, certificate::Shown, drawn::Random};

use super::stage::{CALM, CERTIFIED, EDITED, SCRIBBLED, Stage};

const EDIT: &str = "edit live";
const BREAK: &str = "edit broken";
const RENAME: &str = "file renamed";
const COME: &str = "site came";
const GO: &str = "site went";
const SCRIBBLE: &str = "file scribbled";
const CERTIFICATE: &str = "certificate replaced";

/// An edit that is not live by then was lost.
const LIVE_LIMIT: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// The same, with a handshake each.
const CERTIFICATE_LOOK: Duration = Duration::from_millis(100);
/// Files of the sites that come and go.
const GUESTS: u64 = 20;
/// Between two saves of the one who scribbles.
const SAVE: Duration = Duration::from_millis(2);

/// How long changes took to be live, and what they were of.
pub(super) type Waits = (&'static str, Vec<Duration>);

/// Starts them all; they end with the round.
pub(super) fn start(stage: &Arc<Stage>, random: &Random) -> JoinSet<Waits> {
    let mut tasks = JoinSet::new();
    tasks.spawn(edit(Arc::clone(stage), random.fork(1)));
    tasks.spawn(certify(Arc::clone(stage), random.fork(2)));
    tasks.spawn(come_and_go(Arc::clone(stage), random.fork(3)));
    tasks.spawn(scribble(Arc::clone(stage)));
    tasks
}

/// Says what went wrong with a file; nothing may.
fn note(stage: &Stage, word: &'static str, done: io::Result<()>) {
    match done {
        Ok(()) => stage.tally.done(word, 1),
        Err(error) => stage.tally.failed(word, "", error.to_string()),
    }
}

/// How a file is that is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum File {
    /// What it says is live.
    Live,
    /// The same under another name, which may not have been noticed yet.
    Renamed,
    Broken,
}

async fn edit(stage: Arc<Stage>, mut random: Random) -> Waits {
    let (mut waits, mut edition) = (Vec::new(), random.next() % 1_000_000);
    let names = ["edited.yaml", "renamed.yaml"];
    let (mut at, mut file) = (0, File::Live);
    while stage.goes_on() {
        match random.below(4) {
            // A last good version is that of a file by its name: a file that is broken before anybody has read it under
            // its new name has none.
            0 if file != File::Renamed => {
                file = File::Broken;
                note(&stage, BREAK, stage.place(EDITED, names[at], "hosts: [edited.soak.test\nupstream: :-(\n"));
            }
            // For the same reason, one that is broken takes nothing along.
            1 if file != File::Broken => {
                file = File::Renamed;
                let folder = stage.folder(EDITED);
                let renamed = fs::rename(folder.join(names[at]), folder.join(names[1 - at]));
                at = 1 - at;
                note(&stage, RENAME, renamed);
            }
            _ => {
                edition += 1;
                let header = format!("headers: {{response: {{set: {{x-edition: \"{edition}\"}}}}}}");
                let text = stage.site(EDITED).line(&header);
                let placed = stage.place(EDITED, names[at], text.text());
                match live(&stage, edition).await {
                    Ok(wait) => {
                        file = File::Live;
                        note(&stage, EDIT, placed);
                        waits.push(wait);
                    }
                    Err(what) => stage.tally.failed(EDIT, EDITED, what),
                }
            }
        }
        sleep(Duration::from_millis(random.below(400))).await;
    }
    // Whatever came last, it ends with a file that is right.
    note(&stage, EDIT, stage.place(EDITED, names[at], stage.site(EDITED).text()));
    let old = stage.folder(EDITED).join(names[at]);
    note(&stage, RENAME, fs::rename(old, stage.folder(EDITED).join(names[0])));
    (EDIT, waits)
}

/// Asks until the answer is of that edition.
async fn live(stage: &Stage, edition: u64) -> Result<Duration, String> {
    let began = Instant::now();
    let mut connection: Option<Connection> = None;
    while began.elapsed() < LIVE_LIMIT {
        if connection.as_ref().is_none_or(Connection::is_closed) {
            let opened = stage.visitors.good.secure(stage.gateway.https(), EDITED, Protocol::Http1).await;
            connection = Some(opened.map_err(|error| format!("connecting: {error}"))?);
        }
        let Some(open) = &mut connection else { continue };
        let answer = open.get("/status/204").await.map_err(|error| format!("asking: {error}"))?;
        if answer.header("x-edition") == Some(edition.to_string().as_str()) {
            return Ok(began.elapsed());
        }
        sleep(LOOK).await;
    }
    Err(format!("edition {edition} is not live after {LIVE_LIMIT:?}"))
}

async fn certify(stage: Arc<Stage>, mut random: Random) -> Waits {
    let mut waits = Vec::new();
    while stage.goes_on() {
        match stage.issue() {
            Ok(wanted) => match shown(&stage, &wanted).await {
                Ok(wait) => {
                    stage.tally.done(CERTIFICATE, 1);
                    waits.push(wait);
                }
                Err(what) => stage.tally.failed(CERTIFICATE, CERTIFIED, what),
            },
            Err(error) => stage.tally.failed(CERTIFICATE, CERTIFIED, error.to_string()),
        }
        for _ in 0..10 + random.below(30) {
            if stage.goes_on() {
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    (CERTIFICATE, waits)
}

/// Shakes hands until that certificate is shown.
async fn shown(stage: &Stage, wanted: &Shown) -> Result<Duration, String> {
    let (began, visitor) = (Instant::now(), &stage.visitors.fresh);
    while began.elapsed() < LIVE_LIMIT {
        let tcp = visitor.tcp(stage.gateway.https()).await.map_err(|error| format!("connecting: {error}"))?;
        let tls = visitor.tls(tcp, CERTIFIED, Protocol::Http1).await.map_err(|error| format!("handshake: {error}"))?;
        let chain = tls.get_ref().1.peer_certificates().ok_or("no certificate")?;
        if Shown::new(chain) == *wanted {
            return Ok(began.elapsed());
        }
        sleep(CERTIFICATE_LOOK).await;
    }
    Err(format!("not shown after {LIVE_LIMIT:?}"))
}

async fn come_and_go(stage: Arc<Stage>, mut random: Random) -> Waits {
    while stage.goes_on() {
        let number = random.below(GUESTS);
        let file = format!("guest{number}.yaml");
        if stage.folder(CALM).join(&file).exists() {
            note(&stage, GO, fs::remove_file(stage.folder(CALM).join(file)));
        } else {
            // Two files may want one name: the second waits for it.
            let host = format!("guest{}.soak.test", number / 2);
            let text = format!("hosts: {host}\nrespond: {{body: \"{number}\"}}\n");
            note(&stage, COME, stage.place(CALM, &file, &text));
        }
        sleep(Duration::from_millis(random.below(100))).await;
    }
    for number in 0..GUESTS {
        // Not there is fine.
        let _ = fs::remove_file(stage.folder(CALM).join(format!("guest{number}.yaml")));
    }
    (COME, Vec::new())
}

async fn scribble(stage: Arc<Stage>) -> Waits {
    let mut number = 0_u64;
    while stage.goes_on() {
        number += 1;
        let text = stage.site(SCRIBBLED).line(&format!("# {number}"));
        note(&stage, SCRIBBLE, stage.place(SCRIBBLED, "scribbled.yaml", text.text()));
        sleep(SAVE).await;
    }
    (SCRIBBLE, Vec::new())
}
