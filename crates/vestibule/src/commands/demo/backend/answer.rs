//! What a demo backend answers: who it is and which forwarding headers it saw; under `/clock` a stream of events,
//! `/clock?ticks=N` so many of them.

use std::{
    convert::Infallible,
    fmt::Write as _,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, header};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame};
use tokio::time::{Interval, MissedTickBehavior};

/// What the gateway tells about the client, and the host it was asked for.
const SHOWN: [&str; 6] =
    ["host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-request-id"];

/// The answer to a request.
pub(super) fn to<B>(request: &Request<B>, name: &str) -> Response<Either<Full<Bytes>, Clock>> {
    let (kind, body) = if request.uri().path() == "/clock" {
        ("text/event-stream", Either::Right(Clock::new(ticks(request.uri().query()))))
    } else {
        ("text/plain; charset=utf-8", Either::Left(Full::from(introduction(request, name))))
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

fn introduction<B>(request: &Request<B>, name: &str) -> String {
    let uid = rustix::process::geteuid().as_raw();
    let mut text =
        format!("{name} here: pid {}, uid {uid}\n{} {}\n", std::process::id(), request.method(), request.uri());
    for (field, value) in SHOWN.into_iter().flat_map(|field| values(request.headers(), field)) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{field}: {value}");
    }
    text
}

fn values<'a>(headers: &'a HeaderMap, field: &'static str) -> impl Iterator<Item = (&'static str, String)> + 'a {
    headers.get_all(field).iter().map(move |value| (field, String::from_utf8_lossy(value.as_bytes()).into_owned()))
}

/// How many events are wanted; `None` is without end.
fn ticks(query: Option<&str>) -> Option<u32> {
    let (_, number) = form_urlencoded::parse(query?.as_bytes()).find(|(key, _)| key == "ticks")?;
    number.parse().ok()
}

/// One server-sent event a second.
#[derive(Debug)]
pub(super) struct Clock {
    interval: Interval,
    left: Option<u32>,
}

impl Clock {
    fn new(ticks: Option<u32>) -> Self {
        let mut interval = tokio::time::interval(Duration::from_secs(1));
        // A client that did not read for a while gets the time, not all the times it missed.
        interval.set_missed_tick_behavior(MissedTickBehavior::Skip);
        Self { interval, left: ticks }
    }
}

impl Body for Clock {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == Some(0) {
            return Poll::Ready(None);
        }
        self.interval.poll_tick(cx).map(|_| {
            self.left = self.left.map(|left| left - 1);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Some(Ok(Frame::data(Bytes::from(format!("data: {}\n\n", now.as_secs())))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_ticks_as_often_as_it_is_asked() {
        for (query, expected) in
            [(None, None), (Some("ticks=3"), Some(3)), (Some("a=b&ticks=0"), Some(0)), (Some("ticks=x"), None)]
        {
            assert_eq!(ticks(query), expected, "{query:?}");
        }
    }

    #[test]
    fn a_backend_says_who_it_is_and_what_it_was_told() {
        let request = Request::get("/cart?item=7")
            .header("host", "shop.localhost")
            .header("x-forwarded-for", "192.0.2.1")
            .header("cookie", "secret")
            .body(())
            .unwrap();
        let text = introduction(&request, "shop");
        assert!(text.starts_with(&format!("shop here: pid {}, uid ", std::process::id())), "{text}");
        assert!(text.ends_with("\nGET /cart?item=7\nhost: shop.localhost\nx-forwarded-for: 192.0.2.1\n"), "{text}");
    }
}
