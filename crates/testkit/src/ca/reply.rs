//! [`Reply`]: a response in the making, and how much of it arrives. [`Problem`]: its unhappy form (RFC 7807).

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use serde_json::{Value, json};

use super::{clock::Clock, inject::RetryAfter};

/// How much of a reply arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Whole,
    Hangs,
    IsCut,
}

/// A response in the making.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) delivery: Delivery,
}

impl Reply {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        Self::with(status, "application/json", body.to_string())
    }

    pub(super) fn empty(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), delivery: Delivery::Whole }
    }

    pub(super) fn with(status: u16, kind: &'static str, body: impl Into<Bytes>) -> Self {
        let mut reply = Self::empty(status);
        reply.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        reply.body = body.into();
        reply
    }

    /// What stands in front of a CA says it in its own way.
    pub(super) fn html(status: u16, title: &str) -> Self {
        let page = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>");
        Self::with(status, "text/html", page)
    }

    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.append(name, HeaderValue::from_str(value).unwrap());
        self
    }

    pub(super) fn retry_after(self, clock: &Clock, retry: RetryAfter) -> Self {
        match retry {
            RetryAfter::Absent => self,
            RetryAfter::Seconds(seconds) => self.header(header::RETRY_AFTER, &seconds.to_string()),
            RetryAfter::Date(after) => self.header(header::RETRY_AFTER, &httpdate::fmt_http_date(clock.now() + after)),
        }
    }

    pub(super) fn delivered(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Changes the JSON object in the body, if it is one.
    pub(super) fn edit(mut self, edit: impl FnOnce(&mut Value)) -> Self {
        if let Ok(mut value) = serde_json::from_slice::<Value>(&self.body)
            && value.is_object()
        {
            edit(&mut value);
            self.body = value.to_string().into();
        }
        self
    }

    pub(super) fn into_response(self) -> Response<ReplyBody> {
        let body = ReplyBody { length: self.body.len(), left: Some(self.body), delivery: self.delivery };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// A body that may not arrive whole.
#[derive(Debug)]
pub(super) struct ReplyBody {
    length: usize,
    left: Option<Bytes>,
    delivery: Delivery,
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match (self.left.take(), self.delivery) {
            (Some(bytes), Delivery::Whole) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            (Some(bytes), _) => Poll::Ready(Some(Ok(Frame::data(bytes.slice(..bytes.len() / 2))))),
            (None, Delivery::Whole) => Poll::Ready(None),
            // Nobody wakes this up: it ends when the client goes.
            (None, Delivery::Hangs) => Poll::Pending,
            (None, Delivery::IsCut) => Poll::Ready(Some(Err(io::Error::other("cut on order")))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length as u64)
    }
}

/// Why a request is refused.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    status: u16,
    kind: &'static str,
    detail: String,
    subproblems: Vec<Value>,
    retry_after: RetryAfter,
    location: Option<String>,
}

impl Problem {
    pub(super) fn new(status: u16, kind: &'static str, detail: impl Into<String>) -> Self {
        let (subproblems, retry_after) = (Vec::new(), RetryAfter::Absent);
        Self { status, kind, detail: detail.into(), subproblems, retry_after, location: None }
    }

    pub(super) fn malformed(detail: impl Into<String>) -> Self {
        Self::new(400, "malformed", detail)
    }

    pub(super) fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(403, "unauthorized", detail)
    }

    pub(super) fn missing() -> Self {
        Self::new(404, "malformed", "there is no such thing")
    }

    /// One more name, with what is wrong with it.
    pub(super) fn about(mut self, name: &str, kind: &str, detail: &str) -> Self {
        self.subproblems.push(json!({
            "type": urn(kind), "detail": detail, "identifier": identifier(name),
        }));
        self
    }

    pub(super) fn again(mut self, retry: RetryAfter) -> Self {
        self.retry_after = retry;
        self
    }

    pub(super) fn at(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }

    /// As it stands in orders and challenges.
    pub(super) fn document(&self) -> Value {
        let mut document = json!({ "type": urn(self.kind), "detail": self.detail, "status": self.status });
        if !self.subproblems.is_empty() {
            document["subproblems"] = self.subproblems.clone().into();
        }
        if self.kind == "badSignatureAlgorithm" {
            document["algorithms"] = json!(["ES256"]);
        }
        document
    }

    pub(super) fn reply(&self, clock: &Clock) -> Reply {
        let reply = Reply::with(self.status, "application/problem+json", self.document().to_string());
        let reply = reply.retry_after(clock, self.retry_after);
        match &self.location {
            Some(location) => reply.header(header::LOCATION, location),
            None => reply,
        }
    }
}

fn urn(kind: &str) -> String {
    format!("urn:ietf:params:acme:error:{kind}")
}

/// RFC 8555 section 9.7.7, RFC 8738.
pub(super) fn identifier(name: &str) -> Value {
    let kind = if name.parse::<std::net::IpAddr>().is_ok() { "ip" } else { "dns" };
    json!({ "type": kind, "value": name })
}
