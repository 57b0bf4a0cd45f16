//! Conversations in memory: what our codec reads as the answers of a backend, and as the requests of a client.

use bytes::{Buf as _, BytesMut};
use http::{HeaderMap, Method, Request, response};
use vestibule_h1::{AnswerTo, BodyReader, Part, ResponseHead, read_request, read_response};
use vestibule_proxy::forbids_trailer;
use vestibule_wire::{Fault, Limits};

use crate::{memory::Served, reading::LIMITS};

/// What the codec has read as the answer to one request.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) head: response::Parts,
    /// The body and its trailers, unless it was cut.
    pub(crate) body: Option<(Vec<u8>, HeaderMap)>,
    /// Was the end of the connection needed to know its end?
    pub(crate) closed: bool,
    /// May another request not go out on this connection?
    pub(crate) spoilt: bool,
}

/// No answer.
#[derive(Debug)]
pub(crate) enum Unanswered {
    /// What came is none: shown where it should not be.
    Malformed(#[expect(dead_code, reason = "for whoever reads the panic")] Fault),
    /// Too little came.
    Unfinished,
}

/// What a backend says to one request: in pieces, and only once it was asked.
pub(crate) struct Turn<'a> {
    pub(crate) request: Request<()>,
    pub(crate) pieces: Vec<&'a [u8]>,
}

/// What comes of a backend: pieces one by one, then the end.
struct Backend<'a> {
    pieces: std::vec::IntoIter<&'a [u8]>,
    bytes: BytesMut,
}

impl Backend<'_> {
    /// Has more come? Else that was the end.
    fn comes(&mut self) -> bool {
        let piece = self.pieces.next();
        self.bytes.extend_from_slice(piece.unwrap_or_default());
        piece.is_some()
    }

    fn head(&mut self, to: AnswerTo) -> Result<ResponseHead, Unanswered> {
        let (limits, mut seen) = (Limits { target: 0, ..LIMITS }, 0);
        loop {
            while !self.bytes.is_empty()
                && let Some(head) =
                    read_response(&mut self.bytes, &mut seen, &limits, to).map_err(Unanswered::Malformed)?
            {
                if !head.is_interim() {
                    return Ok(head);
                }
            }
            if !self.comes() {
                return Err(Unanswered::Unfinished);
            }
        }
    }

    fn answer(mut self, to: AnswerTo) -> Result<Answered, Unanswered> {
        let head = self.head(to)?;
        let (mut reader, mut closed) = (BodyReader::new(head.body), false);
        let (mut content, mut trailers) = (Vec::new(), HeaderMap::new());
        let is_whole = loop {
            match reader.read(&mut self.bytes) {
                Ok(Some(Part::Data(data))) => {
                    assert!(!data.is_empty(), "an empty part would be taken for an end");
                    content.extend_from_slice(&data);
                }
                Ok(Some(Part::Trailers(fields))) => trailers = fields,
                Ok(None) if reader.is_over() => break true,
                Ok(None) if self.comes() => {}
                Ok(None) => {
                    closed = true;
                    break reader.end().is_ok();
                }
                Err(_) => break false,
            }
        };
        let spoilt = !self.bytes.is_empty() || self.pieces.len() > 0;
        let (head, ()) = head.response.into_parts();
        Ok(Answered { head, body: is_whole.then_some((content, trailers)), closed, spoilt })
    }
}

/// The answers in turn, as many as there are: an error ends the conversation, and so does what spoils the connection.
pub(crate) fn converse(turns: Vec<Turn<'_>>) -> Vec<Result<Answered, Unanswered>> {
    let mut answers = Vec::new();
    for Turn { request, pieces } in turns {
        let to = if request.method() == Method::HEAD { AnswerTo::Head } else { AnswerTo::Other };
        let answer = Backend { pieces: pieces.into_iter(), bytes: BytesMut::new() }.answer(to);
        let ends = answer.as_ref().map_or(true, |answer| answer.spoilt || answer.closed || answer.body.is_none());
        answers.push(answer);
        if ends {
            break;
        }
    }
    answers
}

/// The requests that a client sends in these pieces, and what ended them but the end of the pieces. No upgrade is ever
/// confirmed.
pub(crate) fn listen(pieces: Vec<&[u8]>) -> (Vec<Served>, Option<Fault>) {
    let mut client = Client { pieces: pieces.into_iter(), bytes: BytesMut::new() };
    let mut requests = Vec::new();
    loop {
        let (request, fault) = client.request();
        let goes_on = request.as_ref().is_some_and(|request| request.body.is_some());
        requests.extend(request);
        if !goes_on {
            return (requests, fault);
        }
    }
}

/// What comes of a client.
struct Client<'a> {
    pieces: std::vec::IntoIter<&'a [u8]>,
    bytes: BytesMut,
}

impl Client<'_> {
    fn comes(&mut self) -> bool {
        let piece = self.pieces.next();
        self.bytes.extend_from_slice(piece.unwrap_or_default());
        piece.is_some()
    }

    /// The next one, as far as it comes, and a fault in it.
    fn request(&mut self) -> (Option<Served>, Option<Fault>) {
        let mut seen = 0;
        let (head, length) = loop {
            let read = if self.bytes.is_empty() { Ok(None) } else { read_request(&self.bytes, &mut seen, &LIMITS) };
            match read {
                Ok(Some(found)) => break found,
                Ok(None) if self.comes() => {}
                Ok(None) => return (None, None),
                Err(fault) => return (None, Some(fault)),
            }
        };
        self.bytes.advance(length);
        let mut reader = BodyReader::forbidding(head.body, forbids_trailer);
        let (mut content, mut trailers) = (Vec::new(), HeaderMap::new());
        let mut served = Served { head: head.request.into_parts().0, body: None };
        let fault = loop {
            match reader.read(&mut self.bytes) {
                Ok(Some(Part::Data(data))) => content.extend_from_slice(&data),
                Ok(Some(Part::Trailers(fields))) => trailers = fields,
                Ok(None) if reader.is_over() => {
                    served.body = Some((content, trailers));
                    break None;
                }
                Ok(None) if self.comes() => {}
                Ok(None) => break None,
                Err(fault) => break Some(fault),
            }
        };
        (Some(served), fault)
    }
}
