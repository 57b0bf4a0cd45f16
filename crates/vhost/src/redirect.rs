//! [`Redirect`]: where a redirect leads. Safe whatever the client wrote: the template decides which host it names,
//! the client's path and query never do, and nothing breaks out of the header line.

use std::{fmt::Write as _, net::Ipv6Addr};

use http::StatusCode;

/// A redirect whose target is ready but for `{host}`, `{path}` and `{query}`.
#[derive(Debug)]
pub struct Redirect {
    /// As written: an `http(s)://` URL or a path.
    pub to: String,
    /// 3xx.
    pub status: StatusCode,
}

/// What may stand unencoded in a path besides letters and digits (RFC 3986 section 3.3), escapes included.
const PATH: &str = "-._~!$&'()*+,;=:@/%";
/// The same for a query (RFC 3986 section 3.4).
const QUERY: &str = "-._~!$&'()*+,;=:@/%?";
/// The same for the text of a template, which may begin a query or a fragment.
const LITERAL: &str = "-._~!$&'()*+,;=:@/%?#[]";

/// What a template is filled with.
struct Filling<'a> {
    host: &'a str,
    rest: &'a str,
    query: Option<&'a str>,
}

enum Hole {
    Host,
    Path,
    Query,
}

impl Redirect {
    /// The `Location` for a request. `rest` is the normalised path after the route's prefix (begins with `/` or is
    /// empty), `query` what stood after the question mark. The result never breaks out of the header line and never
    /// turns a path into another host (`//`); a `?` with nothing after it is left out.
    pub fn location(&self, host: &str, rest: &str, query: Option<&str>) -> String {
        let filling = Filling { host, rest, query: query.filter(|q| !q.is_empty()) };
        match origin_end(&self.to) {
            Some(end) => {
                let (origin, path) = self.to.split_at(end);
                let mut out = String::with_capacity(self.to.len() + rest.len() + query.map_or(0, str::len));
                filling.pour(&mut out, origin);
                // Whatever fills a hole right after the host must not lengthen the host.
                if path.starts_with('{') {
                    out.push('/');
                }
                filling.pour(&mut out, path);
                out
            }
            None => {
                let mut local = String::with_capacity(self.to.len() + rest.len() + query.map_or(0, str::len) + 1);
                filling.pour(&mut local, &self.to);
                // `//x` would be the host x (RFC 3986 section 4.2).
                format!("/{}", local.trim_start_matches('/'))
            }
        }
    }

    /// Is this a template that [`Redirect::location`] fills as its author meant it?
    pub(crate) fn is_template(to: &str) -> bool {
        let local = (to.starts_with('/') && !to.starts_with("//")) || to.starts_with("{path}");
        local || origin_end(to).is_some()
    }
}

/// The length of `http(s)://host[:port]`, when a template begins so. The host is literal text or `{host}`.
fn origin_end(to: &str) -> Option<usize> {
    let (scheme, after) = to.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let mut authority = after;
    while !authority.is_empty() {
        if let Some(further) = authority.strip_prefix("{host}") {
            authority = further;
        } else if authority.starts_with(['/', '?', '#', '{']) {
            break;
        } else {
            let ok = authority.starts_with(|c: char| c.is_ascii_alphanumeric() || "-._~:[]".contains(c));
            authority = ok.then(|| &authority[1..])?;
        }
    }
    let is_hole = ["{path}", "{query}"].iter().any(|hole| authority.starts_with(hole));
    let ends_well = is_hole || !authority.starts_with('{');
    (ends_well && authority.len() < after.len()).then(|| to.len() - authority.len())
}

impl Filling<'_> {
    /// Appends a piece of the template, its holes filled.
    fn pour(&self, out: &mut String, mut template: &str) {
        while let Some((literal, hole, after)) = next_hole(template) {
            push_legal(out, literal, LITERAL);
            match hole {
                Hole::Host => self.push_host(out),
                Hole::Path => self.push_path(out),
                Hole::Query => self.push_query(out),
            }
            template = after;
        }
        push_legal(out, template, LITERAL);
    }

    fn push_host(&self, out: &mut String) {
        if self.host.parse::<Ipv6Addr>().is_ok() {
            let _ = write!(out, "[{}]", self.host);
        } else {
            // A slash or an at sign would begin another part of the URL; it cannot be here, and gets no chance.
            push_legal(out, self.host, "-._~:[]");
        }
    }

    fn push_path(&self, out: &mut String) {
        let path = self.rest.trim_start_matches(['/', '\\']);
        if !self.rest.is_empty() && !out.ends_with('/') {
            out.push('/');
        }
        push_legal(out, path, PATH);
    }

    fn push_query(&self, out: &mut String) {
        match self.query {
            Some(query) => {
                if !out.contains('?') {
                    out.push('?');
                }
                push_legal(out, query, QUERY);
            }
            None => out.truncate(out.trim_end_matches(['?', '&']).len()),
        }
    }
}

/// Splits at the first hole: what stands before it, which it is, what follows.
fn next_hole(template: &str) -> Option<(&str, Hole, &str)> {
    template.match_indices('{').find_map(|(at, _)| {
        let tail = &template[at..];
        [("{host}", Hole::Host), ("{path}", Hole::Path), ("{query}", Hole::Query)]
            .into_iter()
            .find_map(|(name, hole)| tail.strip_prefix(name).map(|after| (&template[..at], hole, after)))
    })
}

/// Appends text; what is neither a letter, a digit nor one of `marks` is percent-encoded.
fn push_legal(out: &mut String, text: &str, marks: &str) {
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || marks.contains(c) {
            out.push(c);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(to: &str, (host, rest, query): (&str, &str, Option<&str>), expected: &str) {
        let redirect = Redirect { to: to.to_owned(), status: StatusCode::PERMANENT_REDIRECT };
        assert_eq!(redirect.location(host, rest, query), expected, "{to} {host} {rest} {query:?}");
    }

    #[test]
    fn holes_are_filled() {
        let asked = ("blog.test", "/a/b", Some("x=1&y=2"));
        let bare = ("blog.test", "", None);
        check("https://new.test{path}?{query}", asked, "https://new.test/a/b?x=1&y=2");
        check("https://new.test{path}?{query}", bare, "https://new.test/");
        check("https://new.test{path}{query}", asked, "https://new.test/a/b?x=1&y=2");
        check("https://new.test?{query}", asked, "https://new.test?x=1&y=2");
        check("https://{host}{path}", asked, "https://blog.test/a/b");
        check("https://{host}:8443{path}", asked, "https://blog.test:8443/a/b");
        check("https://www.{host}/old{path}", asked, "https://www.blog.test/old/a/b");
        check("HTTPS://new.test/x", asked, "HTTPS://new.test/x");
        check("/new{path}", asked, "/new/a/b");
        check("/new/{path}", asked, "/new/a/b");
        check("/new{path}", bare, "/new");
        check("{path}", asked, "/a/b");
        check("{path}", bare, "/");
        check("/find?page=1&{query}", asked, "/find?page=1&x=1&y=2");
        check("/find?page=1&{query}", bare, "/find?page=1");
        check("/app#top", asked, "/app#top");
    }

    #[test]
    fn an_address_is_bracketed() {
        check("https://{host}{path}", ("2001:db8::7", "/x", None), "https://[2001:db8::7]/x");
        check("https://{host}{path}", ("192.0.2.7", "/x", None), "https://192.0.2.7/x");
    }

    #[test]
    fn a_path_never_becomes_a_host() {
        for rest in ["/evil.test", "//evil.test", "///evil.test", "/\\evil.test", "\\\\evil.test", "//evil.test/../x"] {
            for to in
                ["{path}", "/{path}", "//{path}", "https:{path}", "https://{path}", "///", "\\{path}", "{host}{path}"]
            {
                let redirect = Redirect { to: to.to_owned(), status: StatusCode::FOUND };
                let location = redirect.location("own.test", rest, Some("//evil.test"));
                assert!(location.starts_with('/'), "{to} {rest}: {location}");
                assert!(!location.starts_with("//") && !location.contains('\\'), "{to} {rest}: {location}");
            }
            for to in ["https://new.test{path}", "https://new.test{query}", "https://new.test{path}{query}"] {
                for query in [None, Some(".evil.test"), Some("@evil.test")] {
                    let redirect = Redirect { to: to.to_owned(), status: StatusCode::FOUND };
                    let location = redirect.location("own.test", rest, query);
                    assert!(location.starts_with("https://new.test/"), "{to} {rest}: {location}");
                }
            }
        }
        check("https://new.test{path}", ("h", ".evil.test", None), "https://new.test/.evil.test");
        check("https://new.test{path}.evil", ("h", "", None), "https://new.test/.evil");
        check("https://{host}/x", ("a.test/@evil.test", "", None), "https://a.test%2F%40evil.test/x");
    }

    #[test]
    fn nothing_breaks_out_of_the_line() {
        check("/a{path}?{query}", ("h", "/x\r\nSet-Cookie: a", Some("q\r\n\0é\"<>#")), {
            "/a/x%0D%0ASet-Cookie:%20a?q%0D%0A%00%C3%A9%22%3C%3E%23"
        });
        check("/ä {unknown}\r\n", ("h", "", None), "/%C3%A4%20%7Bunknown%7D%0D%0A");
        check("/a{path}", ("h", "/50%25/x?y#z", None), "/a/50%25/x%3Fy%23z");
    }

    #[test]
    fn templates_are_paths_or_web_urls() {
        for to in
            ["/", "/a{path}", "{path}", "https://a.test", "http://{host}{path}", "https://a.test:1?x", "https://[::1]/"]
        {
            assert!(Redirect::is_template(to), "{to}");
        }
        for to in [
            "",
            "x",
            "//a.test",
            "https:",
            "https://",
            "https:///x",
            "https://{path}",
            "https://{query}",
            "https://{x}",
        ] {
            assert!(!Redirect::is_template(to), "{to}");
        }
        for to in
            ["ftp://a.test", "javascript:alert(1)", "https://user@a.test/", "https://a.test\\x", "{host}/x", "{query}"]
        {
            assert!(!Redirect::is_template(to), "{to}");
        }
    }
}
