//! [`refuse`]: our own responses, as HTML for browsers, JSON for programs that ask for it, plain text for the rest.
//!
//! A page carries the code word and the request id and nothing of the request itself: there is nothing to escape and
//! nothing to reflect.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Response,
    header::{
        ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
    },
};
use vestibule_names::RequestId;

use crate::{Body, Refusal};

/// The methods that are forwarded without a thought, for the `Allow` of a 405 (RFC 9110 section 15.5.6).
const ALLOWED: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");

/// Styles are inline, so the policy names them; nothing else may load or run.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");

const STYLE: &str = "<style>:root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;\
max-width:36rem;margin:15vh auto;padding:0 1.5rem}h1{font-size:1.4rem;font-weight:600;margin:0 0 .5rem}\
p{margin:0 0 1.5rem}small{opacity:.65;font-family:ui-monospace,monospace}</style>";

/// What the client would rather read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Html,
    Json,
    Text,
}

/// Our own response: a small page, HTML, JSON or text by `Accept`, with code word and request id.
pub fn refuse(refusal: Refusal, accept: Option<&HeaderValue>, request_id: RequestId) -> Response<Body> {
    let form = form(accept);
    let mut response = Response::new(Body::full(Bytes::from(page(refusal, form, request_id))));
    *response.status_mut() = refusal.status();
    dress(response.headers_mut(), refusal, form);
    response
}

fn dress(headers: &mut HeaderMap, refusal: Refusal, form: Form) {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if form == Form::Html {
        headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    }
    if let Some(seconds) = refusal.retry_after() {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal == Refusal::MethodNotAllowed {
        headers.insert(ALLOW, ALLOWED);
    }
    if refusal.closes() {
        // The codec of HTTP/2 drops the field, that of HTTP/1.1 obeys it.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// No weights are read: whoever lists HTML is a browser, whoever lists JSON but not HTML is a program.
fn form(accept: Option<&HeaderValue>) -> Form {
    let Some(accept) = accept.and_then(|value| value.to_str().ok()) else { return Form::Text };
    let mut json = false;
    for range in accept.split(',') {
        let media = range.split(';').next().unwrap_or_default().trim();
        if media.eq_ignore_ascii_case("text/html") {
            return Form::Html;
        }
        json |= media.eq_ignore_ascii_case("application/json") || media.ends_with("+json");
    }
    if json { Form::Json } else { Form::Text }
}

impl Form {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            // RFC 8259 section 11: JSON has no charset parameter, it is UTF-8.
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

/// The texts of [`Refusal`] need no escaping in either form: a test holds them to it.
fn page(refusal: Refusal, form: Form, id: RequestId) -> String {
    let (status, word) = (refusal.status(), refusal.word());
    let (number, title, text) = (status.as_u16(), refusal.title(), refusal.explanation());
    match form {
        Form::Html => format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><title>{number} {title}</title>{STYLE}</head>\n<body><h1>{title}</h1>\
             <p>{text}</p><small>{number} {word} &middot; request {id}</small></body></html>\n"
        ),
        Form::Json => format!(
            "{{\"status\":{number},\"error\":\"{word}\",\"title\":\"{title}\",\"explanation\":\"{text}\",\
             \"request_id\":\"{id}\"}}\n"
        ),
        Form::Text => format!("{number} {title}\n{text}\n\n{word}, request {id}\n"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use http_body_util::BodyExt;

    use super::*;

    fn check(accept: Option<&str>, expected: Form) {
        let value = accept.map(|text| HeaderValue::from_str(text).unwrap());
        assert_eq!(form(value.as_ref()), expected, "{accept:?}");
    }

    #[test]
    fn the_form_follows_accept() {
        check(None, Form::Text);
        check(Some("*/*"), Form::Text);
        check(Some(""), Form::Text);
        check(Some("application/json"), Form::Json);
        check(Some("application/problem+json, */*"), Form::Json);
        check(Some("Application/JSON;q=0.9, */*;q=0.1"), Form::Json);
        check(Some("text/html,application/xhtml+xml,application/json;q=0.9"), Form::Html);
        check(Some("application/json, TEXT/HTML"), Form::Html);
    }

    #[test]
    fn every_refusal_has_its_own_word_and_texts_that_need_no_escaping() {
        let words: HashSet<_> = Refusal::ALL.iter().map(|refusal| refusal.word()).collect();
        assert_eq!(words.len(), Refusal::ALL.len());
        for refusal in Refusal::ALL {
            assert!(refusal.status().is_client_error() || refusal.status().is_server_error());
            for text in [refusal.word(), refusal.title(), refusal.explanation()] {
                assert!(!text.is_empty() && !text.contains(['"', '\\', '<', '>', '&', '\n']), "{refusal:?}: {text}");
            }
        }
        assert!(Refusal::ALL.is_sorted_by_key(|refusal| refusal.status().as_u16()));
    }

    #[tokio::test]
    async fn a_page_says_code_and_request_id_and_is_not_stored() {
        for accept in ["text/html", "application/json", "*/*"] {
            for refusal in Refusal::ALL {
                let response =
                    refuse(refusal, Some(&HeaderValue::from_str(accept).unwrap()), RequestId(0x00c0_ffee_0000_0001));
                assert_eq!(response.status(), refusal.status());
                assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
                assert_eq!(response.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
                assert_eq!(response.headers().contains_key(ALLOW), refusal == Refusal::MethodNotAllowed);
                assert_eq!(response.headers().contains_key(CONNECTION), refusal.closes());
                if matches!(refusal.status().as_u16(), 429 | 503) {
                    assert!(response.headers().contains_key(RETRY_AFTER), "{refusal:?}");
                }
                let body = response.into_body().collect().await.unwrap().to_bytes();
                let body = std::str::from_utf8(&body).unwrap();
                assert!(body.contains(refusal.word()) && body.contains("00c0ffee00000001"), "{body}");
                if accept == "application/json" {
                    let json: serde_json::Value = serde_json::from_str(body).unwrap();
                    assert_eq!(json["error"], refusal.word());
                }
            }
        }
    }
}
