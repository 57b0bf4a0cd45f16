//! Black-box tests: a hyper server with [`crate::inspect`] and forwarding on one side, a backend that speaks raw bytes
//! on the other, real sockets between.

mod by_hyper;
mod rig;

mod backends;
mod bodies;
mod budget;
mod framing;
mod http2;
mod links;
mod pooling;
mod responses;
mod retries;
mod timeouts;
mod tls;
mod truncation;
mod tunnels;
