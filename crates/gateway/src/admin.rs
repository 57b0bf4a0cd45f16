//! The admin interface: JSON over HTTP/1.1 on Unix sockets, and metrics and readiness (nothing else) on a loopback address
//! if one is set. It runs on the control thread, never on a worker.
//!
//! | step | file |
//! |---|---|
//! | a connection is accepted, and the kernel says whose it is | `doors.rs`, `caller.rs` |
//! | it takes a place and a turn, so that tenants never crowd out the operator | `guests.rs` |
//! | its question is looked up, with who may ask it | `routes.rs` |
//! | the answer, which shows what the caller may see | `server.rs`, `status.rs`, `certs.rs`, `claims.rs`, `metrics.rs` |

mod acme_metrics;
mod backends;
mod caller;
mod certs;
mod claims;
mod doors;
mod guests;
mod logs;
mod metrics;
pub mod model;
mod reply;
mod routes;
mod server;
mod status;
mod tenants;

pub(crate) use caller::Caller;
pub(crate) use doors::{AdminSockets, serve};
