//! Answers: what a walk gave becomes HEADERS, DATA and trailers. A body is asked for its next piece when the one before is
//! on its way, or when nobody knows whether there is one: so a client that opens no window makes us hold one piece of each
//! response, and is seen to take nothing (`vitals`). Those who have a piece send a frame each in turn.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use http_body::Body as _;
use tokio::io::{AsyncRead, AsyncWrite};
use vestibule_h2::{Code, Last, Standing, StreamId};

use super::{
    Http2,
    exchanges::{Answer, Exchange, Step, Turn, Untaken},
};
use crate::{date, record::Tracked};

/// What is gathered before it is written: a few records of TLS.
const GATHERED: usize = 48 * 1024;

/// The places of answers that have something to send.
#[derive(Debug, Default)]
pub(super) struct Queue(VecDeque<usize>);

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn join(&mut self, place: usize) {
        self.0.push_back(place);
    }

    pub(super) fn leave(&mut self, place: usize) {
        self.0.retain(|waiting| *waiting != place);
    }
}

/// What a body has to give.
enum Next {
    Piece(Bytes, Last),
    Trailers(HeaderMap),
    End,
    Failed,
    Nothing,
}

fn next(body: &mut Tracked, cx: &mut Context<'_>) -> Next {
    loop {
        return match Pin::new(&mut *body).poll_frame(cx) {
            Poll::Pending => Next::Nothing,
            Poll::Ready(None) => Next::End,
            Poll::Ready(Some(Err(_))) => Next::Failed,
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) if data.is_empty() => continue,
                Ok(data) => Next::Piece(data, if body.is_end_stream() { Last::Yes } else { Last::No }),
                Err(frame) => frame.into_trailers().map_or(Next::End, Next::Trailers),
            },
        };
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Http2<S> {
    /// Polls whoever rings.
    pub(super) fn walk(&mut self) {
        let bells = std::sync::Arc::clone(&self.bells);
        bells.take(|place| self.step(place));
    }

    fn step(&mut self, place: usize) {
        let Some((exchange, bell)) = self.exchanges.at(place) else { return };
        match &mut exchange.step {
            Step::Walking(walk) => {
                self.codec.begin(exchange.stream);
                if let Poll::Ready(response) = walk.as_mut().poll(&mut Context::from_waker(bell)) {
                    let (stream, bell) = (exchange.stream, bell.clone());
                    self.respond(place, stream, response, &bell);
                }
            }
            Step::Answering(answer) if answer.turn == Turn::Body => self.ask(place),
            Step::Answering(_) | Step::Answered => {}
        }
    }

    fn respond(&mut self, place: usize, stream: StreamId, response: Response<Tracked>, bell: &Waker) {
        let (mut head, mut body) = response.into_parts();
        complete(&mut head.headers, &body);
        let last = if body.is_end_stream() { Last::Yes } else { Last::No };
        let standing = self.codec.send_head(stream, head.status, &head.headers, last, self.outbox.buffer());
        if last == Last::Yes || standing == Standing::Closed {
            return self.answered(place, standing);
        }
        let next = next(&mut body, &mut Context::from_waker(bell));
        // Most responses are there as a whole.
        if let Next::Piece(piece, Last::Yes) = &next
            && self.queue.is_empty()
            && piece.len() <= self.codec.room(stream)
        {
            let Next::Piece(piece, last) = next else { return };
            return self.send(place, stream, piece, last);
        }
        self.set(
            place,
            Step::Answering(Box::new(Answer { body, piece: Bytes::new(), untaken: None, turn: Turn::Body })),
        );
        self.go_on(place, stream, next);
    }

    /// Asks a body for more.
    fn ask(&mut self, place: usize) {
        if let Some((Exchange { stream, step: Step::Answering(answer), .. }, bell)) = self.exchanges.at(place) {
            let next = next(&mut answer.body, &mut Context::from_waker(bell));
            let stream = *stream;
            self.go_on(place, stream, next);
        }
    }

    fn go_on(&mut self, place: usize, stream: StreamId, next: Next) {
        let out = self.outbox.buffer();
        match next {
            Next::Nothing => {}
            Next::Piece(piece, _) => {
                if let Some((Exchange { step: Step::Answering(answer), .. }, _)) = self.exchanges.at(place) {
                    (answer.piece, answer.turn) = (piece, Turn::Queue);
                    answer.untaken = Some(Untaken::new(self.walker.vitals()));
                    self.queue.join(place);
                }
            }
            Next::Trailers(fields) => {
                let standing = self.codec.send_trailers(stream, &fields, out);
                self.answered(place, standing);
            }
            Next::End => self.send(place, stream, Bytes::new(), Last::Yes),
            Next::Failed => {
                self.codec.reset(stream, Code::INTERNAL_ERROR, out);
                self.exchanges.end(place);
            }
        }
    }

    /// Sends frames of those who have something, one after the other, as long as there is room.
    pub(super) fn fill(&mut self) {
        while self.outbox.len() < GATHERED
            && let Some(place) = self.queue.0.pop_front()
        {
            let Some((Exchange { stream, step: Step::Answering(answer), .. }, _)) = self.exchanges.at(place) else {
                continue;
            };
            if answer.turn != Turn::Queue {
                continue;
            }
            let stream = *stream;
            let room = self.codec.room(stream).min(answer.piece.len());
            if room == 0 {
                answer.turn = Turn::Client;
                continue;
            }
            let part = answer.piece.split_to(room);
            let is_taken = answer.piece.is_empty();
            let last = if is_taken && answer.body.is_end_stream() { Last::Yes } else { Last::No };
            if is_taken {
                (answer.turn, answer.untaken) = (Turn::Body, None);
            } else {
                self.queue.join(place);
            }
            self.send(place, stream, part, last);
            if is_taken && last == Last::No {
                self.ask(place);
            }
        }
    }

    /// Content that there is room for.
    fn send(&mut self, place: usize, stream: StreamId, content: Bytes, last: Last) {
        let mut standing = self.codec.send_data(stream, content.len(), last, self.outbox.buffer());
        if standing == Standing::Open {
            self.outbox.push(content);
            standing = self.codec.sent(stream, last, self.outbox.buffer());
        }
        if last == Last::Yes || standing == Standing::Closed {
            self.answered(place, standing);
        }
    }

    /// The response is said.
    fn answered(&mut self, place: usize, standing: Standing) {
        match standing {
            Standing::Closed => self.exchanges.end(place),
            Standing::Open => self.set(place, Step::Answered),
        }
    }

    fn set(&mut self, place: usize, step: Step) {
        if let Some((exchange, _)) = self.exchanges.at(place) {
            exchange.step = step;
        }
    }
}

/// Of an IMF-fixdate, bytes.
const DATE_LENGTH: usize = 29;

/// What a head says by itself: when it was made, and how long its body is (RFC 9110 sections 6.6.1 and 8.6).
fn complete(headers: &mut HeaderMap, body: &Tracked) {
    if !headers.contains_key(header::DATE) {
        let mut now = Vec::with_capacity(DATE_LENGTH);
        date::write_now(&mut now);
        headers.extend(HeaderValue::try_from(now).ok().map(|now| (header::DATE, now)));
    }
    if !body.is_end_stream()
        && !headers.contains_key(header::CONTENT_LENGTH)
        && let Some(length) = body.size_hint().exact()
    {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}
