//! Promise: what a tenant may have of the box has limits, each refuses in its own words, and a tenant who is flooded or
//! whose backend hangs costs the others nothing.
//!
//! Tenants are real users when the tests run as root. For anybody else all sites are one user's: then only what one tenant
//! shows is tested.

mod limits;
mod neighbours;

use std::{fs, os::unix::fs::chown, path::Path};

use vestibule_testkit::{Answer, Connection, Gateway, Site, client::no_body};

/// Two users who need not exist.
const ANN: u32 = 64_001;
const BEN: u32 = 64_002;

/// A site file of that user's, in a folder that no gateway watches yet.
fn place(dir: &Path, file: &str, site: &Site, uid: u32) {
    site.write(dir, file);
    if rustix::process::geteuid().is_root() {
        chown(dir.join(file), Some(uid), Some(uid)).unwrap();
    }
}

/// A gateway with one site `ann.test` of Ann's, and one `ben.test` of Ben's if there is one.
async fn start(settings: &str, ann: &Site, ben: Option<&Site>) -> Gateway {
    let dir = tempfile::Builder::new().prefix("vestibule-test").tempdir().unwrap();
    let sites = dir.path().join("sites.d");
    fs::create_dir(&sites).unwrap();
    place(&sites, "ann.yaml", ann, ANN);
    if let Some(ben) = ben {
        place(&sites, "ben.yaml", ben, BEN);
    }
    // Whose process a backend is does not matter here.
    Gateway::builder().settings("upstreams: {owner: off}").settings(settings).start_in(dir).await
}

/// Asks as a program does.
async fn ask(connection: &mut Connection, path: &str) -> Answer {
    let request = connection.request(path).header("accept", "application/json").body(no_body()).unwrap();
    connection.answer(request).await.unwrap()
}

/// Is it that refusal, with everything that belongs to it?
fn assert_refused(answer: &Answer, status: u16, word: &str) {
    let told = (answer.status.as_u16(), answer.json()["error"].as_str().map(str::to_owned));
    assert_eq!(told, (status, Some(word.to_owned())), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
}
