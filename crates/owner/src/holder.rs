//! [`listening`]: who listens at an address, for people to read. No verdict is built on it.

use std::{fs, net::SocketAddr, path::Path};

use crate::{Kernel, KernelError};

/// Who listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// Whose socket it is.
    pub uid: u32,
    /// The socket's inode, as in `/proc/PID/fd`.
    pub inode: u32,
    /// A process that has it, where it may be known and was found.
    pub pid: Option<u32>,
}

/// The most entries of `/proc` that are looked at for one question: processes, and their descriptors.
const LOOK_LIMIT: usize = 100_000;

/// Who listens at this address of this machine. Reads `/proc`, which takes milliseconds: not for a worker.
///
/// # Errors
/// When the kernel does not say.
pub fn listening(kernel: &Kernel, addr: SocketAddr) -> Result<Option<Holder>, KernelError> {
    let seen = kernel.listener(addr)?;
    Ok(seen.map(|seen| Holder { uid: seen.uid, inode: seen.inode, pid: process_with(seen.inode) }))
}

/// The lowest-numbered process that has the socket open, among those we may look into.
fn process_with(inode: u32) -> Option<u32> {
    let wanted = format!("socket:[{inode}]");
    let mut left = LOOK_LIMIT;
    let mut pids: Vec<u32> = entries(Path::new("/proc"), &mut left).filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    pids.into_iter().find(|pid| {
        let folder = format!("/proc/{pid}/fd");
        let descriptors: Vec<String> = entries(Path::new(&folder), &mut left).collect();
        descriptors
            .iter()
            .any(|fd| fs::read_link(format!("{folder}/{fd}")).is_ok_and(|link| link == Path::new(&wanted)))
    })
}

fn entries<'a>(folder: &Path, left: &'a mut usize) -> impl Iterator<Item = String> + 'a {
    let listed = fs::read_dir(folder).into_iter().flatten().flatten();
    let within = listed.take_while(|_| {
        let more = *left > 0;
        *left = left.saturating_sub(1);
        more
    });
    within.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_listener_of_this_process_is_found_with_its_number() {
        let kernel = Kernel::open().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let holder = listening(&kernel, addr).unwrap().expect("it listens");
        assert_eq!(holder.uid, rustix::process::geteuid().as_raw());
        assert_eq!(holder.pid, Some(std::process::id()));
        drop(listener);
        assert_eq!(listening(&kernel, addr).unwrap(), None);
    }
}
