//! [`Print`]: what the table keeps instead of a name. [`Printer`] makes it, with a secret of the process.
//!
//! It is SipHash-1-3 with 128 bits. Tenants choose the names, and their processes share the machine's caches with us: so
//! neither where a name is filed nor what would collide with it may follow from anything that they can observe. With
//! 128 bits of a pseudorandom function, two names are taken for one less often than memory errs; so no name needs to be
//! kept, fetched and compared (`docs/decisions/0016-the-table-keeps-prints.md`).

use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
};

use siphasher::sip128::SipHasher13;
use vestibule_names::HostPattern;

/// Stands for a name: equal prints are equal names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Print(u128);

impl Print {
    /// Which way to go in a trie, a few bits for each turn. What [`Print::place`] says does not follow from it.
    pub(super) fn way(self) -> u64 {
        self.0 as u64
    }

    /// One of so many places (fewer than 2^32), each as likely.
    pub(super) fn place(self, places: usize) -> usize {
        let fraction = (self.0 >> 96) as usize;
        (fraction * places) >> 32
    }
}

/// Makes prints. Those of another lineage of tables say nothing about its own.
#[derive(Clone)]
pub(super) struct Printer(SipHasher13);

impl Printer {
    /// With a secret of its own.
    pub(super) fn new() -> Self {
        // The standard library's source of secrets; its hasher alone has only 64 bits.
        let secret = RandomState::new();
        Self(SipHasher13::new_with_keys(secret.hash_one(0), secret.hash_one(1)))
    }

    /// Of a host in normal form.
    pub(super) fn print(&self, host_key: &str) -> Print {
        Print(self.0.hash(host_key.as_bytes()).into())
    }

    /// Of a name, of what follows the `*.`, or of an address in its canonical text.
    pub(super) fn print_of(&self, pattern: &HostPattern) -> Print {
        match pattern {
            HostPattern::Exact(name) | HostPattern::Wildcard(name) => self.print(name.as_str()),
            HostPattern::Address(ip) => self.print(&ip.to_string()),
        }
    }
}

impl fmt::Debug for Printer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the secret.
        f.write_str("Printer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_printer_has_a_secret() {
        let (one, other) = (Printer::new(), Printer::new());
        assert_eq!(one.print("a.test"), one.clone().print("a.test"));
        assert_ne!(one.print("a.test"), one.print("b.test"));
        assert_ne!(one.print("a.test"), other.print("a.test"));
        assert_eq!(format!("{one:?}"), "Printer", "the secret is not shown");
    }

    #[test]
    fn a_pattern_has_the_print_of_its_key() {
        let printer = Printer::new();
        for (pattern, key) in [("a.test", "a.test"), ("*.a.test", "a.test"), ("2001:DB8:0::7", "2001:db8::7")] {
            assert_eq!(printer.print_of(&HostPattern::parse(pattern).unwrap()), printer.print(key), "{pattern}");
        }
    }

    #[test]
    fn every_place_is_as_likely() {
        let printer = Printer::new();
        for places in [1, 2, 5, 48] {
            let mut seen = vec![0_u32; places];
            for n in 0..1_000 * places {
                seen[printer.print(&n.to_string()).place(places)] += 1;
            }
            // 1,000 give or take ten standard deviations.
            assert!(seen.iter().all(|seen| (684..1_316).contains(seen)), "{seen:?}");
        }
    }
}
