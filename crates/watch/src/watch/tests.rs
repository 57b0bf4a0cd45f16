//! On real folders. A test waits for what must come; what must not come is shown by something later that did.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::Path,
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
};

use rustix::fs::{CWD, FileType, Mode};
use tempfile::TempDir;

use super::*;
use crate::{StopHandle, scan};

const PATIENCE: Duration = Duration::from_secs(30);
const NEVER: Duration = Duration::from_secs(3600);

/// A watched folder and everything that was told of it.
struct Sites {
    /// Holds the sites folder, and room beside it on the same file system.
    dir: TempDir,
    stop: StopHandle,
    batches: Receiver<Batch>,
    thread: Option<JoinHandle<()>>,
    /// What a reader of the batches believes.
    state: BTreeMap<String, String>,
    /// Every batch: its changes as text.
    history: Vec<Vec<String>>,
}

fn config(dir: &Path, rescan: Duration) -> WatchConfig {
    WatchConfig { dir: dir.to_owned(), file_limit: 1_000, rescan, gateway: rustix::process::geteuid().as_raw() }
}

impl Sites {
    /// Watches a folder with these files, and awaits the first scan.
    fn watch(files: &[(&str, &str)]) -> Self {
        Self::watch_with(files, NEVER, |_, _| {})
    }

    fn watch_with(
        files: &[(&str, &str)],
        rescan: Duration,
        adjust: impl FnOnce(&mut Tree, &mut Events) + Send + 'static,
    ) -> Self {
        let dir = TempDir::new().unwrap();
        fs::create_dir(dir.path().join("sites")).unwrap();
        let (sender, batches) = mpsc::channel();
        let stop = StopHandle::default();
        let (config, inbox) = (config(&dir.path().join("sites"), rescan), Arc::clone(&stop.inbox));
        let mut sites = Self { dir, stop, batches, thread: None, state: BTreeMap::new(), history: Vec::new() };
        for (name, text) in files {
            sites.write(name, text);
        }
        sites.thread = Some(thread::spawn(move || {
            let sink = move |batch| if sender.send(batch).is_ok() { Next::Continue } else { Next::Stop };
            let mut watch = Watch::start(config, inbox, sink).unwrap();
            adjust(&mut watch.tree, &mut watch.events);
            watch.run();
        }));
        // In order and whole: what comes in several batches is one step to whoever reads the history.
        while !sites.next().complete {}
        let first = sites.history.concat();
        sites.history = vec![first];
        sites
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("sites").join(name)
    }

    fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.at(from), self.at(to)).unwrap();
    }

    fn next(&mut self) -> Batch {
        let batch = self.batches.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no batch came; {:?}", self.state));
        let mut texts = Vec::new();
        for change in &batch.changes {
            texts.push(match change {
                Change::Written(file) => {
                    let text = String::from_utf8(file.bytes.clone()).unwrap();
                    self.state.insert(file.id.to_string(), text.clone());
                    format!("{} is {text}", file.id)
                }
                Change::Unreadable { id, problem, .. } => {
                    self.state.insert(id.to_string(), problem.to_string());
                    format!("{id} {problem}")
                }
                Change::Removed(id) => {
                    self.state.remove(id.as_str());
                    format!("{id} is gone")
                }
            });
        }
        self.history.push(texts);
        batch
    }

    /// Takes batches until this is what they add up to.
    fn until(&mut self, expected: &[(&str, &str)]) {
        let expected: BTreeMap<_, _> =
            expected.iter().map(|(id, text)| ((*id).to_owned(), (*text).to_owned())).collect();
        while self.state != expected {
            self.next();
        }
    }

    fn was_told(&self, text: &str) -> bool {
        self.history.iter().flatten().any(|told| told == text)
    }
}

impl Drop for Sites {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !thread::panicking()
        {
            panic!("the watch panicked");
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn the_first_batch_is_the_whole_folder_in_order() {
    let sites = Sites::watch(&[
        ("b.yaml", "b"),
        ("a.yml", "a"),
        ("shop/c.yaml", "c"),
        ("shop/.hidden.yaml", "x"),
        (".git/d.yaml", "x"),
        ("shop/deep/e.yaml", "x"),
        ("README", "x"),
    ]);
    assert_eq!(sites.history, [["a.yml is a", "b.yaml is b", "shop/c.yaml is c"]]);
    let empty = Sites::watch(&[]);
    assert_eq!(empty.history, [[""; 0]]);
}

#[test]
fn the_first_scan_is_told_to_its_end_also_when_nobody_asks_for_it() {
    for count in [0, BATCH_FILES_LIMIT, BATCH_FILES_LIMIT + 1] {
        let dir = TempDir::new().unwrap();
        for number in 0..count {
            fs::write(dir.path().join(format!("{number:05}.yaml")), "x").unwrap();
        }
        let told = std::cell::RefCell::new(Vec::new());
        let sink = |batch: Batch| {
            told.borrow_mut().push((batch.changes.len(), batch.complete));
            // Between two batches the last file goes.
            let _ = fs::remove_file(dir.path().join(format!("{BATCH_FILES_LIMIT:05}.yaml")));
            Next::Continue
        };
        let inbox = Arc::clone(&StopHandle::default().inbox);
        let mut watch = Watch::start(config(dir.path(), NEVER), inbox, sink).unwrap();
        assert_eq!(watch.rescan(Cause::Doubt), Next::Continue);
        assert_eq!(watch.rescan(Cause::Doubt), Next::Continue);
        let whole = count <= BATCH_FILES_LIMIT;
        let expected = if whole { vec![(count, true)] } else { vec![(BATCH_FILES_LIMIT, false), (0, true)] };
        drop(watch);
        assert_eq!(told.into_inner(), expected, "{count} files");
    }
}

#[test]
fn ten_thousand_files_come_in_the_first_scan() {
    let names: Vec<String> = (0..10_000).map(|n| format!("tenant-{}/site-{n}.yaml", n % 50)).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "x")).collect();
    let mut sites = Sites::watch(&files);
    assert_eq!(sites.state.len(), 10_000);
    sites.write("tenant-7/site-7.yaml", "y");
    while sites.state["tenant-7/site-7.yaml"] != "y" {
        sites.next();
    }
    let told = sites.history[1..].iter().flatten().count();
    assert_eq!(told, 1, "one edit tells of one file: {:?}", &sites.history[1..]);
}

/// What a sink was told, batch by batch.
type Told = std::rc::Rc<std::cell::RefCell<Vec<Vec<String>>>>;

/// A watch of a folder with one file known, before which somebody has written many and somebody else one.
fn flooded(between: impl Fn(usize, &Path, &Inbox) + 'static) -> (TempDir, Told, Watch<impl FnMut(Batch) -> Next>) {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("a.yaml"), "x").unwrap();
    let (told, inbox) = (Told::default(), Arc::clone(&StopHandle::default().inbox));
    let (history, path, shared) = (std::rc::Rc::clone(&told), dir.path().to_owned(), Arc::clone(&inbox));
    let sink = move |batch: Batch| {
        let written = batch.changes.iter().map(|change| match change {
            Change::Written(file) => file.id.to_string(),
            change => panic!("{change:?}"),
        });
        history.borrow_mut().push(written.collect());
        between(history.borrow().len(), &path, &shared);
        Next::Continue
    };
    let mut watch = Watch::start(config(dir.path(), NEVER), inbox, sink).unwrap();
    // What is heard is what the test says.
    watch.events = Events::deaf(Coverage::Whole);
    assert_eq!(watch.rescan(Cause::Asked), Next::Continue);
    for folder in ["bob", "zoe"] {
        fs::create_dir(dir.path().join(folder)).unwrap();
    }
    for number in 0..=3 * BATCH_FILES_LIMIT {
        fs::write(dir.path().join(format!("bob/{number}.yaml")), "x").unwrap();
    }
    fs::write(dir.path().join("zoe/z.yaml"), "x").unwrap();
    (dir, told, watch)
}

#[test]
fn whoever_changes_a_file_waits_for_one_batch_of_somebody_elses_flood() {
    let (_dir, told, mut watch) = flooded(|batches, path, inbox| {
        if batches == 2 {
            fs::write(path.join("zoe/later.yaml"), "x").unwrap();
            inbox.note(PathBuf::from("zoe/later.yaml"), Urgency::Completed);
            inbox.note(PathBuf::from("bob/0.yaml"), Urgency::Completed);
            // A burst is over when nothing came for a while: that is no event.
            thread::sleep(Duration::from_millis(30));
        }
    });
    assert_eq!(watch.rescan(Cause::Doubt), Next::Continue);
    let told = told.take();
    assert_eq!((told[1][0].as_str(), told[2].concat().as_str()), ("zoe/z.yaml", "zoe/later.yaml"));
    assert_eq!((told.len(), told.concat().len()), (6, 3 * BATCH_FILES_LIMIT + 4), "each file once");
    assert_eq!(watch.inbox.wait(Instant::now()), Wake::Look(vec![PathBuf::from("bob/0.yaml")]), "its turn comes");
}

#[test]
fn a_flood_of_events_begins_again_with_whom_it_would_have_hidden() {
    let (dir, told, mut watch) = flooded(|batches, _, inbox| {
        if batches == 2 {
            inbox.doubt();
        }
    });
    assert_eq!(watch.rescan(Cause::Doubt), Next::Continue);
    fs::write(dir.path().join("zoe/later.yaml"), "x").unwrap();
    assert_eq!(watch.inbox.wait(Instant::now()), Wake::Rescan(Cause::Doubt));
    assert_eq!(told.borrow().len(), 2, "the rest is left to that");
    assert_eq!(watch.rescan(Cause::Doubt), Next::Continue);
    let told = told.take();
    assert_eq!(told[2][0], "zoe/later.yaml");
    assert_eq!(told.concat().len(), 3 * BATCH_FILES_LIMIT + 4, "each file once");
}

#[test]
fn a_file_is_followed_through_its_life() {
    let mut sites = Sites::watch(&[]);
    sites.write("a.yaml", "1");
    sites.until(&[("a.yaml", "1")]);
    sites.write("a.yaml", "2");
    sites.until(&[("a.yaml", "2")]);
    let mut file = File::options().append(true).open(sites.at("a.yaml")).unwrap();
    file.write_all(b"3").unwrap();
    // Still open for writing: it is read when it has been quiet.
    sites.until(&[("a.yaml", "23")]);
    drop(file);
    fs::remove_file(sites.at("a.yaml")).unwrap();
    sites.until(&[]);
}

#[test]
fn a_renamed_file_is_one_step_and_the_removal_comes_first() {
    let mut sites = Sites::watch(&[("z.yaml", "text")]);
    sites.rename("z.yaml", "a.yaml");
    sites.until(&[("a.yaml", "text")]);
    assert_eq!(sites.history[1..], [["z.yaml is gone", "a.yaml is text"]]);
}

#[test]
fn of_many_renamed_files_each_is_one_step() {
    let count = 2 * BATCH_FILES_LIMIT;
    let names: Vec<String> = (0..count).map(|number| format!("shop/{number}.yaml")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), name.as_str())).collect();
    let mut sites = Sites::watch(&files);
    sites.rename("shop", "moved");
    while sites.state.len() != count || sites.state.keys().any(|name| name.starts_with("shop/")) {
        sites.next();
    }
    for batch in &sites.history[1..] {
        for name in batch.iter().filter_map(|text| text.strip_suffix(" is gone")) {
            let new = format!("{} is {name}", name.replace("shop", "moved"));
            assert!(batch.contains(&new), "{name} is gone before it is back");
        }
    }
}

#[test]
fn a_name_that_comes_late_is_still_one_step() {
    let dir = TempDir::new().unwrap();
    let at = |name: &str| dir.path().join("sites").join(name);
    fs::create_dir(at("")).unwrap();
    fs::write(at("old.yaml"), "text").unwrap();
    let (sender, batches) = mpsc::channel();
    let sink = move |batch: Batch| sender.send(batch.changes).map_or(Next::Stop, |()| Next::Continue);
    let mut watch = Watch::start(config(&at(""), NEVER), Arc::default(), sink).unwrap();
    watch.events = Events::deaf(Coverage::Whole);
    let mut rescan = || {
        watch.rescan(Cause::Asked);
        batches.try_recv().unwrap()
    };
    assert!(matches!(&rescan()[..], [Change::Written(_)]));
    fs::rename(at("old.yaml"), dir.path().join("between")).unwrap();
    assert!(rescan().is_empty(), "it is missed, not removed");
    fs::rename(dir.path().join("between"), at("new.yaml")).unwrap();
    let changes = rescan();
    let [Change::Removed(old), Change::Written(new)] = &changes[..] else { panic!("{changes:?}") };
    assert_eq!((old.as_str(), new.id.as_str()), ("old.yaml", "new.yaml"));
}

#[test]
fn editors_save_without_a_removal() {
    // An editor that a busy machine keeps waiting between two steps is no other one.
    let mut sites = Sites::watch_with(&[("a.yaml", "1")], NEVER, |tree, _| tree.known.grace = PATIENCE);
    // Write beside, rename over.
    sites.write("a.yaml.tmp", "2");
    sites.rename("a.yaml.tmp", "a.yaml");
    sites.until(&[("a.yaml", "2")]);
    // vim: a test file, rename to a backup, write anew, delete the backup.
    sites.write("4913", "");
    fs::remove_file(sites.at("4913")).unwrap();
    sites.rename("a.yaml", "a.yaml~");
    sites.write("a.yaml", "3");
    fs::remove_file(sites.at("a.yaml~")).unwrap();
    sites.until(&[("a.yaml", "3")]);
    // The same with a link for a backup, as emacs may.
    fs::hard_link(sites.at("a.yaml"), sites.at("a.yaml~")).unwrap();
    sites.write("a.yaml.new", "4");
    sites.rename("a.yaml.new", "a.yaml");
    sites.until(&[("a.yaml", "4")]);
    // Removed and written anew.
    fs::remove_file(sites.at("a.yaml")).unwrap();
    sites.write("a.yaml", "5");
    sites.until(&[("a.yaml", "5")]);
    assert!(!sites.was_told("a.yaml is gone"), "{:?}", sites.history);
}

#[test]
fn what_says_the_same_is_not_told() {
    let mut sites = Sites::watch(&[("a.yaml", "1")]);
    sites.write("a.yaml", "1");
    sites.write("tmp", "1");
    sites.rename("tmp", "a.yaml");
    sites.write("last.yaml", "x");
    sites.until(&[("a.yaml", "1"), ("last.yaml", "x")]);
    assert_eq!(sites.history[1..].concat(), ["last.yaml is x"]);
}

#[test]
fn a_burst_is_one_batch() {
    let mut sites = Sites::watch(&[]);
    // Prepared beside and moved in as one: no time passes between the files.
    fs::create_dir(sites.beside("shop")).unwrap();
    for n in 0..200 {
        fs::write(sites.beside("shop").join(format!("{n}.yaml")), "x").unwrap();
    }
    fs::rename(sites.beside("shop"), sites.at("shop")).unwrap();
    let batch = sites.next();
    assert_eq!((batch.changes.len(), batch.complete), (200, false));
}

#[test]
fn folders_come_go_and_are_renamed() {
    let mut sites = Sites::watch(&[("shop/a.yaml", "1")]);
    sites.write("new/b.yaml", "2");
    sites.until(&[("shop/a.yaml", "1"), ("new/b.yaml", "2")]);
    sites.write("new/b.yaml", "3");
    sites.until(&[("shop/a.yaml", "1"), ("new/b.yaml", "3")]);
    sites.rename("shop", "store");
    sites.until(&[("store/a.yaml", "1"), ("new/b.yaml", "3")]);
    assert_eq!(sites.history.last().unwrap(), &["shop/a.yaml is gone", "store/a.yaml is 1"]);
    sites.write("store/a.yaml", "4");
    sites.until(&[("store/a.yaml", "4"), ("new/b.yaml", "3")]);
    fs::rename(sites.at("store"), sites.beside("away")).unwrap();
    sites.until(&[("new/b.yaml", "3")]);
    fs::remove_dir_all(sites.at("new")).unwrap();
    sites.until(&[]);
    // The same name again: it is another folder, and it is watched.
    fs::create_dir(sites.at("new")).unwrap();
    sites.write("new/c.yaml", "5");
    sites.until(&[("new/c.yaml", "5")]);
    sites.write("new/c.yaml", "6");
    sites.until(&[("new/c.yaml", "6")]);
}

#[test]
fn a_folder_that_is_replaced_at_once_stays_watched() {
    let mut sites = Sites::watch(&[]);
    for round in 0..50 {
        let text = round.to_string();
        fs::create_dir(sites.at("shop")).unwrap();
        fs::remove_dir(sites.at("shop")).unwrap();
        sites.write("shop/a.yaml", &text);
        sites.until(&[("shop/a.yaml", &text)]);
        sites.write("shop/a.yaml", "again");
        sites.until(&[("shop/a.yaml", "again")]);
        fs::remove_dir_all(sites.at("shop")).unwrap();
        sites.until(&[]);
    }
}

#[test]
fn what_is_no_safe_file_is_told_and_nothing_hangs() {
    let mut sites = Sites::watch(&[("good.yaml", "x")]);
    fs::write(sites.beside("secret"), "secret").unwrap();
    symlink(sites.beside("secret"), sites.at("link.yaml")).unwrap();
    rustix::fs::mknodat(CWD, sites.at("fifo.yaml"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    fs::create_dir(sites.at("folder.yaml")).unwrap();
    fs::write(sites.at("folder.yaml/x.yaml"), "x").unwrap();
    fs::hard_link(sites.beside("secret"), sites.at("hard.yaml")).unwrap();
    sites.write("large.yaml", &"x".repeat(1_001));
    sites.write("bad\nname.yaml", "x");
    let expected = [
        ("good.yaml", "x"),
        ("link.yaml", "is a symbolic link"),
        ("fifo.yaml", "is not a regular file"),
        ("folder.yaml", "is not a regular file"),
        ("hard.yaml", "is a hard link"),
        ("large.yaml", "is larger than 1000 bytes"),
        ("bad\\nname.yaml", "has a name with characters that cannot be shown"),
    ];
    sites.until(&expected);
    let scanned = scan(&config(&sites.at(""), NEVER)).unwrap();
    assert_eq!(scanned.len(), expected.len());

    // Each is mended or removed. The hard link is mended where no event tells of it.
    for name in ["link.yaml", "fifo.yaml", "bad\nname.yaml"] {
        fs::remove_file(sites.at(name)).unwrap();
    }
    fs::remove_dir_all(sites.at("folder.yaml")).unwrap();
    sites.write("large.yaml", "small");
    sites.until(&[("good.yaml", "x"), ("hard.yaml", "is a hard link"), ("large.yaml", "small")]);
    fs::remove_file(sites.beside("secret")).unwrap();
    sites.stop.rescan();
    sites.until(&[("good.yaml", "x"), ("hard.yaml", "secret"), ("large.yaml", "small")]);
    assert!(!sites.was_told("link.yaml is secret"));
}

#[test]
fn a_link_of_a_moment_is_looked_at_again() {
    let mut sites = Sites::watch(&[]);
    fs::write(sites.beside("tmp"), "x").unwrap();
    fs::hard_link(sites.beside("tmp"), sites.at("a.yaml")).unwrap();
    sites.until(&[("a.yaml", "is a hard link")]);
    fs::remove_file(sites.beside("tmp")).unwrap();
    sites.until(&[("a.yaml", "x")]);
}

#[test]
fn a_linked_folder_is_not_entered() {
    let mut sites = Sites::watch(&[]);
    fs::create_dir(sites.beside("outside")).unwrap();
    fs::write(sites.beside("outside/x.yaml"), "secret").unwrap();
    symlink(sites.beside("outside"), sites.at("link")).unwrap();
    fs::write(sites.beside("outside/y.yaml"), "secret").unwrap();
    sites.write("last.yaml", "x");
    sites.until(&[("last.yaml", "x")]);
    sites.stop.rescan();
    sites.next();
    assert_eq!(sites.state.len(), 1, "{:?}", sites.state);
}

#[test]
fn what_lies_deeper_is_ignored() {
    let mut sites = Sites::watch(&[("shop/a.yaml", "1")]);
    sites.write("shop/deep/b.yaml", "2");
    sites.write("shop/.c.yaml.swp", "3");
    sites.write("shop/last.yaml", "x");
    sites.until(&[("shop/a.yaml", "1"), ("shop/last.yaml", "x")]);
    assert_eq!(sites.history[1..].concat(), ["shop/last.yaml is x"]);
}

#[test]
fn permissions_and_owners_are_changes() {
    let mut sites = Sites::watch(&[("a.yaml", "1"), ("shop/b.yaml", "2")]);
    let set = |path: PathBuf, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    if is_root() {
        std::os::unix::fs::chown(sites.at("a.yaml"), Some(1234), None).unwrap();
        let batch = sites.next();
        assert!(matches!(&batch.changes[..], [Change::Written(file)] if file.owner.0 == 1234), "{batch:?}");
        return; // Nothing is closed to root.
    }
    set(sites.at("a.yaml"), 0o000);
    sites.until(&[("a.yaml", "cannot be opened"), ("shop/b.yaml", "2")]);
    set(sites.at("a.yaml"), 0o600);
    sites.until(&[("a.yaml", "1"), ("shop/b.yaml", "2")]);
    set(sites.at("shop"), 0o000);
    sites.until(&[("a.yaml", "1"), ("shop/b.yaml", "cannot be opened")]);
    set(sites.at("shop"), 0o700);
    sites.until(&[("a.yaml", "1"), ("shop/b.yaml", "2")]);
}

#[test]
fn when_the_sites_folder_is_gone_every_site_stays() {
    let mut sites = Sites::watch(&[("a.yaml", "1"), ("shop/b.yaml", "2")]);
    fs::rename(sites.at(""), sites.beside("away")).unwrap();
    fs::write(sites.beside("away/a.yaml"), "not here any more").unwrap();
    fs::create_dir(sites.beside("other")).unwrap();
    fs::write(sites.beside("other/a.yaml"), "3").unwrap();
    fs::create_dir(sites.beside("other/shop")).unwrap();
    fs::write(sites.beside("other/shop/c.yaml"), "4").unwrap();
    fs::rename(sites.beside("other"), sites.at("")).unwrap();
    sites.until(&[("a.yaml", "3"), ("shop/c.yaml", "4")]);
    assert!(!sites.was_told("a.yaml is gone") && !sites.was_told("a.yaml is not here any more"), "{:?}", sites.history);
    // The new one is watched.
    sites.write("shop/c.yaml", "5");
    sites.until(&[("a.yaml", "3"), ("shop/c.yaml", "5")]);
    sites.write("a.yaml", "6");
    sites.until(&[("a.yaml", "6"), ("shop/c.yaml", "5")]);
}

#[test]
fn an_unmount_removes_nothing() {
    let mut sites = Sites::watch(&[("a.yaml", "1"), ("shop/b.yaml", "2")]);
    let swap = |away: &str, here: &str| {
        fs::rename(sites.at(""), sites.beside(away)).unwrap();
        fs::rename(sites.beside(here), sites.at("")).unwrap();
    };
    // What lies under a mount: no site file, though perhaps other things.
    fs::create_dir_all(sites.beside("beneath/shop")).unwrap();
    fs::create_dir_all(sites.beside("beneath/folder.yaml")).unwrap();
    fs::write(sites.beside("beneath/README"), "not mounted").unwrap();
    let (sender, batches) = mpsc::channel();
    let sink = move |batch: Batch| sender.send(batch).map_or(Next::Stop, |()| Next::Continue);
    let mut watch = Watch::start(config(&sites.at(""), NEVER), Arc::default(), sink).unwrap();
    watch.events = Events::deaf(Coverage::Whole);
    watch.rescan(Cause::Asked);
    assert_eq!(batches.try_recv().unwrap().changes.len(), 2);

    swap("mounted", "beneath");
    for _ in 0..3 {
        watch.rescan(Cause::Asked);
        watch.look_at(vec![PathBuf::from("a.yaml"), PathBuf::from("shop")]);
        assert!(!watch.lose(Loss::Vacant), "it was noted, and is said once");
        assert!(watch.next_rescan <= Instant::now() + LOST_RETRY * 2, "it is looked for again soon");
    }
    assert!(batches.try_recv().is_err(), "nothing is told of a folder that is not ours");
    // Mounted again, all is as it was.
    swap("beneath", "mounted");
    watch.rescan(Cause::Asked);
    assert_eq!(watch.place, Place::There);
    let batch = batches.try_recv().unwrap();
    assert!(batch.complete && batch.changes.is_empty(), "{batch:?}");

    // One site file says that the other folder is meant, and what it does not have is removed.
    swap("mounted", "beneath");
    watch.rescan(Cause::Asked);
    sites.write("shop/c.yaml", "3");
    watch.rescan(Cause::Asked);
    let batch = batches.try_recv().unwrap();
    let [Change::Unreadable { .. }, Change::Written(file)] = &batch.changes[..] else { panic!("{batch:?}") };
    assert_eq!(file.id.as_str(), "shop/c.yaml");
    // The same for a watch that runs by itself.
    sites.until(&[("folder.yaml", "is not a regular file"), ("shop/c.yaml", "3")]);
    let first = sites.history[1..].iter().flatten().next();
    assert_eq!(first.unwrap(), "folder.yaml is not a regular file", "nothing was removed before");
    // And in one folder, the last file may go.
    fs::remove_file(sites.at("shop/c.yaml")).unwrap();
    fs::remove_dir(sites.at("folder.yaml")).unwrap();
    sites.until(&[]);
}

#[test]
fn a_folder_without_known_files_is_replaced_at_will() {
    let mut sites = Sites::watch(&[]);
    fs::remove_dir(sites.at("")).unwrap();
    fs::create_dir(sites.at("")).unwrap();
    sites.stop.rescan();
    assert!(sites.next().complete);
    sites.write("a.yaml", "1");
    sites.until(&[("a.yaml", "1")]);
}

#[test]
fn lost_events_are_made_up_for_by_a_rescan() {
    let mut sites = Sites::watch_with(&[("a.yaml", "1"), ("b.yaml", "2"), ("shop/c.yaml", "3")], NEVER, |_, events| {
        *events = Events::deaf(Coverage::Whole);
    });
    sites.write("a.yaml", "changed");
    fs::remove_file(sites.at("b.yaml")).unwrap();
    sites.write("new/d.yaml", "4");
    sites.stop.inbox.doubt();
    sites.until(&[("a.yaml", "changed"), ("new/d.yaml", "4"), ("shop/c.yaml", "3")]);
    assert_eq!(sites.history[1], ["a.yaml is changed", "new/d.yaml is 4"]);
    assert_eq!(sites.history[2], ["b.yaml is gone"]);
}

#[test]
fn without_watches_it_rescans() {
    let mut sites = Sites::watch_with(&[("a.yaml", "1")], Duration::from_millis(10), |_, events| {
        *events = Events::deaf(Coverage::Partial)
    });
    sites.write("a.yaml", "2");
    sites.until(&[("a.yaml", "2")]);
    fs::remove_file(sites.at("a.yaml")).unwrap();
    sites.until(&[]);
}

#[test]
fn who_asks_for_a_rescan_is_answered() {
    let mut sites = Sites::watch(&[("a.yaml", "1")]);
    sites.stop.rescan();
    let batch = sites.next();
    assert!(batch.complete && batch.changes.is_empty(), "{batch:?}");
}

#[test]
fn it_stops_when_told_and_when_the_sink_wants_no_more() {
    let dir = TempDir::new().unwrap();
    let stop = StopHandle::default();
    thread::scope(|threads| {
        let running = threads.spawn(|| crate::run(config(dir.path(), NEVER), &stop, |_| Next::Continue));
        stop.stop();
        running.join().unwrap().unwrap();
    });
    crate::run(config(dir.path(), NEVER), &StopHandle::default(), |_| Next::Stop).unwrap();
    let missing = crate::run(config(&dir.path().join("no"), NEVER), &StopHandle::default(), |_| Next::Stop);
    assert!(missing.unwrap_err().to_string().ends_with("no cannot be read"));
}
