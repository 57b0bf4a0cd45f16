//! [`Writer`]: the thread that writes tenants' logs: each tenant's lines of a buffer in one write, the files most recently
//! written to kept open, the oldest file removed when a tenant's bytes are spent.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write as _},
    os::unix::fs::FileExt as _,
    sync::{Arc, mpsc::Receiver},
    time::{Duration, Instant},
};

use vestibule_names::TenantId;

use super::{Dropped, OPEN_LIMIT, SEGMENTS, folder::Folder, quota, shorten};
use crate::{access::Lines, config::ClientAddresses, tenancy::Tenancy};

/// At most one warning in this time.
const WARN_INTERVAL: Duration = Duration::from_secs(10);

pub(super) struct Writer {
    folder: Arc<Folder>,
    tenancy: Tenancy,
    client_addresses: ClientAddresses,
    dropped: Arc<Dropped>,
    open: Vec<Open>,
    /// The number of the last write: whose is lowest is closed first.
    clock: u64,
    warned: Option<Instant>,
}

/// A file that is being written to.
struct Open {
    tenant: TenantId,
    number: u64,
    file: File,
    size: u64,
    used: u64,
}

impl Writer {
    pub(super) fn new(
        folder: Arc<Folder>,
        tenancy: Tenancy,
        client_addresses: ClientAddresses,
        dropped: Arc<Dropped>,
    ) -> Self {
        Self { folder, tenancy, client_addresses, dropped, open: Vec::new(), clock: 0, warned: None }
    }

    pub(super) fn run(mut self, buffers: &Receiver<Lines>) {
        for lines in buffers {
            self.take(&lines);
        }
    }

    /// Writes what a worker gathered. Trouble with one tenant's file is that tenant's.
    pub(super) fn take(&mut self, lines: &Lines) {
        let mut of_each: BTreeMap<TenantId, Vec<&[u8]>> = BTreeMap::new();
        for (tenant, line) in lines.of_tenants() {
            of_each.entry(tenant).or_default().push(line);
        }
        for (tenant, lines) in of_each {
            let mut written = 0;
            if let Err(error) = self.write(tenant, &lines, &mut written) {
                self.open.retain(|open| open.tenant != tenant);
                self.warn(tenant, &error);
            }
            let lost = lines.len() as u64 - written;
            if lost > 0 {
                self.dropped.add(tenant, lost);
            }
        }
    }

    /// Writes lines in as few writes as the size of files allows, and counts them.
    fn write(&mut self, tenant: TenantId, lines: &[&[u8]], written: &mut u64) -> io::Result<()> {
        let limit = quota(&self.tenancy, tenant) / SEGMENTS;
        let mut pending = Vec::new();
        let mut count = 0;
        for line in lines.iter().filter(|line| line.len() as u64 <= limit) {
            let open = self.opened(tenant, limit)?;
            if open.size + pending.len() as u64 + line.len() as u64 > limit {
                open.add(&pending)?;
                *written += std::mem::take(&mut count);
                pending.clear();
                self.rotate(tenant, limit)?;
            }
            match self.client_addresses {
                ClientAddresses::Full => pending.extend_from_slice(line),
                ClientAddresses::Shortened => shorten::add(line, &mut pending),
            }
            count += 1;
        }
        if !pending.is_empty() {
            self.opened(tenant, limit)?.add(&pending)?;
            *written += count;
        }
        Ok(())
    }

    /// The file of a tenant that is written to.
    fn opened(&mut self, tenant: TenantId, limit: u64) -> io::Result<&mut Open> {
        self.clock += 1;
        let at = match self.open.iter().position(|open| open.tenant == tenant) {
            Some(at) => at,
            None => {
                let own = self.folder.make(tenant)?;
                let number = own.segments()?.last().map_or(1, |newest| newest.number);
                let file = own.append(number)?;
                self.keep(Open::new(tenant, number, file)?);
                make_room(&own, number, limit)?;
                self.open.len() - 1
            }
        };
        let open = &mut self.open[at];
        open.used = self.clock;
        Ok(open)
    }

    /// Goes on in a new file.
    fn rotate(&mut self, tenant: TenantId, limit: u64) -> io::Result<()> {
        let before = self.open.iter().position(|open| open.tenant == tenant).map(|at| self.open.swap_remove(at));
        let number = before.map_or(1, |open| open.number + 1);
        let own = self.folder.make(tenant)?;
        make_room(&own, number, limit)?;
        let file = own.append(number)?;
        self.keep(Open::new(tenant, number, file)?);
        Ok(())
    }

    fn keep(&mut self, mut open: Open) {
        open.used = self.clock;
        if self.open.len() >= OPEN_LIMIT
            && let Some(idle) = (0..self.open.len()).min_by_key(|at| self.open[*at].used)
        {
            self.open.swap_remove(idle);
        }
        self.open.push(open);
    }

    fn warn(&mut self, tenant: TenantId, error: &io::Error) {
        if self.warned.is_none_or(|at| at.elapsed() >= WARN_INTERVAL) {
            self.warned = Some(Instant::now());
            let folder = self.folder.path().display();
            tracing::warn!(%tenant, %folder, %error, "the log of a tenant cannot be written: lines are dropped");
        }
    }

    #[cfg(test)]
    pub(super) fn descriptors(&self) -> usize {
        self.open.len()
    }
}

/// Removes the oldest files until what stays beside the file of that number leaves room for it.
fn make_room(own: &super::folder::Own, number: u64, limit: u64) -> io::Result<()> {
    let mut others = own.segments()?;
    others.retain(|segment| segment.number != number);
    let mut bytes: u64 = others.iter().map(|segment| segment.size).sum();
    let mut count = others.len() as u64;
    for oldest in others {
        if bytes <= limit * (SEGMENTS - 1) && count < SEGMENTS {
            break;
        }
        own.remove(oldest.number)?;
        bytes -= oldest.size;
        count -= 1;
    }
    Ok(())
}

impl Open {
    /// A file whose last line may have been torn when the machine stopped: a fragment stays a line of its own.
    fn new(tenant: TenantId, number: u64, mut file: File) -> io::Result<Self> {
        let mut size = file.metadata()?.len();
        let mut last = [b'\n'];
        if size > 0 {
            file.read_exact_at(&mut last, size - 1)?;
        }
        if last != [b'\n'] {
            file.write_all(b"\n")?;
            size += 1;
        }
        Ok(Self { tenant, number, file, size, used: 0 })
    }

    /// Adds whole lines, or none.
    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            self.file.set_len(self.size)?; // what a full disk took of them
            return Err(error);
        }
        self.size += bytes.len() as u64;
        Ok(())
    }
}
