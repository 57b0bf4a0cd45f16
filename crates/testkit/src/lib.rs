//! Fixtures for tests that look at the gateway from outside: the real binary as a process, upstreams that say and
//! record exactly what the test wants, and clients that trust the local CA.
//!
//! Development only. Fixtures fail by panicking, with the gateway's log in the message; everything they start ends
//! with them, every directory is temporary, every port is 0, and every wait has a bound ([`wait`]).
//!
//! ```no_run
//! # async fn example() {
//! use vestibule_testkit::{Gateway, HttpOrigin, Site};
//! let origin = HttpOrigin::start().await;
//! let gateway = Gateway::start().await;
//! gateway.add("a.yaml", &Site::new("a.test").upstream(&origin)).await;
//! assert_eq!(gateway.get("a.test", "/echo").await.status, 200);
//! # }
//! ```
//!
//! | module | fixture |
//! |---|---|
//! | [`gateway`] | [`Gateway`]: the binary with folders of its own, started, stopped, killed, restarted |
//! | [`site`] | [`Site`]: the text of a site file, written by atomic rename |
//! | [`origin`] | [`HttpOrigin`] answers well, [`ScriptedOrigin`] answers exactly |
//! | [`backend`] | other people's servers: Python's, nginx |
//! | [`client`] | [`Connection`]: HTTP/1.1 or HTTP/2, with or without TLS; raw TLS; WebSockets |
//! | [`frames`], [`flood`] | HTTP/2 by hand, and the floods of it that gateways have fallen to |
//! | [`visitor`] | clients from addresses of their own, with sessions that they come back to |
//! | [`drawn`] | choices and long bodies that a seed decides |
//! | [`certificate`] | a CA of the test's own |
//! | [`curl`] | the real curl |
//! | [`ca`] | [`ca::SimulatedCa`]: a CA in process, with Let's Encrypt's limits, that goes wrong on order |
//! | [`admin`] | HTTP over the admin socket |
//! | [`rig`] | [`AcmeRig`]: name server, CA and gateway together |
//! | [`shelf`] | as many certificates in a store as there should be |
//! | [`swap`] | site files edited under a steady load |
//! | [`pebble`] | [`Pebble`] and [`ChallTestServer`]: a real CA, and a name server whose answers a test sets |
//! | [`caddy_ca`] | [`caddy_ca::CaddyCa`]: a second real CA |
//! | [`ports`] | ports for servers that cannot choose one |
//! | [`process`] | children that cannot outlive the test |

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "fixtures of tests fail by panicking and talk to the developer"
)]

pub mod admin;
pub mod answer;
pub mod backend;
pub mod ca;
pub mod caddy_ca;
pub mod certificate;
pub mod client;
pub mod curl;
pub mod drawn;
pub mod flood;
pub mod frames;
pub mod gateway;
pub mod origin;
pub mod pebble;
pub mod ports;
pub mod process;
pub mod rig;
pub mod shelf;
pub mod site;
pub mod swap;
pub mod visitor;
pub mod wait;

pub use answer::Answer;
pub use client::{Connection, Protocol};
pub use curl::Curl;
pub use gateway::{Gateway, GatewayBuilder};
pub use origin::{HttpOrigin, ScriptedOrigin, Step};
pub use pebble::{ChallTestServer, Pebble};
pub use rig::{AcmeRig, AcmeRigBuilder, SimulatedRig, SimulatedRigBuilder};
pub use shelf::Shelf;
pub use site::Site;
pub use wait::eventually;
