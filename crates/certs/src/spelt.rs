//! [`Spelt`]: a pattern as certificates are found by it.

use std::borrow::Cow;

use vestibule_names::HostPattern;

/// A pattern as certificates are found by it, without a copy of its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Spelt<'a> {
    /// A name, or an address as text.
    Exact(Cow<'a, str>),
    /// Below this name.
    Wildcard(&'a str),
}

impl<'a> Spelt<'a> {
    /// Of this pattern itself.
    pub fn of(pattern: &'a HostPattern) -> Self {
        match pattern {
            HostPattern::Exact(name) => Self::Exact(name.as_str().into()),
            HostPattern::Wildcard(suffix) => Self::Wildcard(suffix.as_str()),
            HostPattern::Address(address) => Self::Exact(address.to_string().into()),
        }
    }

    /// The wildcard that could cover it.
    pub fn over(pattern: &'a HostPattern) -> Option<Self> {
        let HostPattern::Exact(name) = pattern else { return None };
        name.as_str().split_once('.').map(|(_, parent)| Self::Wildcard(parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_covered_by_itself_and_by_the_wildcard_over_it() {
        let pattern = |text: &str| HostPattern::parse(text).unwrap();
        for (name, own, over) in [
            ("a.b.test", Spelt::Exact("a.b.test".into()), Some(Spelt::Wildcard("b.test"))),
            ("*.b.test", Spelt::Wildcard("b.test"), None),
            ("localhost", Spelt::Exact("localhost".into()), None),
            ("192.0.2.7", Spelt::Exact("192.0.2.7".into()), None),
        ] {
            let name = pattern(name);
            assert_eq!((Spelt::of(&name), Spelt::over(&name)), (own, over), "{name}");
        }
    }
}
