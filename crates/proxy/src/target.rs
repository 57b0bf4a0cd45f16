//! The target of the request to a backend: origin-form, from the path that was judged and the query as it came.

use http::{Uri, uri::PathAndQuery};
use vestibule_names::RoutePath;
use vestibule_vhost::vhost::Prefix;

use crate::Refusal;

/// Builds the target. `path` is the normalised path that the route was chosen by; nothing is allocated when the
/// client wrote it so itself and no prefix is stripped.
pub(crate) fn rewrite_target(uri: Uri, path: &str) -> Result<Uri, Refusal> {
    let query = uri.query();
    if query.is_some_and(|query| !query.bytes().all(may_stand_in_a_query)) {
        return Err(Refusal::BadPath);
    }
    if uri.path() == path {
        if uri.scheme().is_none() && uri.authority().is_none() {
            return Ok(uri);
        }
        // Absolute-form, or HTTP/2 with its `:scheme` and `:authority`.
        let target = uri.into_parts().path_and_query.ok_or(Refusal::BadPath)?;
        // Before a fragment a path may be left out: that is read as `/` everywhere, and printed as nothing by some.
        return Ok(Uri::from(if target.as_str() == "/" { PathAndQuery::from_static("/") } else { target }));
    }
    let mut text = String::with_capacity(path.len() + 1 + query.map_or(0, str::len));
    text.push_str(path);
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(text)).map(Uri::from).map_err(|_| Refusal::BadPath)
}

/// The path as the backend sees it, and what was taken off it.
pub(crate) fn strip<'a>(path: &'a str, prefix: &'a RoutePath, rule: Prefix) -> (&'a str, Option<&'a str>) {
    let prefix = prefix.as_str();
    if rule == Prefix::Keep || prefix == "/" {
        return (path, None);
    }
    match path.strip_prefix(prefix) {
        Some("") => ("/", Some(prefix)),
        Some(rest) if rest.starts_with('/') => (rest, Some(prefix)),
        // The route does not cover the path; the caller chose another one, so nothing is taken off.
        _ => (path, None),
    }
}

/// Visible ASCII without the fragment sign (RFC 3986 section 3.4 allows less, but browsers send this much).
fn may_stand_in_a_query(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, path: &str, expected: Result<&str, Refusal>) {
        let found = rewrite_target(uri.parse().unwrap(), path).map(|uri| uri.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{uri} {path}");
    }

    #[test]
    fn what_was_judged_is_what_is_sent() {
        check("/a/b?c=d", "/a/b", Ok("/a/b?c=d"));
        check("/%61/./b?c=%61", "/a/b", Ok("/a/b?c=%61"));
        check("http://a.test/a?b", "/a", Ok("/a?b"));
        check("http://a.test?b", "/", Ok("/?b"));
        check("https://a.test", "/", Ok("/"));
        check("https://a.test#b", "/", Ok("/"));
        check("https://a.test/x/../a", "/a", Ok("/a"));
        check("/a?", "/a", Ok("/a?"));
        check("/a?b#c", "/a", Ok("/a?b"));
        check("*", "*", Ok("*"));
        check("/a?b=\u{e4}", "/a", Err(Refusal::BadPath));
    }

    #[test]
    fn a_stripped_prefix_leaves_a_path() {
        let root = RoutePath::root();
        assert_eq!(strip("/a/b", &root, Prefix::Strip), ("/a/b", None));
        assert_eq!(strip("/a/b", &root, Prefix::Keep), ("/a/b", None));
    }
}
