//! [`Estate`]: the folders of a box with many sites, before the gateway has seen any of them.

use std::{
    fs, io,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    thread,
};

use tempfile::TempDir;
use vestibule_testkit::{Gateway, GatewayBuilder, HttpOrigin, Shelf, client::Trust};

use crate::Outcome;

/// Sites of one tenant.
const SITES_EACH: u32 = 100;
/// Users who need not exist.
const FIRST_UID: u32 = 100_000;
/// Names beyond the sites that have a certificate all the same: sites that come back.
pub(super) const SPARE: u32 = 200;
/// A CA at which nobody listens: whatever is asked of it fails, as while a CA is down. Half of the visits are of the first
/// tenant's sites, one after the other as fast as they go: more handshakes a second than a tenant may begin by default.
const SETTINGS: &str = "log: {access: off}\nupstreams: {owner: off}\n\
     tenants: {default: {limits: {handshakes_per_second: 1000000000}}}\n\
     acme: {agree: true, name: shelf, directory: \"https://127.0.0.1:9/directory\", check_dns: false}\n";

/// See the module.
pub(super) struct Estate {
    pub(super) dir: TempDir,
    pub(super) trust: Trust,
}

/// The name of a site.
pub(super) fn host(number: u32) -> String {
    format!("s{number}.t{}.example.com", number / SITES_EACH)
}

/// Its file.
pub(super) fn file(number: u32) -> String {
    format!("s{number}.yaml")
}

/// Who owns it; everything is ours when we are not root.
fn owner(number: u32) -> u32 {
    let us = rustix::process::geteuid();
    if us.is_root() { FIRST_UID + number / SITES_EACH } else { us.as_raw() }
}

/// A gateway for such a box, or for none.
pub(super) fn gateway(binary: &Path) -> GatewayBuilder {
    Gateway::builder().binary(binary.to_owned()).settings(SETTINGS)
}

impl Estate {
    /// Two lines a site, and a certificate for each and for [`SPARE`] more.
    pub(super) fn lay_out(sites: u32, origin: &HttpOrigin) -> Outcome<Self> {
        let dir = tempfile::Builder::new().prefix("vestibule-bench").tempdir()?;
        fs::create_dir(dir.path().join("sites.d"))?;
        let shelf = Shelf::new(&private(dir.path().join("state"))?);
        let hands = u32::try_from(thread::available_parallelism()?.get())?;
        let text = format!("upstream: {origin}\n");
        thread::scope(|scope| {
            let work = |hand| {
                let (shelf, dir, text) = (&shelf, dir.path(), &text);
                move || -> io::Result<()> {
                    for number in (hand..sites + SPARE).step_by(hands as usize) {
                        shelf.put(u64::from(number) + 1, owner(number), &host(number));
                        if number < sites {
                            write(dir, number, text)?;
                        }
                    }
                    Ok(())
                }
            };
            let hands: Vec<_> = (0..hands).map(|hand| scope.spawn(work(hand))).collect();
            hands.into_iter().try_for_each(|hand| hand.join().expect("a fixture panicked"))
        })?;
        Ok(Self { trust: Trust::roots(&shelf.root_pem()), dir })
    }
}

/// Writes a site's file as its owner would, in one step: whoever looks sees it whole, and theirs.
pub(super) fn write(dir: &Path, number: u32, rest: &str) -> io::Result<()> {
    let sites = dir.join("sites.d");
    let (fresh, file) = (sites.join(format!("s{number}.new")), sites.join(file(number)));
    fs::write(&fresh, format!("hosts: {}\n{rest}", host(number)))?;
    if rustix::process::geteuid().is_root() {
        chown(&fresh, Some(owner(number)), Some(owner(number)))?;
    }
    fs::rename(fresh, file)
}

/// The gateway's folder, which it would have made so itself.
fn private(folder: PathBuf) -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok(folder)
}
