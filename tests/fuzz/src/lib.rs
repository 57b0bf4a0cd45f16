//! Fuzz targets: one function per reader of hostile bytes. Each takes any bytes and panics when a promise is broken; that
//! it comes to an end, and in how much memory, is for who calls it to see.
//!
//! The same functions are run in two ways: by `tests/replay.rs` over the corpora in `corpus/` and over mutations of them
//! (part of `cargo xtask test`), and by libFuzzer (`cargo xtask fuzz`), whose programs are in `bin/`.
//!
//! | target | input | what must hold |
//! |---|---|---|
//! | [`preface()`] | the first bytes of a connection | the verdict stands at every later byte; rustls reads the same SNI and ALPN |
//! | [`site_file`], [`settings_file`] | a file | bounded findings in order of place, spans in the text, every message can be drawn; both readers of YAML read the same |
//! | [`names()`] | text | normal forms are fixed points, what is written is read back, both readers of hosts agree |
//! | [`header_law`], [`response_law`] | fields | what goes on is what came, less what may not; nothing of identity; one length |
//! | [`requests()`] | bytes of a client | our codec reads the same however they are cut, as a second reading and as another codec; what is forwarded is read back as it was meant |
//! | [`chunks`] | a chunked body | as above |
//! | [`responses()`] | bytes of a backend | our codec reads the same however they are cut, and what a second reading reads; nothing unasked is taken for an answer; what a client gets of it is read back as it was meant |
//! | [`http2()`] | frames of an HTTP/2 client | the same events, fault and replies however they are cut; replies are whole frames within the windows |

mod cuts;
pub mod dice;
mod exchange;
mod forward;
mod http2;
mod law;
mod memory;
mod names;
mod preface;
mod reading;
mod requests;
mod responses;
mod site;
mod told;

pub use http2::http2;
pub use law::{header_law, response_law};
pub use names::names;
pub use preface::preface;
pub use requests::{chunks, requests};
pub use responses::responses;
pub use site::{settings_file, site_file};

/// A target, as the table has it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Of the function, the program and the folder of its corpus.
    pub name: &'static str,
    /// The function.
    pub run: fn(&[u8]),
}

/// All of them, in the order in which bytes meet what they try.
pub const TARGETS: [Target; 10] = [
    Target { name: "preface", run: preface },
    Target { name: "requests", run: requests },
    Target { name: "chunks", run: chunks },
    Target { name: "http2", run: http2 },
    Target { name: "names", run: names },
    Target { name: "header_law", run: header_law },
    Target { name: "responses", run: responses },
    Target { name: "response_law", run: response_law },
    Target { name: "site_file", run: site_file },
    Target { name: "settings_file", run: settings_file },
];
