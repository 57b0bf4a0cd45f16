//! The server's end of TLS as a stream of bytes, over any other stream of bytes: rustls' protocol by its unbuffered
//! interface, which leaves the buffers to us. So a connection on which nothing moves holds none: what is read is decrypted
//! where it was read, in a buffer of the thread, and what is written is encrypted into another one. A connection of its own
//! keeps only what is left over: the beginning of a record, plaintext that nobody has taken, ciphertext that the network
//! has not taken; each within a bound, and freed when it is gone.
//!
//! Not here: which configuration a client gets, who it is, and how long it may take (`gateway`); the client's end of TLS
//! (`tokio-rustls`, towards backends and CAs). There is no early data and no renegotiation: neither is turned on.
//!
//! | module | what |
//! |---|---|
//! | [`accept`](fn@accept) | the handshake, to a stream or to the reason why not |
//! | [`TlsStream`] | reading and writing, with the network |
//! | `session` | the same without a network: ciphertext to plaintext and back |
//! | `unread` | ciphertext whose end has not come |
//! | `records` | what becomes a record when it is written |
//! | `pending` | bytes that wait |
//! | `spare` | buffers of the thread |

mod accept;
mod pending;
mod records;
mod session;
mod spare;
mod stream;
#[cfg(test)]
mod tests;
mod unread;

pub use accept::{Refused, accept};
pub use session::Fault;
pub use stream::TlsStream;
