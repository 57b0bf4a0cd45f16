//! [`Answer`]: a response on its way: its head and the first of its content in one write, then as much as the client
//! takes. What breaks in the middle is never given a clean end.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, Version};
use http_body::{Body as _, Frame};
use vestibule_h1::{Framing, Persistence, Reason, RequestHop, ResponseLine, announced_trailers};
use vestibule_proxy::BodyError;

use super::{line::Line, outbound::Last};
use crate::{date, record::Tracked, stream::Transport, vitals::Vitals};

/// What of a request decides how it is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub(super) version: Version,
    pub(super) is_head: bool,
    pub(super) hop: RequestHop,
}

impl Asked {
    /// Nothing that could be understood.
    pub(super) const NOTHING: Self = Self {
        version: Version::HTTP_11,
        is_head: false,
        hop: RequestHop {
            persistence: Persistence::Close,
            expects_continue: false,
            takes_trailers: false,
            asks_upgrade: false,
        },
    };
}

/// See the module.
pub(super) struct Answer {
    /// What is still to come.
    body: Option<Tracked>,
    rest: Rest,
    ending: Ending,
    /// Told when what came before it is written.
    stopped: Option<Stopped>,
}

/// How the rest of the content is framed.
enum Rest {
    /// So many bytes.
    Length(u64),
    /// Chunks, and trailers of the names in these lists, if the client takes any.
    Chunks(Option<Vec<HeaderValue>>),
    UntilClose,
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Http(Persistence),
    Switch,
}

/// Why a response ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// The client takes no more.
    #[error("the client is gone")]
    Writing(#[source] io::Error),
    #[error("the response broke off")]
    Body(#[source] BodyError),
    /// Both more and less would be read as something else.
    #[error("the response is not as long as it said")]
    Length,
}

impl Answer {
    /// Stages the head.
    pub(super) fn begin<S>(
        response: Response<Tracked>,
        asked: Asked,
        persistence: Persistence,
        line: &Line<S>,
    ) -> Self {
        let (head, body) = response.into_parts();
        let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let framing = framing(head.status, asked, body.size_hint().exact());
        let reason = head.extensions.get::<Reason>();
        let persistence = if switches { Persistence::Keep } else { persistence };
        let (rest, length) = match framing {
            Framing::Chunked => (Rest::Chunks(asked.hop.takes_trailers.then(|| announced_trailers(&head.headers))), 0),
            Framing::UntilClose => (Rest::UntilClose, 0),
            Framing::Length(length) => (Rest::Length(length), length),
            Framing::Nothing | Framing::Untold => (Rest::Length(0), 0),
        };
        line.begin_answer();
        let mut after = persistence;
        line.stage(|out| {
            let (version, status, date) = (asked.version, head.status, date::write_now);
            let line = ResponseLine { version, status, reason, framing, persistence, date };
            after = out.head(&line, &head.headers, length);
        });
        let has_content = !matches!(framing, Framing::Nothing | Framing::Untold | Framing::Length(0));
        let ending = if switches { Ending::Switch } else { Ending::Http(after) };
        Self { body: has_content.then_some(body), rest, ending, stopped: None }
    }

    /// Is more of it to come?
    pub(super) fn is_streaming(&self) -> bool {
        self.body.is_some()
    }

    /// Is its end the end of the connection, by which alone a client of HTTP/1.0 knows that it is whole?
    pub(super) fn is_until_close(&self) -> bool {
        matches!(self.rest, Rest::UntilClose)
    }

    /// Does the connection become one of another protocol with it?
    pub(super) fn switches(&self) -> bool {
        self.ending == Ending::Switch
    }

    /// Does the connection end with it?
    pub(super) fn persistence(&self) -> Persistence {
        match self.ending {
            Ending::Http(persistence) => persistence,
            Ending::Switch => Persistence::Close,
        }
    }

    /// Writes what there is, and takes what comes; ready when all of it is with the system.
    pub(super) fn poll<S: Transport>(
        &mut self,
        line: &Line<S>,
        vitals: &Vitals,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Stopped>> {
        loop {
            let staged = self.poll_stage(line, cx);
            ready!(line.poll_room(vitals, cx)).map_err(Stopped::Writing)?;
            if self.body.is_none() || staged.is_pending() {
                ready!(line.poll_written(vitals, cx)).map_err(Stopped::Writing)?;
            }
            if let Some(stopped) = self.stopped.take() {
                return Poll::Ready(Err(stopped));
            }
            if self.body.is_none() {
                return Poll::Ready(Ok(()));
            }
            ready!(staged);
        }
    }

    /// Takes what the body has, as long as there is room; pending when it has nothing.
    fn poll_stage<S>(&mut self, line: &Line<S>, cx: &mut Context<'_>) -> Poll<()> {
        while let Some(body) = &mut self.body
            && line.has_room()
        {
            match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let last = if body.is_end_stream() { Last::Yes } else { Last::No };
                    self.stage(frame, last, line);
                }
                Some(Err(error)) => self.stop(Stopped::Body(error)),
                None => self.stage(Frame::data(Bytes::new()), Last::Yes, line),
            }
        }
        Poll::Ready(())
    }

    fn stage<S>(&mut self, frame: Frame<Bytes>, last: Last, line: &Line<S>) {
        let (data, trailers, last) = match frame.into_data() {
            Ok(data) => (data, None, last),
            Err(frame) => (Bytes::new(), frame.into_trailers().ok(), Last::Yes),
        };
        match &mut self.rest {
            Rest::Length(left) => {
                let Some(rest) = left.checked_sub(data.len() as u64).filter(|rest| *rest == 0 || last == Last::No)
                else {
                    return self.stop(Stopped::Length);
                };
                *left = rest;
                line.stage(|out| out.plain(data));
            }
            Rest::UntilClose => line.stage(|out| out.plain(data)),
            Rest::Chunks(announced) => line.stage(|out| match (trailers, announced) {
                (Some(trailers), Some(announced)) => out.trailers(&trailers, announced),
                _ => out.chunk(data, last),
            }),
        }
        if last == Last::Yes {
            self.body = None;
        }
    }

    fn stop(&mut self, stopped: Stopped) {
        self.stopped = Some(stopped);
        self.body = None;
    }
}

/// RFC 9112 section 6.3.
fn framing(status: StatusCode, asked: Asked, length: Option<u64>) -> Framing {
    debug_assert!(!status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS, "{status} is no answer");
    if status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Framing::Nothing;
    }
    if asked.is_head {
        return Framing::Untold;
    }
    match length {
        Some(length) => Framing::Length(length),
        None if asked.version == Version::HTTP_10 => Framing::UntilClose,
        None => Framing::Chunked,
    }
}
