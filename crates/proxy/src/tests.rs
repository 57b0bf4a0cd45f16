//! Black-box tests of the crate, over real sockets.
