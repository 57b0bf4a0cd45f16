//! Registered domains and public suffixes, by the public suffix list: what limits of CAs are counted by, and below which
//! everybody registers names.
//!
//! Not here: whether a tenant may hold a name.

use std::net::IpAddr;

use crate::{HostPattern, Hostname};

/// The registered domain of a name (`a.b.example.co.uk` → `example.co.uk`), by the public suffix list with its private
/// section; a name that is a public suffix itself counts as its own.
pub fn registered_domain(name: &Hostname) -> &str {
    psl::domain_str(name.as_str()).unwrap_or(name.as_str())
}

/// Do many register names right below this one (`com`, `co.uk`, `github.io`)? By a rule of the public suffix list; a top-level
/// domain without a rule is taken for one of somebody's own, and so are those that the public DNS will never have. A name below
/// which the list has every name for a suffix (`kawasaki.jp`, by the rule `*.kawasaki.jp`) is nobody's either: with it, or with
/// a wildcard of it, one would have the customers of all those suffixes.
pub fn is_public_suffix(name: &Hostname) -> bool {
    // No exception of the list begins like that.
    let below = || format!("0.{name}");
    !name.has_private_suffix() && (is_ruled(name.as_str()) || is_ruled(&below()))
}

/// Is all of it a suffix by a rule?
fn is_ruled(name: &str) -> bool {
    psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known() && suffix.as_bytes() == name.as_bytes())
}

/// What a CA counts a pattern under: the registered domain of a name or of a wildcard's suffix; an IPv4 address itself; the
/// /64 of an IPv6 address, written as its first address and `/64`.
pub fn registered_domain_of(pattern: &HostPattern) -> String {
    match pattern {
        HostPattern::Exact(name) | HostPattern::Wildcard(name) => registered_domain(name).to_owned(),
        HostPattern::Address(IpAddr::V4(address)) => address.to_string(),
        HostPattern::Address(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{}/64", std::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_count_under_their_registered_domain() {
        for (pattern, expected) in [
            ("example.com", "example.com"),
            ("a.b.example.com", "example.com"),
            ("*.example.com", "example.com"),
            ("*.a.example.com", "example.com"),
            ("a.b.example.co.uk", "example.co.uk"),
            // The private section: each customer of such a service counts alone.
            ("blog.alice.github.io", "alice.github.io"),
            ("github.io", "github.io"),
            ("co.uk", "co.uk"),
            ("*.co.uk", "co.uk"),
            ("com", "com"),
            ("shop.xn--bcher-kva.de", "xn--bcher-kva.de"),
            // A rule with a wildcard (`*.ck`), its exception (`!www.ck`), and a TLD that no rule names.
            ("a.b.c.ck", "b.c.ck"),
            ("a.www.ck", "www.ck"),
            ("a.b.nonesuch", "b.nonesuch"),
            ("192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ] {
            assert_eq!(registered_domain_of(&pattern.parse().unwrap()), expected, "{pattern}");
        }
    }

    #[test]
    fn public_suffixes_are_those_of_the_list() {
        for (name, expected) in [
            ("com", true),
            ("co.uk", true),
            ("github.io", true),
            ("x.ck", true),
            ("www.ck", false),
            // Written as DNS has them: `рф`, `公司.cn`, `個人.hk`.
            ("xn--p1ai", true),
            ("xn--55qx5d.cn", true),
            ("xn--gmqw5a.hk", true),
            ("example.xn--p1ai", false),
            // Rules of wildcards alone (`*.kawasaki.jp`, `*.compute.amazonaws.com`): everybody's is what is right below.
            ("x.kawasaki.jp", true),
            ("kawasaki.jp", true),
            ("city.kawasaki.jp", false),
            ("example.com", false),
            ("example.co.uk", false),
            ("alice.github.io", false),
            // Nobody's but one's own.
            ("localhost", false),
            ("test", false),
            ("home.arpa", false),
            ("onion", false),
            ("internal", false),
            ("nonesuch", false),
            ("blog.nonesuch", false),
        ] {
            assert_eq!(is_public_suffix(&Hostname::parse(name).unwrap()), expected, "{name}");
        }
    }

    #[test]
    fn the_longest_and_deepest_names_are_no_problem() {
        let deep = format!("{}example.com", "a.".repeat(120));
        assert_eq!(registered_domain(&Hostname::parse(&deep).unwrap()), "example.com");
    }
}
