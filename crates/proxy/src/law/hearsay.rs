//! What else a trusted proxy passes on of the client, beside what `told` settles. Most of it was not written by the
//! proxy but let through: only what agrees with what was settled, or can do no harm by its form, is forwarded.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue};
use vestibule_names::{Hostname, path};

use super::names::{Claim, claim};

/// Removes the names of identity that may not pass. Those that are written afresh are not its business.
pub(super) fn retain_judged(headers: &mut HeaderMap, client: Option<IpAddr>) {
    let is_doomed = |name: &HeaderName| claim(name) == Claim::Identity && !may_pass(name, only(headers, name), client);
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| is_doomed(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// `value` is the only one of that name, if there is one that is text.
fn may_pass(name: &HeaderName, value: Option<&str>, client: Option<IpAddr>) -> bool {
    match name.as_str() {
        "forwarded" | "x-forwarded-for" | "x-forwarded-proto" | "x-forwarded-host" => true,
        "x-forwarded-port" => value.is_some_and(is_port),
        "x-forwarded-server" => {
            value.is_some_and(|server| Hostname::parse(server).is_ok_and(|host| host.as_str() == server))
        }
        "x-forwarded-prefix" => value.is_some_and(is_prefix),
        // Other names for the client: as many ways to contradict the chain.
        "x-real-ip"
        | "x-client-ip"
        | "x-cluster-client-ip"
        | "true-client-ip"
        | "cf-connecting-ip"
        | "forwarded-for"
        | "remote-addr"
        | "x-remote-addr" => {
            let ip = value.and_then(|text| text.parse::<IpAddr>().ok()).map(|ip| ip.to_canonical());
            ip.is_some() && ip == client
        }
        // And for the scheme.
        "front-end-https" | "x-scheme" | "x-url-scheme" => false,
        // `-Ssl`, `-Scheme`, `-Protocol` and whatever else: nobody has judged it.
        other => !other.starts_with("x-forwarded"),
    }
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { HeaderValue::to_str(first).ok() }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && text.parse::<u16>().is_ok()
}

/// A path in normal form, of bytes that mean nothing to HTML, to URLs, or to shells.
fn is_prefix(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/.-_~%".contains(&byte))
        && path::normalise(text).is_ok_and(|normal| normal == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, values: &[&'static str], kept: bool) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_static(value));
        }
        retain_judged(&mut headers, Some(IpAddr::from([192, 0, 2, 1])));
        assert_eq!(headers.contains_key(name), kept, "{name}: {values:?}");
    }

    #[test]
    fn other_names_for_the_client_agree_or_go() {
        for name in ["x-real-ip", "x-client-ip", "x-cluster-client-ip", "true-client-ip", "cf-connecting-ip"] {
            check(name, &["192.0.2.1"], true);
            check(name, &["::ffff:192.0.2.1"], true);
            for value in ["192.0.2.2", "192.0.2.1:80", "192.0.2.1, 192.0.2.1", "\"><script>", ""] {
                check(name, &[value], false);
            }
            check(name, &["192.0.2.1", "192.0.2.1"], false);
        }
        let mut headers = HeaderMap::new();
        headers.insert("x-real-ip", HeaderValue::from_static("192.0.2.1"));
        retain_judged(&mut headers, None);
        assert!(headers.is_empty());
    }

    #[test]
    fn ports_servers_and_prefixes_are_well_formed_or_go() {
        for (name, right, wrong) in [
            ("x-forwarded-port", &["443", "1", "65535"][..], &["0", "080", "65536", "+1", "a", "", "80, 443"][..]),
            ("x-forwarded-server", &["edge.test", "edge-1"], &["EDGE.test", "edge.test:80", "a b", "<b>", "", "a,b"]),
            (
                "x-forwarded-prefix",
                &["/", "/x", "/x/", "/x/y.z", "/a%20b"],
                &[
                    "",
                    "x",
                    "//evil.test",
                    "/x/../y",
                    "/x//y",
                    "/%2e%2e/",
                    "/x?y",
                    "/\"><script>",
                    "/x, /y",
                    "javascript:",
                ],
            ),
        ] {
            for value in right {
                check(name, &[value], true);
                check(name, &[value, value], false);
            }
            for value in wrong {
                check(name, &[value], false);
            }
        }
    }

    #[test]
    fn what_was_not_judged_goes_and_what_is_of_other_matters_stays() {
        for name in
            ["x-forwarded", "x-forwarded-ssl", "x-forwarded-scheme", "x-forwarded-uri", "x-scheme", "front-end-https"]
        {
            check(name, &["https"], false);
        }
        for name in ["accept", "client-cert", "remote-user", "x-original-url", "x-forwarded-for", "forwarded"] {
            check(name, &["x"], true);
        }
    }
}
