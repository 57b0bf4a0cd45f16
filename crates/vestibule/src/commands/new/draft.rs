//! The text of a new site file: two lines that matter, and comments that show what else can be said.

use vestibule_names::{HostPattern, UpstreamAddr};

/// What can be said beside the two lines, commented out. A test reads it as if it were not.
const MORE: &str = "\
#redirect_to_https: false      # clear HTTP gets the site itself instead of a redirect
#routes:                       # path prefixes by whole segments; the longest wins
#  /api: 127.0.0.1:5001
#  /old:
#    redirect: https://example.com/new
#timeouts:
#  response: 2m                # until the backend begins to answer
#limits:
#  request_body: 100MiB
";

/// A site file of one host and one backend.
pub(crate) fn site_text(host: &HostPattern, upstream: &UpstreamAddr) -> String {
    let (hosts, upstream) = (scalar(&host.to_string()), scalar(&upstream.to_string()));
    format!(
        "# The gateway takes every saved change of this file at once; a mistake keeps the last good version.\n\
         # Check before: vestibule check FILE\n\
         hosts: {hosts}\nupstream: {upstream}\n\n\
         # More that can be said; remove the '#'. Every key: 'vestibule schema', docs/site-file.md.\n{MORE}"
    )
}

/// A YAML scalar that is a string to every reader: plain where nothing could be read into it, else quoted.
fn scalar(text: &str) -> String {
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '/');
    // Without a dot it could be a number, a boolean or null; `*` begins an alias and `[` a list.
    let plain = text.contains('.')
        && text.chars().all(harmless)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !text.ends_with(':');
    // JSON's strings are YAML's double-quoted ones (YAML 1.2 section 5.7).
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(host: &str, upstream: &str) -> String {
        site_text(&HostPattern::parse(host).unwrap(), &UpstreamAddr::parse(upstream).unwrap())
    }

    fn assert_valid(text: &str) {
        let parsed = vestibule_site::parse_site(text.as_bytes());
        assert!(parsed.diagnostics.is_empty(), "{:#?}\n{text}", parsed.diagnostics);
    }

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let hosts = ["blog.localhost", "*.example.com", "192.0.2.7", "2001:db8::7", "localhost", "null", "bücher.test"];
        let upstreams =
            ["5000", "[::1]:5000", "unix:/run/a b #c.sock", "https://api.internal:8443", "http://127.0.0.1"];
        for host in hosts {
            for upstream in upstreams {
                let text = text(host, upstream);
                assert_valid(&text);
                let site = vestibule_site::parse_site(text.as_bytes()).value.unwrap();
                assert_eq!(site.hosts[0].value, HostPattern::parse(host).unwrap());
                let vestibule_site::site::Action::Upstream(group) = &site.routes[0].action else { panic!("{text}") };
                assert_eq!(group.addrs[0].value, UpstreamAddr::parse(upstream).unwrap());
            }
        }
    }

    #[test]
    fn what_the_comments_show_is_right_too() {
        let more: String = MORE.lines().map(|line| format!("{}\n", line.trim_start_matches('#'))).collect();
        assert_valid(&format!("hosts: blog.localhost\nupstream: 127.0.0.1:5000\n{more}"));
    }
}
