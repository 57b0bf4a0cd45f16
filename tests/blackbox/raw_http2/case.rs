//! [`Case`]: the frames of a client, and the only outcome that is allowed.

use super::frame::{block, headers};
use crate::recorder::Wanted;

/// What a client sends once the connection is set up, and what must become of it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    /// Begins with the section of RFC 9113, or of RFC 7541 (`HPACK`).
    pub(super) name: String,
    pub(super) start: Start,
    /// Each part is sent once the answer to stream 1 in the part before has ended.
    pub(super) parts: Vec<Vec<u8>>,
    pub(super) expected: Vec<Outcome>,
    /// A right request that the fault comes behind, so that it may have gone on its way.
    pub(super) may_arrive: Option<Wanted>,
}

/// Who sends the preface and the first SETTINGS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// The rig, and the case comes behind.
    Orderly,
    /// The case.
    Own,
}

/// What becomes of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// GOAWAY with that code, and the end of the connection; what comes behind is no request.
    Dies(u32),
    /// The end of the connection without a word.
    Closes,
    /// RST_STREAM of that stream with that code.
    Resets(u32, u32),
    /// That stream gets that status and code word.
    Answered(u32, u16, &'static str),
    /// That stream reaches the backend as just this, and gets its answer.
    Reaches(u32, Wanted),
    /// PING is answered with that payload.
    Pongs([u8; 8]),
}

/// The stream of the request behind everything: it must arrive if the connection lives, and may not if it ends.
pub(super) const CANARY: u32 = 1001;

/// See [`CANARY`].
pub(super) fn canary() -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "https"), (":authority", "a.test"), (":path", "/canary")];
    headers(CANARY, block(&fields))
}

impl Case {
    fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>, outcome: Option<Outcome>) -> Self {
        Self {
            name: name.into(),
            start: Start::Orderly,
            parts: vec![bytes.into()],
            expected: outcome.into_iter().collect(),
            may_arrive: None,
        }
    }

    /// An error of the connection.
    pub(super) fn dies(name: impl Into<String>, bytes: impl Into<Vec<u8>>, code: u32) -> Self {
        Self::new(name, bytes, Some(Outcome::Dies(code)))
    }

    /// An error of stream 1; the connection lives.
    pub(super) fn resets(name: impl Into<String>, bytes: impl Into<Vec<u8>>, code: u32) -> Self {
        Self::resets_stream(name, bytes, 1, code)
    }

    /// An error of that stream; the connection lives.
    pub(super) fn resets_stream(name: impl Into<String>, bytes: impl Into<Vec<u8>>, stream: u32, code: u32) -> Self {
        Self::new(name, bytes, Some(Outcome::Resets(stream, code)))
    }

    /// Stream 1 gets an answer of the gateway's own; the connection lives.
    pub(super) fn answered(
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        status: u16,
        word: &'static str,
    ) -> Self {
        Self::new(name, bytes, Some(Outcome::Answered(1, status, word)))
    }

    /// Stream 1 arrives.
    pub(super) fn reaches(name: impl Into<String>, bytes: impl Into<Vec<u8>>, wanted: Wanted) -> Self {
        Self::new(name, bytes, Some(Outcome::Reaches(1, wanted)))
    }

    /// Nothing comes of it.
    pub(super) fn ignored(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(name, bytes, None)
    }

    /// PING with that payload is answered.
    pub(super) fn pongs(name: impl Into<String>, bytes: impl Into<Vec<u8>>, payload: [u8; 8]) -> Self {
        Self::new(name, bytes, Some(Outcome::Pongs(payload)))
    }

    /// The connection begins with these bytes and nothing else.
    pub(super) fn own_start(mut self) -> Self {
        self.start = Start::Own;
        self
    }

    /// Without GOAWAY, which a client that speaks no HTTP/2 could not read.
    pub(super) fn closes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(name, bytes, Some(Outcome::Closes)).own_start()
    }

    /// The same behind a request on stream 1 that is over: it arrived, and was answered.
    pub(super) fn after_an_answer(mut self) -> Self {
        self.parts.insert(0, headers(1, super::frame::get(&[])));
        self.expected.push(Outcome::Reaches(1, got(&[])));
        self
    }

    /// See the field.
    pub(super) fn may_arrive(mut self, wanted: Wanted) -> Self {
        self.may_arrive = Some(wanted);
        self
    }
}

/// The plain GET of `/`, with these fields.
pub(super) fn got(fields: &[&str]) -> Wanted {
    Wanted::new("GET / HTTP/1.1", fields, "")
}

/// The chunked POST of `/` with that body.
pub(super) fn posted(body: &str) -> Wanted {
    Wanted::new("POST / HTTP/1.1", &["transfer-encoding: chunked"], body)
}
