//! [`probe`]: does this kernel answer as it must? Tried at the start with a listener and a connection of our own.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream},
};

use crate::{Kernel, KernelError, Sight, State};

/// Why the kernel's answers are not good enough.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It gives none.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// There is no loopback to try it on.
    #[error("there is no loopback address to try it on")]
    Loopback(#[source] io::Error),
    /// It does not know a socket that is there: the module `tcp_diag` is missing.
    #[error("the kernel does not find a socket of ours (the module tcp_diag may be missing)")]
    Blind,
    /// It says that our own socket is somebody else's.
    #[error("the kernel says that a socket of ours belongs to uid {0}")]
    Wrong(u32),
}

/// Opens a socket to the kernel and tries it: a listener is found, a waiting and an accepted connection are ours.
///
/// # Errors
/// When no verdict could ever be given here.
pub fn probe() -> Result<Kernel, ProbeError> {
    let kernel = Kernel::open()?;
    let own = rustix::process::geteuid().as_raw();
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .or_else(|_| TcpListener::bind(SocketAddr::from((Ipv6Addr::LOCALHOST, 0))))
        .map_err(ProbeError::Loopback)?;
    let addr = listener.local_addr().map_err(ProbeError::Loopback)?;
    let dial = kernel.dial(addr)?;
    match kernel.listener(addr)? {
        Some(seen) if seen.state == State::Listen && seen.uid == own => {}
        Some(seen) => return Err(ProbeError::Wrong(seen.uid)),
        None => return Err(ProbeError::Blind),
    }
    let stream = TcpStream::connect(addr).map_err(ProbeError::Loopback)?;
    let from = stream.local_addr().map_err(ProbeError::Loopback)?;
    expect(dial.look(&kernel, from)?, Sight::Queued(own))?;
    let accepted = listener.accept().map_err(ProbeError::Loopback)?;
    expect(dial.look(&kernel, from)?, Sight::Held(own))?;
    drop(accepted);
    Ok(kernel)
}

fn expect(found: Sight, expected: Sight) -> Result<(), ProbeError> {
    match found {
        found if found == expected => Ok(()),
        Sight::Held(uid) | Sight::Queued(uid) => Err(ProbeError::Wrong(uid)),
        Sight::Unsettled | Sight::Closed => Err(ProbeError::Blind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_answers() {
        probe().unwrap();
    }
}
