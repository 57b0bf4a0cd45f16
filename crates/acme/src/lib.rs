//! Certificates from public CAs (ACME, RFC 8555): the only crate that speaks to a CA.
//!
//! ```text
//!   sites ──▶ Engine ──▶ Planner (pure: what is due, within the CA's limits, fair between tenants)
//!               │            │ Job
//!               │            ▼
//!               ├──────▶ Client::obtain ── order, challenges, finalize ──▶ certs::Store (write-ahead, one rename)
//!               │            │ tokens, acme-tls/1 configurations
//!               │            ▼
//!               │          Door ◀── the gateway's workers ask it, before anything of a tenant's
//!               └──────▶ Events: the gateway swaps identities; hooks and metrics are told
//! ```
//!
//! Serving never waits for anything here. What the store holds is served at once after a start; a CA that is down delays
//! renewals and nothing else.
//!
//! | module | in reading order |
//! |---|---|
//! | `time` | [`Timestamp`]: the only notion of time of the planner |
//! | `config` | [`Config`]: CAs, accounts, challenges, limits, decided |
//! | `failure` | [`Failure`]: what went wrong, typed, each with one sentence for a person |
//! | `plan` | [`Planner`]: the pure state machine of calendar, budgets, back-off, quarantine and fairness |
//! | `door` | [`Door`]: challenges that workers answer, and which names have an order in flight |
//! | `client` | [`Client`]: one CA: account, orders, renewal information, revocation |
//! | `dns` | look-ups for advice, and the providers of DNS-01 |
//! | `hooks` | programs of the operator that are told of events |
//! | `program`, `printable`, `fnv` | running a program bounded in time and output; text from outside, made fit for people; a fingerprint |
//! | `engine` | [`Engine`]: drives planner, clients and hooks; what the gateway talks to |
//! | `explain` | what stands between a name and its certificate |
//!
//! What this crate deliberately does not do: it decides no claim (the gateway tells it only names that a tenant holds),
//! spawns no task or thread, binds no socket, and writes no file (`certs` does).

pub mod client;
pub mod config;
pub mod dns;
pub mod door;
pub mod engine;
pub mod explain;
pub mod failure;
mod fnv;
pub mod hooks;
pub mod plan;
mod printable;
mod program;
mod time;

pub use client::Client;
pub use config::Config;
pub use door::Door;
pub use engine::{Counts, Engine, Event, Handle};
pub use failure::{Asked, Failure, FailureKind};
pub use plan::Planner;
use time::Alarm;
pub use time::Timestamp;
