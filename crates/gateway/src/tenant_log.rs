//! Access logs of tenants: each tenant's events, in files of the gateway's that the tenant reads over the admin socket
//! (`vestibule logs`).
//!
//! The folder is the gateway's alone, so that nobody else's link, quota or permissions have a say; it is opened in a way
//! that would follow no link anyway. A thread of its own writes: what its queue cannot take is dropped and counted, and
//! neither a worker nor the operator's log waits for it. Descriptors are bounded however many tenants there are
//! (`OPEN_LIMIT`), and so are the bytes that each tenant keeps (`limits.logs`).
//!
//! Not here: what an event says (`access.rs`), and who may read (`admin/logs.rs`).

mod folder;
mod page;
mod shorten;
mod writer;

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread,
};

use vestibule_names::TenantId;
use vestibule_site::tenancy::TenantLimits;

#[cfg(test)]
use self::page::Cursor;
pub(crate) use self::page::{Page, Wanted};
use self::{folder::Folder, writer::Writer};
use crate::{access::Lines, config::TenantLogs, tenancy::Tenancy};

/// Buffers that may wait for the writing thread.
const QUEUE_LIMIT: usize = 64;
/// Files open for writing at once.
const OPEN_LIMIT: usize = 64;
/// Files that share a tenant's bytes: the oldest goes when there is no room, so that most of them stay.
const SEGMENTS: u64 = 4;

/// Where workers hand tenants' lines in, and the admin interface reads them. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct TenantLog {
    queue: SyncSender<Lines>,
    reader: TenantLogReader,
}

/// The reading side: it does not keep the writing thread alive.
#[derive(Debug, Clone)]
pub(crate) struct TenantLogReader {
    folder: Arc<Folder>,
    dropped: Arc<Dropped>,
}

/// Lines that were not written, by whose they were. Tenants of live sites only write, which bounds it.
#[derive(Debug, Default)]
struct Dropped(Mutex<BTreeMap<TenantId, u64>>);

impl Dropped {
    fn add(&self, tenant: TenantId, lines: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(tenant).or_default() += lines;
    }

    fn of(&self, tenant: TenantId) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&tenant).copied().unwrap_or(0)
    }

    fn all(&self) -> u64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }
}

/// Starts the writing thread. It ends when every [`TenantLog`] is gone.
pub(crate) fn start(logs: &TenantLogs, tenancy: Tenancy) -> io::Result<(TenantLog, thread::JoinHandle<()>)> {
    let folder = Arc::new(Folder::open(&logs.folder)?);
    let reader = TenantLogReader { folder: Arc::clone(&folder), dropped: Arc::default() };
    let (queue, lines) = sync_channel(QUEUE_LIMIT);
    let writer = Writer::new(folder, tenancy, logs.client_addresses, Arc::clone(&reader.dropped));
    let thread = thread::Builder::new().name("tenant-logs".to_owned()).spawn(move || writer.run(&lines))?;
    Ok((TenantLog { queue, reader }, thread))
}

impl TenantLog {
    /// Hands lines over, or drops and counts them.
    pub(crate) fn send(&self, lines: Lines) {
        if let Err(TrySendError::Full(lines) | TrySendError::Disconnected(lines)) = self.queue.try_send(lines) {
            for (tenant, _) in lines.of_tenants() {
                self.reader.dropped.add(tenant, 1);
            }
        }
    }

    /// The reading side.
    pub(crate) fn reader(&self) -> TenantLogReader {
        self.reader.clone()
    }
}

impl TenantLogReader {
    /// Reads what is wanted of a tenant's log. Blocks on files.
    pub(crate) fn read(&self, tenant: TenantId, wanted: &Wanted) -> io::Result<Page> {
        page::read(&self.folder, tenant, wanted)
    }

    /// Bytes that are kept of a tenant's log, as far as they can be counted. Blocks on files.
    pub(crate) fn kept(&self, tenant: TenantId) -> u64 {
        let segments = self.folder.of(tenant).and_then(|own| own.map_or(Ok(Vec::new()), |own| own.segments()));
        segments.map_or(0, |segments| segments.iter().map(|segment| segment.size).sum())
    }

    /// Lines of that tenant that were not written since the start.
    pub(crate) fn dropped(&self, tenant: TenantId) -> u64 {
        self.dropped.of(tenant)
    }

    /// Lines of all tenants that were not written since the start.
    pub(crate) fn all_dropped(&self) -> u64 {
        self.dropped.all()
    }
}

/// The bytes that one tenant's log may have. Nothing grows without a bound: a tenant without limits has the usual one here.
pub(crate) fn quota(tenancy: &Tenancy, tenant: TenantId) -> u64 {
    let limit = tenancy.rule(tenant).limits.logs.0;
    if limit == u64::MAX { TenantLimits::default().logs.0 } else { limit }
}

/// Is that path usable as the folder? Made if it is missing.
fn prepare(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests;
