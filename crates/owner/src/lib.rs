//! Whose process is behind a socket of this machine: asked of the Linux kernel, which knows.
//!
//! A port is anybody's who is fast enough. Before a tenant's request is sent to `127.0.0.1:5000`, somebody has to know
//! whether the process that will read it is that tenant's. The kernel answers by the ends of a connection:
//!
//! | question | answer |
//! |---|---|
//! | who listens at this address? | [`Kernel::listener`]: the socket that a new connection would come to |
//! | who holds the other end of my connection? | [`Dial::look`]: certain, queued at somebody's listener, or not settled |
//! | is this address one of this machine? | [`Kernel::is_local`]: as the kernel's routes say |
//! | where does the path of a Unix socket lead? | [`path::open`]: to a descriptor, by folders and links of trusted users only |
//! | who listens, for people to read? | [`holder::listening`]: with the number of the process, where it may be known |
//!
//! Not here: who is allowed what, sockets of our own, waiting. On other systems than Linux nothing of this exists.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let kernel = vestibule_owner::Kernel::open()?;
//! let to = "127.0.0.1:5000".parse()?;
//! let dial = kernel.dial(to)?; // first ask, then connect
//! let stream = std::net::TcpStream::connect(to)?;
//! println!("{:?}", dial.look(&kernel, stream.local_addr()?)?);
//! # Ok(())
//! # }
//! ```

mod kernel;
mod message;
mod sight;

pub mod holder;
pub mod path;
pub mod probe;

pub use kernel::{Kernel, KernelError};
pub use sight::{Dial, Seen, Sight, State};
