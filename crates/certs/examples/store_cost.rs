//! What a store of many certificates costs: how long it takes to open, how much memory its index has, how long an answer
//! takes. `cargo run --release -p vestibule-certs --example store_cost -- 100000`

#![expect(clippy::print_stdout, reason = "its figures are for a person")]

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
    time::{Duration, Instant},
};

use vestibule_certs::store::Store;
use vestibule_names::{HostPattern, Hostname, TenantId};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u32 = std::env::args().nth(1).map_or(Ok(10_000), |text| text.parse())?;
    let folder = std::env::temp_dir().join(format!("vestibule-store-cost-{}", std::process::id()));
    drop(Store::open(&folder)?);
    for number in 1..=count {
        issuance(&folder.join("live"), number)?;
    }

    let (before, worked, began) = (resident()?, work()?, Instant::now());
    let store = Store::open(&folder)?;
    let (opened, work, after) = (began.elapsed(), work()? - worked, resident()?);
    assert!(store.broken().is_empty());

    let name = HostPattern::Exact(Hostname::parse(&host(count / 2))?);
    let began = Instant::now();
    let asked = 100_000;
    let found = (0..asked).filter(|_| store.find(TenantId(1000), &name).is_some()).count();
    let answer = began.elapsed() / asked;
    let began = Instant::now();
    let current = store.current().len();
    println!(
        "{count} issuances: opened in {opened:?} ({work:?} of a core), {} bytes each in memory, an answer in {answer:?}, all {current} in {:?}",
        after.saturating_sub(before) / u64::from(count),
        began.elapsed()
    );
    assert_eq!(found, asked as usize);
    drop(store);
    fs::remove_dir_all(folder)?;
    Ok(())
}

fn host(number: u32) -> String {
    format!("site-{number}.tenant.example.com")
}

/// A directory as the store writes it, without its key and chain: they are not read.
fn issuance(live: &Path, number: u32) -> std::io::Result<()> {
    use std::io::Write;
    let host = host(number);
    let directory = live.join(format!("{number:010}-{host}"));
    fs::DirBuilder::new().mode(0o700).create(&directory)?;
    let meta = serde_json::json!({
        "version": 1, "tenant": 1000, "names": [host], "ca": "letsencrypt", "profile": null, "key_type": "ecdsa-p256",
        "renews": null, "not_before": 1_790_000_000, "not_after": 1_797_776_000, "obtained": 1_790_003_600,
        "ari": format!("aYhba4dGQEHhs3uEe6CuLN4ByNQ.BQ{number:022}"), "issuer": "E7",
        "fingerprint": format!("{number:064x}"),
    });
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(directory.join("meta.json"))?;
    file.write_all(&serde_json::to_vec_pretty(&meta)?)
}

/// Time on a core so far.
fn work() -> Result<Duration, Box<dyn std::error::Error>> {
    let text = fs::read_to_string("/proc/self/schedstat")?;
    Ok(Duration::from_nanos(text.split(' ').next().ok_or("no field")?.parse()?))
}

/// Resident memory, bytes.
fn resident() -> Result<u64, Box<dyn std::error::Error>> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text.split(' ').nth(1).ok_or("no field")?.parse()?;
    Ok(pages * 4096)
}
