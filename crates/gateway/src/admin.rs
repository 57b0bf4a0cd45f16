//! The admin interface: JSON over HTTP/1.1 on a Unix socket that only the gateway's user may open, and metrics and
//! readiness (nothing else) on a loopback address if one is set. It runs on the control thread, never on a worker.

mod acme_metrics;
mod certs;
mod metrics;
pub mod model;
mod server;
mod tenants;

pub(crate) use server::{AdminSockets, serve};
