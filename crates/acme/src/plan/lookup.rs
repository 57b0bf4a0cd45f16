//! [`Lookup`]: finds values by a key that they have in themselves, or that what they number has: so that no key is kept a
//! second time beside it. A box has many names, and most of what an index of them takes is the names.

use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher as _, Hash, RandomState},
};

use hashbrown::HashTable;
use vestibule_names::HostPattern;

/// Values that may have the same key. Who asks says what is equal, and of what is inserted how its key is found: always the
/// same for a value as long as it is in here.
#[derive(Clone)]
pub(super) struct Lookup<T> {
    table: HashTable<T>,
    state: RandomState,
}

impl<T> Lookup<T> {
    pub(super) fn insert<K: Hash>(&mut self, value: T, key_of: impl Fn(&T) -> K) {
        let hash = |value: &T| self.state.hash_one(key_of(value));
        self.table.insert_unique(hash(&value), value, hash);
    }

    pub(super) fn find(&self, key: impl Hash, is_it: impl Fn(&T) -> bool) -> Option<&T> {
        self.table.find(self.state.hash_one(key), is_it)
    }

    /// All with this key, in no order.
    pub(super) fn all(&self, key: impl Hash, is_one: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
        self.table.iter_hash(self.state.hash_one(key)).filter(move |value| is_one(value))
    }

    pub(super) fn remove(&mut self, key: impl Hash, is_it: impl Fn(&T) -> bool) {
        if let Ok(entry) = self.table.find_entry(self.state.hash_one(key), is_it) {
            entry.remove();
        }
    }
}

impl<T> Default for Lookup<T> {
    fn default() -> Self {
        Self { table: HashTable::new(), state: RandomState::new() }
    }
}

impl<T: fmt::Debug> fmt::Debug for Lookup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.table).finish()
    }
}

/// A pattern as certificates are found by it, without a copy of its text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spelt<'a> {
    Exact(Cow<'a, str>),
    /// Below this name.
    Wildcard(&'a str),
}

impl<'a> Spelt<'a> {
    pub(super) fn of(pattern: &'a HostPattern) -> Self {
        match pattern {
            HostPattern::Exact(name) => Self::Exact(name.as_str().into()),
            HostPattern::Wildcard(suffix) => Self::Wildcard(suffix.as_str()),
            HostPattern::Address(address) => Self::Exact(address.to_string().into()),
        }
    }

    /// The wildcard that could cover it.
    pub(super) fn over(pattern: &'a HostPattern) -> Option<Self> {
        let HostPattern::Exact(name) = pattern else { return None };
        name.as_str().split_once('.').map(|(_, parent)| Self::Wildcard(parent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_what_they_say() {
        let words = ["one", "two", "three", "two"];
        let mut lookup = Lookup::default();
        for place in 0..words.len() {
            lookup.insert(place, |place| words[*place]);
        }
        let found = |lookup: &Lookup<usize>, word: &str| {
            let mut found: Vec<_> = lookup.all(word, |place| words[*place] == word).copied().collect();
            found.sort_unstable();
            found
        };
        assert_eq!((found(&lookup, "two"), found(&lookup, "four")), (vec![1, 3], vec![]));
        lookup.remove("two", |place| *place == 1);
        lookup.remove("four", |_| true);
        assert_eq!(found(&lookup, "two"), [3]);
        assert_eq!(lookup.find("one", |place| words[*place] == "one"), Some(&0));
    }

    #[test]
    fn many_are_found_after_it_has_grown_and_others_have_gone() {
        let mut lookup = Lookup::default();
        for number in 0..1_000_u32 {
            lookup.insert(number, |number| number % 500);
        }
        for number in (0..1_000).step_by(2) {
            lookup.remove(number % 500, |other| *other == number);
        }
        for key in 0..500 {
            let count = lookup.all(key, |number| number % 500 == key).count();
            assert_eq!(count, if key % 2 == 0 { 0 } else { 2 }, "{key}");
        }
    }

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
