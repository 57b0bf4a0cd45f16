//! [`Case`]: the bytes of a client, and the only outcome that is allowed.

pub(super) use crate::recorder::{Transport, Wanted};

/// What a client sends, and what must become of it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
    /// In this order.
    pub(super) expected: Vec<Outcome>,
    pub(super) only: Option<Transport>,
}

/// What becomes of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It reaches the backend as just this.
    Reaches(Wanted),
    /// It is answered with that code word.
    Refused(&'static str),
    /// It does not even begin like HTTP: a connection that begins so gets a bare 400 in the clear, and over TLS it is
    /// refused as any other.
    Foreign,
    /// The host is of no site here: 404 in the clear, 421 over TLS.
    Elsewhere,
}

/// Follows everything that must be refused: it may never be taken for a request.
pub(super) const PASSENGER: &[u8] = b"GET /smuggled HTTP/1.1\r\nhost: a.test\r\n\r\n";
/// Follows everything that is understood: it must arrive, so the end of what came before was seen where it is.
pub(super) const CANARY: &[u8] = b"GET /canary HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n";

fn canary() -> Outcome {
    Outcome::Reaches(Wanted::new("GET /canary HTTP/1.1", &[], ""))
}

impl Case {
    /// Refused with that word, and the connection ends.
    pub(super) fn refused(name: impl Into<String>, bytes: impl AsRef<[u8]>, word: &'static str) -> Self {
        Self::refused_after(name, bytes, &[], word)
    }

    /// Taken for no HTTP at all, and the connection ends.
    pub(super) fn foreign(name: impl Into<String>, bytes: impl AsRef<[u8]>) -> Self {
        let bytes = [bytes.as_ref(), PASSENGER].concat();
        Self { name: name.into(), bytes, expected: vec![Outcome::Foreign], only: None }
    }

    /// Some requests arrive, what follows is refused with that word, and the connection ends.
    pub(super) fn refused_after(
        name: impl Into<String>,
        bytes: impl AsRef<[u8]>,
        before: &[Wanted],
        word: &'static str,
    ) -> Self {
        let mut expected: Vec<Outcome> = before.iter().cloned().map(Outcome::Reaches).collect();
        expected.push(Outcome::Refused(word));
        Self { name: name.into(), bytes: [bytes.as_ref(), PASSENGER].concat(), expected, only: None }
    }

    /// Answered by the gateway, and the connection goes on.
    pub(super) fn answered(name: impl Into<String>, bytes: impl AsRef<[u8]>, outcome: Outcome) -> Self {
        Self {
            name: name.into(),
            bytes: [bytes.as_ref(), CANARY].concat(),
            expected: vec![outcome, canary()],
            only: None,
        }
    }

    /// Arrives, and the connection goes on.
    pub(super) fn reaches(name: impl Into<String>, bytes: impl AsRef<[u8]>, wanted: Wanted) -> Self {
        Self::answered(name, bytes, Outcome::Reaches(wanted))
    }

    /// Arrives, and nothing that follows is read.
    pub(super) fn reaches_last(name: impl Into<String>, bytes: impl AsRef<[u8]>, wanted: Wanted) -> Self {
        let bytes = [bytes.as_ref(), PASSENGER].concat();
        Self { name: name.into(), bytes, expected: vec![Outcome::Reaches(wanted)], only: None }
    }

    pub(super) fn only(mut self, transport: Transport) -> Self {
        self.only = Some(transport);
        self
    }
}

/// A GET of `/` with these field lines behind `host`, each with its end.
pub(super) fn get(fields: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nhost: a.test\r\n{fields}\r\n").into_bytes()
}

/// A POST of `/` with these field lines behind `host`, each with its end, and that body.
pub(super) fn post(fields: &str, body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nhost: a.test\r\n{fields}\r\n{body}").into_bytes()
}

/// The plain GET of `/`, with these fields.
pub(super) fn got(fields: &[&str]) -> Wanted {
    Wanted::new("GET / HTTP/1.1", fields, "")
}

/// The chunked POST of `/` with that body.
pub(super) fn posted_in_chunks(body: &str) -> Wanted {
    Wanted::new("POST / HTTP/1.1", &["transfer-encoding: chunked"], body)
}
