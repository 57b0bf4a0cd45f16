//! What goes to a backend: the client's request rewritten in place.

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{CONNECTION, CONTENT_LENGTH, COOKIE, TE, TRAILER, TRANSFER_ENCODING},
    request,
};
use vestibule_vhost::HeaderChanges;

use super::{
    Behind, Handshake, certificate, forwarded,
    inspect::content_length,
    names::{Claim, Noted, Present, claim, elements, remove_nominated, rewrite_trailer},
};
use crate::{Caller, Refusal, Trust, upload::Length};

/// What a rewrite needs beside the head.
pub(crate) struct Order<'a> {
    /// For whom.
    pub(crate) caller: &'a Caller<'a>,
    /// The prefix that was stripped from the path, if any.
    pub(crate) stripped: Option<&'a str>,
    /// The site's changes; they come last, and cannot touch framing (checked when the site was compiled).
    pub(crate) changes: &'a HeaderChanges,
    /// The upgrade to ask for, if any.
    pub(crate) handshake: Option<&'a Handshake>,
    /// How long the body is, by what the client's codec understood.
    pub(crate) body: Length,
}

/// Rewrites all but the target, and says what is still to be written behind the fields.
pub(crate) fn rewrite_request<'a>(head: &mut request::Parts, order: &Order<'a>) -> Result<Behind<'a>, Refusal> {
    let headers = &mut head.headers;
    let (present, trailers) = sweep(headers, order.caller.trust);
    frame(headers, present, order.body)?;
    match order.body {
        Length::Unknown if present.has_trailer() => rewrite_trailer(headers),
        // Only behind a chunked body there is a place for trailers (RFC 9112 section 7.1.2).
        Length::None | Length::Exact(_) if present.has_trailer() => drop(headers.remove(TRAILER)),
        _ => {}
    }
    if present.has_cookie() {
        join_cookies(headers)?;
    }
    if order.handshake.is_some() {
        Handshake::write(headers);
    } else if trailers == Trailers::Wanted {
        // TE is a field of the hop: what is said is what we do (RFC 9110 section 10.1.4).
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    let behind = forwarded::stamp(headers, order.caller, order.changes)?;
    certificate::stamp(headers, order.caller.certificate);
    if let Some(prefix) = order.stripped {
        forwarded::stamp_prefix(headers, prefix, order.caller.trust)?;
    }
    apply(headers, &order.changes.request_remove, &order.changes.request_set);
    head.version = Version::HTTP_11;
    // Whatever the server's codec left there (the pending upgrade, above all) is not for the client's codec.
    head.extensions.clear();
    Ok(behind)
}

/// Does the client take trailers (RFC 9110 section 6.5.1)?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trailers {
    Wanted,
    Unwanted,
}

/// One walk over the names, then the removals. What it says of the names was so before.
fn sweep(headers: &mut HeaderMap, trust: Trust) -> (Present, Trailers) {
    let mut present = Present::default();
    let mut doomed: Vec<HeaderName> = Vec::new();
    for name in headers.keys() {
        if present.note(name) == Noted::HopByHop {
            continue;
        }
        match claim(name) {
            Claim::Plain => {}
            Claim::Identity if trust == Trust::Proxy => {}
            Claim::Identity | Claim::Disguise => doomed.push(name.clone()),
        }
    }
    let wanted = present.has_te() && headers.get_all(TE).iter().flat_map(elements).any(|coding| coding == b"trailers");
    if present.has_connection() {
        remove_nominated(headers);
    }
    present.remove_from(headers);
    for name in doomed {
        headers.remove(name);
    }
    (present, if wanted { Trailers::Wanted } else { Trailers::Unwanted })
}

/// The length is said again, in the one way that the body itself has.
fn frame(headers: &mut HeaderMap, present: Present, body: Length) -> Result<(), Refusal> {
    let written = match headers.get(CONTENT_LENGTH).filter(|_| present.has_content_length()) {
        Some(value) => Some(content_length(value).ok_or(Refusal::BadFraming)?),
        None => None,
    };
    match (body, written) {
        (Length::None, None | Some(0)) => Ok(()),
        (Length::Exact(length), Some(written)) if length == written => Ok(()),
        (Length::Exact(length), None) => {
            headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            Ok(())
        }
        (Length::Unknown, None) => {
            // Said for GET and HEAD too: a body that nothing announces would be read as another request.
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            Ok(())
        }
        // A length without its body, or the reverse (RFC 9113 section 8.1.1).
        (Length::None | Length::Exact(_) | Length::Unknown, Some(_)) => Err(Refusal::BadFraming),
    }
}

/// RFC 9113 section 8.2.3: crumbs become one line again. An empty one is none: at the end of the line it would leave a
/// blank, which the next reader cuts off.
fn join_cookies(headers: &mut HeaderMap) -> Result<(), Refusal> {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let (Some(first), Some(second)) = (crumbs.next(), crumbs.next()) else { return Ok(()) };
    let mut line = first.as_bytes().to_vec();
    for crumb in std::iter::once(second).chain(crumbs).filter(|crumb| !crumb.is_empty()) {
        if !line.is_empty() {
            line.extend_from_slice(b"; ");
        }
        line.extend_from_slice(crumb.as_bytes());
    }
    let line = HeaderValue::from_maybe_shared(bytes::Bytes::from(line)).map_err(|_| Refusal::BadHeader)?;
    headers.insert(COOKIE, line);
    Ok(())
}

/// A site's own changes: removals, then settings.
pub(super) fn apply(headers: &mut HeaderMap, remove: &[HeaderName], set: &[(HeaderName, HeaderValue)]) {
    for name in remove {
        headers.remove(name);
    }
    for (name, value) in set {
        headers.insert(name, value.clone());
    }
}

#[cfg(test)]
mod tests {
    use http::Request;
    use vestibule_names::{ClientAddr, RequestId};

    use super::*;
    use crate::Scheme;

    const OURS: [&str; 5] = ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-request-id"];

    fn rewrite(
        fields: &[(&str, &str)],
        trust: Trust,
        body: Length,
        changes: &HeaderChanges,
    ) -> Result<request::Parts, Refusal> {
        let mut builder = Request::builder().version(Version::HTTP_2).header("host", "a.test");
        for (name, value) in fields {
            builder = builder.header(*name, *value);
        }
        let mut head = builder.body(()).unwrap().into_parts().0;
        let handshake = Handshake::read(&head.method, head.version, &head.headers);
        let caller = Caller {
            client: ClientAddr::new("192.0.2.1:1".parse().unwrap()),
            scheme: Scheme::Http,
            authority: "a.test",
            trust,
            request_id: RequestId(1),
            certificate: crate::ClientCertificate::NotAsked,
        };
        let order = Order { caller: &caller, stripped: None, changes, handshake: handshake.as_ref(), body };
        rewrite_request(&mut head, &order)?.put_among(&mut head.headers);
        Ok(head)
    }

    /// What is left beside `Host` and our own fields, as `name: value` in alphabetical order.
    fn check(fields: &[(&str, &str)], trust: Trust, body: Length, expected: &[&str]) {
        let head = rewrite(fields, trust, body, &HeaderChanges::default()).unwrap();
        let mut left: Vec<String> = head
            .headers
            .iter()
            .filter(|(name, _)| *name != "host" && !OURS.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        left.sort();
        assert_eq!(left, expected, "{fields:?}");
        assert_eq!(head.version, Version::HTTP_11);
        assert_eq!(
            head.headers["x-forwarded-for"],
            if trust == Trust::Client { "192.0.2.1" } else { "192.0.2.9, 192.0.2.1" }
        );
    }

    #[test]
    fn hop_by_hop_fields_end_here() {
        check(
            &[
                ("connection", "keep-alive, x-hop, X-Forwarded-For, x-request-id, forwarded"),
                ("keep-alive", "5"),
                ("proxy-connection", "x"),
                ("te", "gzip"),
                ("upgrade", "h2c"),
                ("http2-settings", "AAA"),
                ("proxy-authorization", "Basic x"),
                ("expect", "100-continue"),
                ("x-hop", "1"),
                ("x-kept", "1"),
            ],
            Trust::Client,
            Length::None,
            &["x-kept: 1"],
        );
        check(&[("te", "trailers")], Trust::Client, Length::None, &["connection: te", "te: trailers"]);
        check(&[("te", "gzip, trailers")], Trust::Client, Length::None, &["connection: te", "te: trailers"]);
    }

    #[test]
    fn a_client_has_no_say_in_who_it_is() {
        let spoofed = [
            ("x-forwarded-for", "192.0.2.9"),
            ("x_forwarded_for", "192.0.2.9"),
            ("x.forwarded.for", "192.0.2.9"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-port", "1"),
            ("x-forwarded-server", "edge.test"),
            ("x-forwarded-prefix", "/x"),
            ("x-real-ip", "192.0.2.9"),
            ("x-original-url", "/admin"),
            ("x-rewrite-url", "/admin"),
            ("client-cert", ":x:"),
            ("proxy", "http://evil.test"),
            ("any_thing", "1"),
            ("x-http-method-override", "PUT"),
        ];
        check(&spoofed, Trust::Client, Length::None, &["x-http-method-override: PUT"]);
        check(
            &spoofed,
            Trust::Proxy,
            Length::None,
            &[
                "client-cert: :x:",
                "x-forwarded-port: 1",
                "x-forwarded-prefix: /x",
                "x-forwarded-server: edge.test",
                "x-http-method-override: PUT",
                "x-original-url: /admin",
                "x-real-ip: 192.0.2.9",
                "x-rewrite-url: /admin",
            ],
        );
    }

    #[test]
    fn the_length_is_said_once() {
        let chunked = ("transfer-encoding", "chunked");
        check(&[chunked], Trust::Client, Length::Unknown, &["transfer-encoding: chunked"]);
        check(&[], Trust::Client, Length::Unknown, &["transfer-encoding: chunked"]);
        check(&[("content-length", "5")], Trust::Client, Length::Exact(5), &["content-length: 5"]);
        check(&[], Trust::Client, Length::Exact(5), &["content-length: 5"]);
        check(&[("content-length", "0")], Trust::Client, Length::None, &["content-length: 0"]);
        check(&[chunked], Trust::Client, Length::None, &[]);
        for (written, body) in
            [("5", Length::None), ("5", Length::Exact(6)), ("5", Length::Unknown), ("x", Length::None)]
        {
            let found = rewrite(&[("content-length", written)], Trust::Client, body, &HeaderChanges::default());
            assert_eq!(found.err(), Some(Refusal::BadFraming), "{written} {body:?}");
        }
    }

    #[test]
    fn trailers_are_announced_where_they_can_be() {
        let trailer = ("trailer", "x-sum, content-length");
        let expected = ["trailer: x-sum", "transfer-encoding: chunked"];
        check(&[trailer], Trust::Client, Length::Unknown, &expected);
        check(&[trailer], Trust::Client, Length::None, &[]);
        check(&[trailer], Trust::Client, Length::Exact(1), &["content-length: 1"]);
    }

    #[test]
    fn cookie_crumbs_become_one_line() {
        check(
            &[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")],
            Trust::Client,
            Length::None,
            &["cookie: a=1; b=2; c=3"],
        );
        check(&[("cookie", "a=1")], Trust::Client, Length::None, &["cookie: a=1"]);
        let empty = [("cookie", ""), ("cookie", "a=1"), ("cookie", ""), ("cookie", "b=2"), ("cookie", "")];
        check(&empty, Trust::Client, Length::None, &["cookie: a=1; b=2"]);
        check(&[("cookie", ""), ("cookie", "")], Trust::Client, Length::None, &["cookie: "]);
    }

    #[test]
    fn the_sites_changes_come_last() {
        let changes = HeaderChanges {
            request_remove: vec![HeaderName::from_static("accept")],
            request_set: vec![(HeaderName::from_static("x-site"), HeaderValue::from_static("new"))],
            ..HeaderChanges::default()
        };
        let head = rewrite(&[("accept", "*/*"), ("x-site", "old")], Trust::Client, Length::None, &changes).unwrap();
        assert!(!head.headers.contains_key("accept"));
        assert_eq!(head.headers.get_all("x-site").iter().collect::<Vec<_>>(), ["new"]);
    }
}
