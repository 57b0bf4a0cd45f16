//! HTTP/1.1 messages (RFC 9112) between bytes and the types of `http`. No I/O, no clock: bytes in, values out, and the
//! reverse.
//!
//! What may be read at all is the grammar's matter (`wire`): nothing here is more lenient, and nothing is judged twice.
//! Names and values of fields and the content of bodies are slices of the buffer they came in, not copies.
//!
//! Not here: which fields may be passed on, who waits for how long, and when a connection is used again.
//!
//! | module | layer |
//! |---|---|
//! | `request` | the head of a request, read and written; chunks and trailers, written |
//! | `response` | the head of a response, read and written |
//! | `body` | the body of a message, read |
//! | `hop` | what a message says of its connection |
//! | `intake` | room for what is read |
//! | `staged` | text and content on their way out |
//!
//! ```
//! use bytes::BytesMut;
//! use vestibule_h1::{AnswerTo, BodyReader, Part, read_response};
//!
//! let mut bytes = BytesMut::from("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
//! let limits = vestibule_wire::Limits { head: 1024, fields: 16, target: 0 };
//! let head = read_response(&mut bytes, &mut 0, &limits, AnswerTo::Other)?.expect("it is whole");
//! let mut body = BodyReader::new(head.body);
//! assert_eq!(head.response.headers()["content-length"], "2");
//! assert_eq!(body.read(&mut bytes)?, Some(Part::Data("ok".into())));
//! assert!(body.is_over() && bytes.is_empty());
//! # Ok::<(), vestibule_wire::Fault>(())
//! ```

mod body;
mod fields;
mod hop;
mod intake;
mod request;
mod response;
mod staged;

pub use body::{BodyReader, Cut, Part};
pub use hop::Persistence;
pub use intake::{Intake, LARGEST_PIECE};
pub use request::{
    CHUNK_END, LAST_CHUNK, RequestHead, RequestHop, announced_trailers, read_request, write_chunk_size,
    write_request_head, write_trailers,
};
pub use response::{AnswerTo, Framing, Reason, ResponseHead, ResponseLine, read_response};
pub use staged::Staged;
