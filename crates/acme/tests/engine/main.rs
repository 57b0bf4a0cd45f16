//! The engine from outside: what reaches a CA, what is told, and what survives its end. The store, planner and door are the
//! real ones; the CA is a fake at the engine's seam, since the protocol is not what is tested here.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod fake;
mod house;

mod disk;
mod dns;
mod operator;
mod restarts;
mod walk;
