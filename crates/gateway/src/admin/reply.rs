//! Answers of the admin interface: JSON, plain text, or a status with one sentence.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Serialize;

use super::model::AdminFailure;

/// A whole answer.
pub(super) type Reply = Response<Full<Bytes>>;

/// What is answered instead: a status and one sentence.
pub(super) type Failed = (StatusCode, String);

pub(super) fn json(value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(body) => with_type(StatusCode::OK, "application/json", body),
        Err(error) => failure(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

pub(super) fn json_or<T: Serialize>(result: Result<T, Failed>) -> Reply {
    match result {
        Ok(value) => json(&value),
        Err((status, sentence)) => failure(status, &sentence),
    }
}

pub(super) fn failure(status: StatusCode, sentence: &str) -> Reply {
    let body = serde_json::to_vec(&AdminFailure { error: sentence.to_owned() }).unwrap_or_default();
    with_type(status, "application/json", body)
}

/// Too often: with the wait that helps, in whole seconds.
pub(super) fn too_often(wait: Duration) -> Reply {
    let seconds = wait.as_secs().saturating_add(1);
    let sentence = format!("asked too often: again in {seconds} s");
    let mut response = failure(StatusCode::TOO_MANY_REQUESTS, &sentence);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

pub(super) fn plain(status: StatusCode, text: &'static str) -> Reply {
    with_type(status, "text/plain; charset=utf-8", text)
}

pub(super) fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
