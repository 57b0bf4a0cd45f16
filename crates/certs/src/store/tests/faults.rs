//! Every step of every operation fails in every way, once each: the old certificate serves on, nothing half-written is
//! ever loaded, what was asked of a CA can be resumed, and whoever waits for an answer is told.

use super::*;
use crate::store::faults::Fault;

/// A folder as an earlier run left it: two generations of one name, another name, an order with and one without a URL, an
/// account, records.
struct Template {
    scene: Scene,
    old: Issued,
}

const OLD: &str = "a.example.com";
const OTHER: &str = "b.example.com";

impl Template {
    fn new() -> Self {
        let scene = Scene::new();
        let store = scene.open();
        scene.obtain(&store, &draft(&[OLD]));
        let old = scene.obtain(&store, &draft(&[OLD]));
        scene.obtain(&store, &draft(&[OTHER]));
        let mut resumable = store.begin(&draft(&["pending.example.com"])).unwrap();
        resumable.set_order_url("https://ca.test/order/1").unwrap();
        drop((resumable, store.begin(&draft(&[OLD])).unwrap()));
        store.save_account(&ca(), b"old account").unwrap();
        store.record(&[("kept".to_owned(), Some(b"old".to_vec()))]).unwrap();
        Self { scene, old }
    }

    /// A copy to spoil.
    fn copy(&self) -> tempfile::TempDir {
        let dir = quick_folder();
        copy(&self.scene.root(), &dir.path().join("acme"));
        dir
    }
}

/// Thousands of folders are synced here: in memory, where there is such a place.
fn quick_folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn ca() -> CaId {
    CaId::new("test-ca").unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// What must hold of every store that opens, whatever happened to it.
fn check_sound(store: &Store, template: &Template, at: &str) {
    assert!(store.broken().is_empty(), "{at}: {:?}", store.broken());
    for name in [OLD, OTHER] {
        let entry =
            store.entry(ALICE, &host(name), SystemTime::now()).unwrap_or_else(|| panic!("{at}: {name} is not served"));
        store.load(&entry).unwrap_or_else(|error| panic!("{at}: {name}: {error:?}"));
    }
    for issued in store.current() {
        let entry = store.entry(ALICE, &issued.draft.names[0], SystemTime::now()).unwrap();
        store.load(&entry).unwrap_or_else(|error| panic!("{at}: {}: {error:?}", issued.id));
        store.chain(&issued.id).unwrap_or_else(|error| panic!("{at}: {}: {error:?}", issued.id));
    }
    let account = store.account(&ca()).unwrap();
    assert!([&b"old account"[..], b"new account"].contains(&account.as_deref().unwrap()), "{at}: {account:?}");
    let pending = store.pending();
    let of = |name: &str| pending.iter().filter(|one| one.draft().names == [host(name)]).count();
    assert!(of(OLD) <= 1 && of("new.example.com") <= 1, "{at}: {pending:?}");
    for one in &pending {
        one.csr().unwrap_or_else(|error| panic!("{at}: {}: {error}", one.id()));
        let url = one.order_url();
        assert!(url.is_none_or(|url| ["https://ca.test/order/1", "https://ca.test/order/2"].contains(&url)), "{at}");
    }
    assert!(template.old.id <= store.find(ALICE, &host(OLD)).unwrap().id, "{at}: an older one came back");
}

/// Runs `act` on a copy for every step and every fault. `done` says of a store, opened again, whether what was asked for
/// is in place: after a success it must be, and after a success without a fault it is tested too.
fn try_all<T>(
    prepare: impl Fn(&Store) -> T,
    act: impl Fn(&Store, T) -> Result<(), StoreError>,
    done: impl Fn(&Store) -> bool,
) {
    let template = Template::new();
    let run = |step: u64, fault: Option<Fault>| {
        let at = format!("step {step}, {fault:?}");
        let folder = template.copy();
        let root = folder.path().join("acme");
        let disk = Disk::default();
        let store = Store::open_on(&root, disk.clone()).unwrap();
        let prepared = prepare(&store);
        match fault {
            Some(fault) => disk.faults.arm(step, fault),
            None => disk.faults.disarm(),
        }
        let result = act(&store, prepared);
        let steps = disk.faults.steps();
        if fault.is_none_or(|fault| !fault.is_end()) {
            disk.faults.disarm();
            check_sound(&store, &template, &format!("{at}, still open"));
        }
        drop(store);
        disk.faults.cut_power();
        let store = Store::open(&root).unwrap_or_else(|error| panic!("{at}: {error}"));
        check_sound(&store, &template, &at);
        for place in ["live", "pending", "retired"] {
            let names = fs::read_dir(root.join(place)).unwrap().map(|entry| entry.unwrap().file_name());
            let left: Vec<_> = names.filter(|name| name.to_string_lossy().starts_with('.')).collect();
            assert!(left.is_empty(), "{at}: {left:?}");
        }
        match result {
            Ok(()) if fault.is_some_and(Fault::is_end) && step < steps => {} // nobody was left to be told
            Ok(()) => assert!(done(&store), "{at}: told that it is done"),
            Err(error) => assert!(fault.is_some(), "{at}: {error}"),
        }
        steps
    };
    let steps = run(0, None);
    assert!((1..500).contains(&steps), "{steps}");
    for fault in Fault::ALL {
        // The power may also go right after the answer: what was said to be durable is.
        let last = if fault.is_end() { steps + 1 } else { steps };
        for step in 0..last {
            run(step, Some(fault));
        }
    }
}

fn pending_of(store: &Store, name: &str) -> Pending {
    store.pending().into_iter().find(|one| one.draft().names == [host(name)]).unwrap()
}

fn dropped<T>(result: Result<Issued, (T, StoreError)>) -> Result<(), StoreError> {
    result.map(drop).map_err(|(_, error)| error)
}

#[test]
fn opening() {
    let template = Template::new();
    let new = draft(&["new.example.com"]);
    let run = |step: u64, fault: Fault| {
        let at = format!("step {step}, {fault:?}");
        let folder = template.copy();
        let root = folder.path().join("acme");
        // What a kill left behind is swept while it fails.
        for place in ["live", "pending"] {
            fs::create_dir(root.join(place).join(".0000000099-x.example.com.new")).unwrap();
            fs::write(root.join(place).join(".0000000099-x.example.com.new/key.pem"), "half").unwrap();
        }
        let disk = Disk::default();
        disk.faults.arm(step, fault);
        if let Ok(store) = Store::open_on(&root, disk.clone()) {
            // One entry that cannot be read does not stop the others.
            let found = [OLD, OTHER].iter().filter(|name| store.find(ALICE, &host(name)).is_some()).count();
            assert!(found + store.broken().len() >= 2, "{at}");
        }
        let steps = disk.faults.steps();
        disk.faults.cut_power();
        let store = Store::open(&root).unwrap_or_else(|error| panic!("{at}: {error}"));
        check_sound(&store, &template, &at);
        store.begin(&new).unwrap();
        steps
    };
    let steps = run(u64::MAX, Fault::Io);
    for fault in Fault::ALL {
        for step in 0..steps {
            run(step, fault);
        }
    }
}

#[test]
fn a_folder_that_cannot_be_synced_serves_what_it_has_and_takes_no_orders() {
    let template = Template::new();
    for place in ["", "live", "pending"] {
        let folder = template.copy();
        let root = folder.path().join("acme");
        let leftover = root.join("live/.0000000099-x.example.com.new");
        fs::create_dir(&leftover).unwrap();
        let disk = Disk::default();
        disk.faults.refuse_sync_of(&root.join(place).components().collect::<PathBuf>());
        let store = Store::open_on(&root, disk).unwrap_or_else(|error| panic!("{place}: {error}"));
        check_sound(&store, &template, place);
        assert_eq!(store.self_test().is_err(), place.is_empty(), "{place}");
        assert_eq!(leftover.exists(), place == "live", "{place}");
    }
}

#[test]
fn making_the_store() {
    let new = draft(&["new.example.com"]);
    let run = |step: u64, fault: Fault| {
        let folder = quick_folder();
        let root = folder.path().join("acme");
        let disk = Disk::default();
        disk.faults.arm(step, fault);
        drop(Store::open_on(&root, disk.clone()));
        let steps = disk.faults.steps();
        disk.faults.cut_power();
        Store::open(&root).unwrap().begin(&new).unwrap();
        steps
    };
    let steps = run(u64::MAX, Fault::Io);
    for fault in Fault::ALL {
        for step in 0..steps {
            run(step, fault);
        }
    }
}

#[test]
fn beginning_an_order() {
    try_all(
        |_| (),
        |store, ()| store.begin(&draft(&["new.example.com"])).map(drop),
        |store| store.pending().iter().any(|one| one.draft().names == [host("new.example.com")]),
    );
}

#[test]
fn noting_the_first_url_and_another() {
    let url = "https://ca.test/order/2";
    for name in [OLD, "pending.example.com"] {
        try_all(
            |store| pending_of(store, name),
            |_, mut pending| pending.set_order_url(url),
            |store| pending_of(store, name).order_url() == Some(url),
        );
    }
}

#[test]
fn committing_a_first_certificate_and_a_renewal() {
    let ca = Authority::new("Test CA");
    for name in ["pending.example.com", OLD] {
        try_all(
            |store| {
                let pending = pending_of(store, name);
                let chain = sign(&ca, &pending.csr().unwrap(), SystemTime::now());
                (pending, chain)
            },
            |_, (pending, chain)| dropped(pending.commit(chain.as_bytes(), SystemTime::now())),
            |store| store.find(ALICE, &host(name)).is_some_and(|found| found.id.number() >= Some(4)),
        );
    }
}

#[test]
fn abandoning_an_order() {
    try_all(
        |store| pending_of(store, OLD),
        |_, pending| pending.abandon(),
        |store| store.pending().iter().all(|one| one.draft().names != [host(OLD)]),
    );
}

#[test]
fn saving_an_account() {
    try_all(
        |_| (),
        |store, ()| store.save_account(&ca(), b"new account"),
        |store| store.account(&ca()).unwrap().as_deref() == Some(b"new account"),
    );
    let other = CaId::new("other-ca").unwrap();
    try_all(
        |_| (),
        |store, ()| store.save_account(&other, b"other account"),
        |store| store.account(&other).unwrap().as_deref() == Some(b"other account"),
    );
}

#[test]
fn keeping_records() {
    let new = [("kept".to_owned(), None), ("new".to_owned(), Some(b"new".to_vec()))];
    try_all(|_| (), |store, ()| store.record(&new), |store| store.records() == [("new".to_owned(), b"new".to_vec())]);
}

#[test]
fn importing() {
    let ca = Authority::new("Elsewhere");
    let made = ca.leaf(&[OLD]).make();
    let import = |store: &Store| {
        let (chain, key) = (made.chain_pem.as_bytes(), made.key_pem.as_bytes());
        store.import(ALICE, &CaId::new("imported").unwrap(), chain, key, SystemTime::now())
    };
    try_all(
        |_| (),
        |store, ()| import(store).map(drop),
        |store| store.find(ALICE, &host(OLD)).is_some_and(|found| &*found.issuer == "Elsewhere"),
    );
}

#[test]
fn retiring() {
    let extra = "retired.example.com";
    try_all(
        |store| {
            for _ in 0..2 {
                let (ca, pending) = (Authority::new("Test CA"), store.begin(&draft(&[extra])).unwrap());
                let chain = sign(&ca, &pending.csr().unwrap(), SystemTime::now());
                pending.commit(chain.as_bytes(), SystemTime::now()).unwrap();
            }
            store.find(ALICE, &host(extra)).unwrap().id
        },
        |store, id| store.retire(&id),
        |store| store.find(ALICE, &host(extra)).is_none(),
    );
}

#[test]
fn testing_oneself() {
    try_all(|_| (), |store, ()| store.self_test(), |_| true);
}
