//! A second reading of HTTP/1.1 messages, of bytes that the grammar has found to be some: as simple as RFC 9112 is once
//! nothing is left open. It holds against the codecs what the grammar has promised of them.

use vestibule_proxy::forbids_trailer;
use vestibule_wire::{BodyLength, Chunks, Fault, Limits, MessageHead, Progress, read_request, read_response};

/// What a head may cost, in all targets.
pub(crate) const LIMITS: Limits = Limits { head: 16 * 1024, fields: 100, target: 8 * 1024 };

/// Fields in their order, with names in lower case.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

/// One message.
#[derive(Debug)]
pub(crate) struct Message {
    /// The parts of the first line, between single blanks; the reason of a status line is the third.
    pub(crate) line: Vec<Vec<u8>>,
    /// Of its head.
    pub(crate) fields: Fields,
    /// How long its body is said to be.
    pub(crate) length: BodyLength,
    /// As far as it has come, without chunk frames.
    pub(crate) body: Vec<u8>,
    /// Behind it.
    pub(crate) trailers: Fields,
    /// Has all of it come?
    pub(crate) whole: bool,
}

/// What became of a client's bytes.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Those whose heads passed.
    pub(crate) messages: Vec<Message>,
    /// How many bytes passed.
    pub(crate) passed: usize,
    /// Why no more did.
    pub(crate) fault: Option<Fault>,
}

/// All bytes at once, from a client. No upgrade is ever confirmed.
pub(crate) fn admit(bytes: &[u8]) -> Admitted {
    admit_within(bytes, LIMITS)
}

/// The same for what was forwarded, which has some fields more and may be written at more length.
pub(crate) fn admit_forwarded(bytes: &[u8]) -> Admitted {
    admit_within(bytes, Limits { head: 4 * LIMITS.head, fields: LIMITS.fields + 16, target: 3 * LIMITS.target })
}

fn admit_within(bytes: &[u8], limits: Limits) -> Admitted {
    let (mut messages, mut at) = (Vec::new(), 0);
    let fault = loop {
        let (said, length) = match read_request(&bytes[at..], &mut 0, &limits) {
            _ if at == bytes.len() => break None,
            Err(fault) => break Some(fault),
            Ok(Progress::Partial) => break None,
            Ok(Progress::Complete(said, length)) => (said, length),
        };
        let (head, rest) = bytes[at..].split_at(length);
        at += length;
        let (count, whole, fault) = body_in(rest, said.body);
        messages.push(Message::new(head, &rest[..count], said, whole));
        at += count;
        if fault.is_some() || !whole {
            break fault;
        }
    };
    Admitted { messages, passed: at, fault }
}

/// How much of the bytes is a body of that length, whether that is all of it, and what is wrong with it.
fn body_in(bytes: &[u8], length: BodyLength) -> (usize, bool, Option<Fault>) {
    match length {
        BodyLength::Known(length) => {
            let here = bytes.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            (here, here as u64 == length, None)
        }
        BodyLength::UntilClose => (bytes.len(), true, None),
        BodyLength::Chunked => {
            let mut chunks = Chunks::new(forbids_trailer);
            match chunks.admit(bytes) {
                Ok(count) => (count, chunks.is_end(), None),
                Err(fault) => (0, false, Some(fault)),
            }
        }
    }
}

impl Message {
    fn new(head: &[u8], body: &[u8], said: MessageHead, whole: bool) -> Self {
        let (line, fields) = split_head(head);
        let (body, trailers) = match said.body {
            BodyLength::Chunked => unchunked(body),
            BodyLength::Known(_) | BodyLength::UntilClose => (body.to_vec(), Vec::new()),
        };
        if let (BodyLength::Known(length), true) = (said.body, whole) {
            assert_eq!(body.len() as u64, length, "a whole body is as long as it says");
        }
        Self { line, fields, length: said.body, body, trailers, whole }
    }
}

/// What a backend has said as its answer.
#[derive(Debug)]
pub(crate) enum Said {
    /// This, and so many bytes behind it.
    Answer(Message, usize),
    /// A head that is none, or a body with a fault.
    Broken(Fault),
    /// Not even a whole final head.
    Unfinished,
}

/// Reads the bytes that a backend sends for one request, all of them at once.
pub(crate) fn answer(bytes: &[u8], to_head: bool, limits: &Limits) -> Said {
    let mut at = 0;
    loop {
        let (said, length) = match read_response(&bytes[at..], &mut 0, limits, to_head) {
            Err(_) if at == bytes.len() => return Said::Unfinished,
            Err(fault) => return Said::Broken(fault),
            Ok(Progress::Partial) => return Said::Unfinished,
            Ok(Progress::Complete(said, length)) => (said, length),
        };
        let head = &bytes[at..at + length];
        at += length;
        if said.status < 200 && said.status != 101 {
            continue;
        }
        let rest = &bytes[at..];
        let (body, whole) = match said.body {
            BodyLength::Known(length) => {
                let here = rest.len().min(usize::try_from(length).unwrap_or(usize::MAX));
                (&rest[..here], here as u64 == length)
            }
            BodyLength::UntilClose => (rest, true),
            BodyLength::Chunked => {
                let mut chunks = vestibule_wire::Chunks::new(|_| false);
                match chunks.admit(rest) {
                    Err(fault) => return Said::Broken(fault),
                    Ok(length) => (&rest[..length], chunks.is_end()),
                }
            }
        };
        return Said::Answer(Message::new(head, body, said, whole), rest.len() - body.len());
    }
}

fn split_head(head: &[u8]) -> (Vec<Vec<u8>>, Fields) {
    let text = head.strip_suffix(b"\r\n\r\n").expect("a head ends in an empty line");
    let mut lines = split(text, b"\r\n").into_iter();
    let line = lines.next().expect("a head has a first line").splitn(3, |byte| *byte == b' ').map(<[u8]>::to_vec);
    (line.collect(), lines.map(field).collect())
}

fn field(line: &[u8]) -> (String, Vec<u8>) {
    let colon = line.iter().position(|byte| *byte == b':').expect("a field has a colon");
    let name = String::from_utf8(line[..colon].to_ascii_lowercase()).expect("a name is ASCII");
    let value = &line[colon + 1..];
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let from = value.iter().position(is_text).unwrap_or(value.len());
    let to = value.iter().rposition(is_text).map_or(from, |last| last + 1);
    (name, value[from..to].to_vec())
}

fn split<'a>(text: &'a [u8], by: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(by.len()).position(|window| window == by) {
        parts.push(&rest[..at]);
        rest = &rest[at + by.len()..];
    }
    parts.push(rest);
    parts
}

/// The data of chunks, as far as they have come, and the trailers.
fn unchunked(mut raw: &[u8]) -> (Vec<u8>, Fields) {
    let mut data = Vec::new();
    while let Some(end) = raw.windows(2).position(|window| window == b"\r\n") {
        let line = str::from_utf8(&raw[..end]).expect("a chunk's first line is ASCII");
        let digits = line.split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(digits, 16).expect("a chunk's size is one");
        raw = &raw[end + 2..];
        if size == 0 {
            let trailers = split(raw, b"\r\n").into_iter().filter(|line| !line.is_empty());
            return (data, trailers.map(field).collect());
        }
        let here = size.min(raw.len());
        data.extend_from_slice(&raw[..here]);
        raw = raw[here..].strip_prefix(b"\r\n").unwrap_or_default();
    }
    (data, Vec::new())
}

/// Fields as the codec has them, in the same form: the order of one name's values is theirs, that of names is not.
pub(crate) fn sorted(headers: &http::HeaderMap) -> Fields {
    let fields = headers.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    by_name(fields.collect())
}

/// By name, and otherwise in the order that they have.
pub(crate) fn by_name(mut fields: Fields) -> Fields {
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}
