//! The server's side of HTTP/2 (RFC 9113, RFC 7541) between bytes and the types of `http`. No I/O, no clock, no task: a
//! [`Connection`] is shown what came, says what it means as [`Event`]s, and appends what is to be sent to a buffer of
//! whoever drives it.
//!
//! It is strict: what RFC 9113 calls malformed ends its stream, what it calls an error of the connection ends that. It is
//! bounded: what a client makes us keep is within [`Limits`], and what it may make us do is counted (`pace`).
//!
//! Not here: what a request means and whether it may be forwarded, who waits for how long, in which order responses get
//! their turn. PRIORITY is read and ignored (RFC 9113 section 5.3.2); nothing is pushed.
//!
//! | module | layer |
//! |---|---|
//! | `fault` | what a client does wrong |
//! | `frame` | frames, read and written |
//! | `hpack` | header blocks to fields, and back |
//! | `head` | fields to a request or to trailers |
//! | `window` | flow control |
//! | `pace` | floods |
//! | `streams` | the streams that are not closed |
//! | `connection` | all of it in its order |
//!
//! ```
//! use std::time::Instant;
//! use vestibule_h2::{Connection, Event, Last, Limits};
//!
//! let limits = Limits { streams: 100, head: 65_536, stream_window: 131_072, connection_window: 524_288 };
//! let mut out = Vec::new();
//! let mut connection = Connection::open(limits, Instant::now(), &mut out);
//! let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\
//!     \0\0\x0b\x01\x05\0\0\0\x01\x82\x87\x84\x01\x06a.test".as_slice();
//! let Some(Event::Request { stream, request, .. }) = connection.next(&mut bytes, &mut out, Instant::now)? else {
//!     panic!("it is whole")
//! };
//! assert_eq!(request.uri(), "https://a.test/");
//! connection.begin(stream);
//! connection.send_head(stream, http::StatusCode::NO_CONTENT, &http::HeaderMap::new(), Last::Yes, &mut out);
//! # Ok::<(), vestibule_h2::Fault>(())
//! ```

mod connection;
mod fault;
mod frame;
mod head;
mod hpack;
mod pace;
mod streams;
mod window;

pub use connection::{Connection, Event, Fits, Follows, Last, Limits, Room, Standing};
pub use fault::{Code, Fault};
pub use frame::{FRAME_LIMIT, StreamId};
