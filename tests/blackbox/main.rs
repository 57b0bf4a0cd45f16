//! Black-box tests: the real binary, real sockets, real processes. A module per promise; a name is a sentence.
//!
//! They need `VESTIBULE_BIN` or a built binary beside the test (`cargo xtask test` sees to it), and the programs that
//! `cargo xtask test` installs.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod acme_after_failures;
mod acme_caddy;
mod acme_cells;
mod acme_commands;
mod acme_crash;
mod acme_first;
mod acme_hostile;
mod acme_life;
mod acme_wishes;
mod backends;
mod bodies;
mod budgets;
mod certificates;
mod client_certificates;
mod commands;
mod forwarding;
mod hellos;
mod hijack;
mod identity;
mod isolation;
mod known_enemies;
mod life;
mod names;
mod owners;
mod persistence;
mod power;
mod raw_http1;
mod raw_http2;
mod raw_responses;
mod recorder;
mod refusals;
mod routes;
mod self_service;
mod sessions;
mod swap;
mod upstream_faults;
mod websockets;
