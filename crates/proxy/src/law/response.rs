//! What comes back: judged strictly, then rewritten in place.

use http::{
    HeaderMap, HeaderValue, StatusCode,
    header::{ALT_SVC, CONTENT_LENGTH, TRANSFER_ENCODING},
    response,
};
use vestibule_vhost::HeaderChanges;

use super::{
    Handshake,
    inspect::content_length,
    names::{Present, remove_nominated, rewrite_trailer},
    request::apply,
    websocket::names_websocket,
};

/// Why a well-formed response may not be passed on. All are the backend's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseBreach {
    /// A code beyond 599, or an interim one where a final one is due (RFC 9110 section 15).
    #[error("the status code {0} is not a final one")]
    Status(u16),
    /// 101 without a handshake, or without confirming the one there was.
    #[error("it switches to a protocol that was not asked for or not confirmed")]
    Switch,
    /// Transfer-Encoding is not exactly `chunked`.
    #[error("its transfer coding is not exactly chunked")]
    TransferEncoding,
    /// Content-Length beside Transfer-Encoding (RFC 9112 section 6.3).
    #[error("it says its length in two ways")]
    TwoLengths,
    /// Content-Length is no number, or several.
    #[error("its content-length is not one number")]
    ContentLength,
}

/// What a rewrite needs beside the head.
pub(crate) struct Answer<'a> {
    /// The upgrade that was asked for, if any.
    pub(crate) handshake: Option<&'a Handshake>,
    /// The site's changes; they come last.
    pub(crate) changes: &'a HeaderChanges,
}

/// Judges and rewrites the head of a response.
pub(crate) fn rewrite_response(head: &mut response::Parts, answer: &Answer<'_>) -> Result<(), ResponseBreach> {
    let headers = &mut head.headers;
    let switches = head.status == StatusCode::SWITCHING_PROTOCOLS;
    if switches {
        if !answer.handshake.is_some_and(|handshake| handshake.is_confirmed_by(headers)) {
            return Err(ResponseBreach::Switch);
        }
    } else if !(200..=599).contains(&head.status.as_u16()) {
        return Err(ResponseBreach::Status(head.status.as_u16()));
    }
    let present = Present::of(headers);
    frame(headers, present, head.status)?;
    // RFC 9110 section 15.5.22: a 426 says what to upgrade to, and only one upgrade can be done through us.
    let wants_upgrade = head.status == StatusCode::UPGRADE_REQUIRED && names_websocket(headers);
    sweep(headers, present);
    if present.has_trailer() {
        rewrite_trailer(headers);
    }
    if switches || wants_upgrade {
        Handshake::write(headers);
    }
    apply(headers, &answer.changes.response_remove, &answer.changes.response_set);
    // A reason phrase may come along in the extensions: non-standard codes have no other.
    Ok(())
}

/// RFC 9112 section 6.3, where every case that is not clear ends the exchange.
fn frame(headers: &mut HeaderMap, present: Present, status: StatusCode) -> Result<(), ResponseBreach> {
    if present.has_transfer_encoding() {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        let coding = codings.next().ok_or(ResponseBreach::TransferEncoding)?;
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(ResponseBreach::TransferEncoding);
        }
        if present.has_content_length() {
            return Err(ResponseBreach::TwoLengths);
        }
        return Ok(());
    }
    if !present.has_content_length() {
        return Ok(());
    }
    if status == StatusCode::NO_CONTENT || status.is_informational() {
        // RFC 9110 section 8.6: not allowed there, and of no meaning.
        headers.remove(CONTENT_LENGTH);
        return Ok(());
    }
    one_length(headers)
}

/// The same length several times, or as a list, is passed on once (RFC 9110 section 8.6).
fn one_length(headers: &mut HeaderMap) -> Result<(), ResponseBreach> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lines.next() else { return Ok(()) };
    if lines.next().is_none() && content_length(first).is_some() {
        return Ok(());
    }
    let mut agreed = None;
    for text in headers.get_all(CONTENT_LENGTH).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b',')) {
        let length = HeaderValue::from_bytes(text.trim_ascii()).ok().and_then(|value| content_length(&value));
        let length = length.ok_or(ResponseBreach::ContentLength)?;
        if *agreed.get_or_insert(length) != length {
            return Err(ResponseBreach::ContentLength);
        }
    }
    let length = agreed.ok_or(ResponseBreach::ContentLength)?;
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    Ok(())
}

fn sweep(headers: &mut HeaderMap, present: Present) {
    if present.has_connection() {
        remove_nominated(headers);
    }
    present.remove_from(headers);
    if present.has_alt_svc() {
        headers.remove(ALT_SVC);
    }
}

#[cfg(test)]
mod tests {
    use http::Response;

    use super::*;

    fn rewrite(status: u16, fields: &[(&str, &str)]) -> Result<Vec<String>, ResponseBreach> {
        let mut builder = Response::builder().status(status);
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        let mut head = builder.body(()).unwrap().into_parts().0;
        rewrite_response(&mut head, &Answer { handshake: None, changes: &HeaderChanges::default() })?;
        Ok(head.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect())
    }

    fn check(status: u16, fields: &[(&str, &str)], expected: Result<&[&str], ResponseBreach>) {
        let expected = expected.map(|lines| lines.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(rewrite(status, fields), expected, "{status} {fields:?}");
    }

    #[test]
    fn lengths() {
        check(200, &[("content-length", "5")], Ok(&["content-length: 5"]));
        check(200, &[("content-length", "5, 5")], Ok(&["content-length: 5"]));
        check(200, &[("content-length", "5"), ("content-length", "5")], Ok(&["content-length: 5"]));
        check(204, &[("content-length", "0")], Ok(&[]));
        check(304, &[("content-length", "9")], Ok(&["content-length: 9"]));
        for length in ["+5", "5,6", "5,", "", "0x5", "99999999999999999999", "02", "00", "2, 02"] {
            check(200, &[("content-length", length)], Err(ResponseBreach::ContentLength));
        }
        check(200, &[("content-length", "5"), ("content-length", "6")], Err(ResponseBreach::ContentLength));
        check(200, &[("transfer-encoding", "Chunked")], Ok(&[]));
        for coding in ["identity", "gzip, chunked", "chunked, chunked", ",chunked", "xchunked", ""] {
            check(200, &[("transfer-encoding", coding)], Err(ResponseBreach::TransferEncoding));
        }
        let chunked = ("transfer-encoding", "chunked");
        check(200, &[chunked, chunked], Err(ResponseBreach::TransferEncoding));
        check(200, &[chunked, ("content-length", "5")], Err(ResponseBreach::TwoLengths));
    }

    #[test]
    fn statuses() {
        for status in [200, 204, 304, 404, 418, 599] {
            check(status, &[], Ok(&[]));
        }
        for status in [100, 103, 600, 999] {
            check(status, &[], Err(ResponseBreach::Status(status)));
        }
        check(101, &[("upgrade", "websocket"), ("connection", "upgrade")], Err(ResponseBreach::Switch));
    }

    #[test]
    fn hop_by_hop_fields_end_here() {
        check(
            200,
            &[
                ("connection", "close, x-hop"),
                ("keep-alive", "timeout=5"),
                ("proxy-connection", "close"),
                ("upgrade", "h2c"),
                ("x-hop", "1"),
                ("alt-svc", "h3=\":443\""),
                ("server", "kestrel"),
                ("strict-transport-security", "max-age=1"),
            ],
            Ok(&["server: kestrel", "strict-transport-security: max-age=1"]),
        );
    }

    #[test]
    fn a_426_says_what_can_be_done_through_us() {
        let kept = ["connection: upgrade", "upgrade: websocket"];
        check(426, &[("connection", "Upgrade"), ("upgrade", "WebSocket")], Ok(&kept));
        for upgrade in ["h2c", "websocket, h2c", "TLS/1.2", ""] {
            check(426, &[("connection", "Upgrade"), ("upgrade", upgrade)], Ok(&[]));
        }
        check(426, &[("upgrade", "websocket"), ("upgrade", "h2c")], Ok(&[]));
        check(400, &[("connection", "Upgrade"), ("upgrade", "websocket")], Ok(&[]));
    }

    #[test]
    fn trailers_are_announced_that_may_come() {
        check(200, &[("trailer", "x-sum, set-cookie")], Ok(&["trailer: x-sum"]));
        check(200, &[("trailer", "set-cookie")], Ok(&[]));
    }

    #[test]
    fn the_sites_changes_come_last() {
        let changes = HeaderChanges {
            response_remove: vec![http::header::SERVER],
            response_set: vec![(http::header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))],
            ..HeaderChanges::default()
        };
        let mut head = Response::builder().header("server", "x").body(()).unwrap().into_parts().0;
        rewrite_response(&mut head, &Answer { handshake: None, changes: &changes }).unwrap();
        assert_eq!(head.headers.len(), 1);
        assert_eq!(head.headers["x-frame-options"], "DENY");
    }
}
