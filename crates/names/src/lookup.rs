//! [`Lookup`]: finds values by a key that they have in themselves, or that what they number has: so that no key is kept a
//! second time beside it. A box has many names, and most of what an index of them takes is the names.

use std::{
    fmt,
    hash::{BuildHasher as _, DefaultHasher, Hash, Hasher as _, RandomState},
};

use hashbrown::HashTable;

/// Values that may have the same key. Who asks says what is equal, and of what is inserted how its key is hashed: always the
/// same for a value as long as it is in here.
#[derive(Clone)]
pub struct Lookup<T> {
    table: HashTable<T>,
    state: RandomState,
}

impl<T> Lookup<T> {
    /// With room for so many: whoever knows how many will come spares them from being moved and hashed again.
    pub fn with_room(count: usize) -> Self {
        Self { table: HashTable::with_capacity(count), state: RandomState::new() }
    }

    /// Takes a value in. `hash_key` hashes the key of any value that is in, which is wanted when they need more room.
    pub fn insert(&mut self, value: T, hash_key: impl Fn(&T, &mut DefaultHasher)) {
        let hash = |value: &T| {
            let mut hasher = self.state.build_hasher();
            hash_key(value, &mut hasher);
            hasher.finish()
        };
        self.table.insert_unique(hash(&value), value, hash);
    }

    /// One with this key.
    pub fn find(&self, key: impl Hash, is_it: impl Fn(&T) -> bool) -> Option<&T> {
        self.table.find(self.state.hash_one(key), is_it)
    }

    /// The same, to be changed in anything but its key.
    pub fn find_mut(&mut self, key: impl Hash, is_it: impl Fn(&T) -> bool) -> Option<&mut T> {
        self.table.find_mut(self.state.hash_one(key), is_it)
    }

    /// All with this key, in no order.
    pub fn all(&self, key: impl Hash, is_one: impl Fn(&T) -> bool) -> impl Iterator<Item = &T> {
        self.table.iter_hash(self.state.hash_one(key)).filter(move |value| is_one(value))
    }

    /// Takes one with this key out, if there is one.
    pub fn remove(&mut self, key: impl Hash, is_it: impl Fn(&T) -> bool) -> Option<T> {
        let found = self.table.find_entry(self.state.hash_one(key), is_it).ok()?;
        Some(found.remove().0)
    }

    /// Every value, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.table.iter()
    }
}

impl<T> Default for Lookup<T> {
    fn default() -> Self {
        Self::with_room(0)
    }
}

impl<T: fmt::Debug> fmt::Debug for Lookup<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.table).finish()
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
            lookup.insert(place, |place, hasher| words[*place].hash(hasher));
        }
        let found = |lookup: &Lookup<usize>, word: &str| {
            let mut found: Vec<_> = lookup.all(word, |place| words[*place] == word).copied().collect();
            found.sort_unstable();
            found
        };
        assert_eq!((found(&lookup, "two"), found(&lookup, "four")), (vec![1, 3], vec![]));
        assert_eq!(lookup.remove("two", |place| *place == 1), Some(1));
        assert_eq!(lookup.remove("four", |_| true), None);
        assert_eq!((found(&lookup, "two"), lookup.iter().count()), (vec![3], 3));
        assert_eq!(lookup.find("one", |place| words[*place] == "one"), Some(&0));
    }

    #[test]
    fn many_are_found_after_it_has_grown_and_others_have_gone() {
        let mut lookup = Lookup::default();
        for number in 0..1_000_u32 {
            lookup.insert(number, |number, hasher| (number % 500).hash(hasher));
        }
        for number in (0..1_000).step_by(2) {
            lookup.remove(number % 500, |other| *other == number);
        }
        for key in 0..500 {
            let count = lookup.all(key, |number| number % 500 == key).count();
            assert_eq!(count, if key % 2 == 0 { 0 } else { 2 }, "{key}");
        }
    }
}
