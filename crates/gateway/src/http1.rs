//! [`Connection`]: HTTP/1.1 towards a client (RFC 9112), as one state machine that the connection's task polls. It reads
//! a head, walks the request, writes the answer, and begins again; requests behind the first wait for their turn.
//!
//! What is at rest holds no buffers: reads go to the stack first, and only what is left over is kept. The body of a request
//! is read by whoever wants it ([`content`]), from the same stream; while somebody does, nobody else reads.
//!
//! Not here: the bytes of messages (`h1`, `wire`), what a request gets (`request`), and how long a client may take
//! (`vitals`, `serve`).
//!
//! | step | module |
//! |---|---|
//! | a head, and what comes too early | [`inbound`] |
//! | what a refused head is called | [`refused`] |
//! | the request's body, read from the same stream | [`content`], [`line`](mod@line) |
//! | the response | [`answer`], [`outbound`] |
//! | after a 101 the connection is somebody else's | [`switch`] |

use std::{
    rc::Rc,
    task::{Context, Poll, ready},
};

use http::{Method, Request, Response};
use vestibule_h1::{Persistence, RequestHead};
use vestibule_proxy::RequestBody;
use vestibule_wire::{BodyLength, Fault, Limits};

use crate::{
    fault::chain,
    http1::{
        answer::{Answer, Asked, Stopped},
        content::Content,
        inbound::{Left, NoHead},
        line::Line,
        switch::Handover,
    },
    outcome::{Ended, Outcome},
    record::Tracked,
    request::{self, Walk, Walker},
    serve::Conversation,
    stream::{Transport, Watched},
};

mod answer;
mod content;
mod inbound;
mod line;
mod outbound;
mod refused;
mod switch;

#[cfg(test)]
mod tests;

/// So many steps are taken before others have their turn: a client may send requests faster than they are answered.
const STEPS_AT_ONCE: u32 = 64;

/// See the module.
pub(crate) struct Connection<S: Transport> {
    line: Rc<Line<S>>,
    walker: Walker,
    limits: Limits,
    phase: Phase,
    /// Is it to end after what is under way?
    closing: bool,
}

enum Phase {
    /// Between two requests, or in a head.
    Reading,
    Walking(Walk, Asked),
    Answering(Answer),
    /// The response is written; somebody may still want the rest of the request.
    Settling,
    Closing,
}

/// After a step.
enum Step {
    Next(Phase),
    End(Ended),
}

impl<S: Transport + 'static> Connection<S> {
    pub(crate) fn new(stream: Watched<S>, walker: Walker, limits: Limits) -> Self {
        Self { line: Line::new(stream), walker, limits, phase: Phase::Reading, closing: false }
    }

    fn step(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        match &mut self.phase {
            Phase::Reading if self.closing && self.line.is_at_rest() => Poll::Ready(Step::Next(Phase::Closing)),
            Phase::Reading => self.poll_head(cx),
            Phase::Walking(walk, asked) => {
                if let Poll::Ready(response) = walk.as_mut().poll(cx) {
                    let asked = *asked;
                    // What the walk still holds lets go of the body first.
                    self.phase = Phase::Settling;
                    return Poll::Ready(self.answer(response, asked, cx));
                }
                self.poll_meanwhile(cx)
            }
            Phase::Answering(answer) => {
                match answer.poll(&self.line, self.walker.vitals(), cx) {
                    Poll::Pending if answer.is_streaming() => return self.poll_end(cx),
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(stopped)) => return Poll::Ready(Step::End(self.stopped(&stopped))),
                }
                if answer.switches() {
                    self.line.hand_over();
                    return Poll::Ready(Step::End(Outcome::Upgraded.into()));
                }
                let persistence = answer.persistence();
                Poll::Ready(Step::Next(match persistence {
                    Persistence::Keep => Phase::Settling,
                    Persistence::Close => Phase::Closing,
                }))
            }
            Phase::Settling => {
                let rest = ready!(self.line.poll_settle(cx));
                Poll::Ready(Step::Next(if rest == Left::Nothing { Phase::Reading } else { Phase::Closing }))
            }
            Phase::Closing => {
                self.line.leave(); // whoever still reads is told, and leaves the stream alone
                let closed = ready!(self.line.poll_close(cx));
                Poll::Ready(Step::End(match closed {
                    Ok(()) => Outcome::Closed.into(),
                    Err(error) => Outcome::Vanished.because(error),
                }))
            }
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        Poll::Ready(match ready!(self.line.poll_head(&self.limits, self.walker.vitals(), cx)) {
            Ok(head) => Step::Next(self.begin(head)),
            Err(NoHead::Refused(fault)) => self.turn_away(fault, cx),
            Err(NoHead::End) => Step::Next(Phase::Closing),
            Err(NoHead::Cut) => Step::End(Outcome::Vanished.because("it left within the head of a request")),
            Err(NoHead::Broken(error)) => Step::End(Outcome::Vanished.because(error)),
        })
    }

    /// A request begins.
    fn begin(&mut self, head: RequestHead) -> Phase {
        let RequestHead { request, body, hop } = head;
        let asked = Asked { version: request.version(), is_head: request.method() == Method::HEAD, hop };
        let number = self.line.begin(body);
        let body = match body {
            BodyLength::Known(0) if hop.asks_upgrade => {
                RequestBody::upgradable(Handover::new(Rc::clone(&self.line), number))
            }
            BodyLength::Known(0) => RequestBody::none(),
            _ => RequestBody::of(Content::new(Rc::clone(&self.line), number, hop)),
        };
        let (head, ()) = request.into_parts();
        let walk = request::walk(self.walker.clone(), Request::from_parts(head, body));
        Phase::Walking(Box::pin(walk), asked)
    }

    fn turn_away(&mut self, fault: Fault, cx: &mut Context<'_>) -> Step {
        tracing::debug!(%fault, "refused before it was parsed");
        self.line.begin(BodyLength::Known(0));
        let response = request::turn_away(self.walker.clone(), refused::refusal(fault));
        self.answer(response, Asked::NOTHING, cx)
    }

    /// The response begins.
    fn answer(&mut self, response: Response<Tracked>, asked: Asked, cx: &mut Context<'_>) -> Step {
        let rest = self.line.rest_of_request(cx);
        let is_last = self.closing || self.walker.vitals().is_close_asked();
        let ends = is_last || rest == Left::Something || asked.hop.persistence == Persistence::Close;
        let persistence = if ends { Persistence::Close } else { Persistence::Keep };
        Step::Next(Phase::Answering(Answer::begin(response, asked, persistence, &self.line)))
    }

    /// While a request walks: what was said meanwhile is written, and the client's end is noticed.
    fn poll_meanwhile(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if let Poll::Ready(Err(error)) = self.line.poll_written(self.walker.vitals(), cx) {
            return Poll::Ready(Step::End(Outcome::Vanished.because(error)));
        }
        self.poll_end(cx)
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        let end = match ready!(self.line.poll_end(cx)) {
            Ok(()) => Outcome::Vanished.because("it left before the answer"),
            Err(error) => Outcome::Vanished.because(error),
        };
        Poll::Ready(Step::End(end))
    }

    /// The response did not come to its end.
    fn stopped(&self, stopped: &Stopped) -> Ended {
        match stopped {
            Stopped::Writing(error) => Outcome::Vanished.because(error),
            Stopped::Body(error) if self.line.has_lost_client() => Outcome::Vanished.because(chain(error)),
            Stopped::Body(error) => Outcome::Broken.because(chain(error)),
            Stopped::Length => Outcome::Broken.because(chain(stopped)),
        }
    }
}

impl<S: Transport + 'static> Conversation for Connection<S> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        for _ in 0..STEPS_AT_ONCE {
            match ready!(self.step(cx)) {
                Step::Next(phase) => self.phase = phase,
                Step::End(ended) => return Poll::Ready(ended),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn close(&mut self) {
        self.closing = true;
    }
}

/// Whoever still reads or waits is told, and a client that cannot count what it got.
impl<S: Transport> Drop for Connection<S> {
    fn drop(&mut self) {
        if matches!(&self.phase, Phase::Answering(answer) if answer.is_until_close()) {
            self.line.break_off();
        }
        self.line.leave();
    }
}
