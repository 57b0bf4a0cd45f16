//! [`Leaf`]: a few names in one piece of memory, each found where its print says or close behind.
//!
//! Four prints and what they lead to lie together in a bucket. Finding a name compares all four prints without a branch
//! that depends on them: whoever looks up many names does not wait for one to begin the next.

use std::sync::Arc;

use super::super::print::Print;

/// Prints → values. Cloning it shares all.
#[derive(Debug)]
pub(super) struct Leaf<T>(Arc<[Bucket<T>]>);

/// A name and where it leads.
pub(super) type Entry<T> = (Print, Arc<T>);

/// Names in a bucket.
const SLOTS: usize = 4;
/// A leaf that is made has a bucket for so many tenths of a name: few have to lie in another bucket than their own.
const TENTHS_PER_BUCKET: usize = 24;
/// With more in one bucket, a leaf grows.
const FULL_TENTHS_PER_BUCKET: usize = 30;

#[derive(Debug)]
struct Bucket<T> {
    /// As long as a cache line. Those of empty slots mean nothing.
    prints: [Print; SLOTS],
    /// The full slots come first.
    values: [Option<Arc<T>>; SLOTS],
}

impl<T> Clone for Leaf<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Clone for Bucket<T> {
    fn clone(&self) -> Self {
        Self { prints: self.prints, values: self.values.clone() }
    }
}

impl<T> Leaf<T> {
    pub(super) fn empty() -> Self {
        Self(Arc::default())
    }

    /// Of entries with different prints.
    pub(super) fn of(entries: impl Iterator<Item = Entry<T>>) -> Self {
        let entries: Vec<_> = entries.collect();
        let count = (10 * entries.len()).div_ceil(TENTHS_PER_BUCKET);
        let mut buckets: Box<[_]> = std::iter::repeat_with(Bucket::empty).take(count).collect();
        for (print, value) in entries {
            insert(&mut buckets, print, value);
        }
        Self(buckets.into())
    }

    pub(super) fn find(&self, print: Print) -> Option<&Arc<T>> {
        let own = self.0.get(print.place(self.0.len()))?;
        let found = own.find(print);
        if found.is_some() || !own.is_full() { found } else { self.find_behind(print) }
    }

    /// What does not fit in its own bucket lies in the next that is not full.
    #[cold]
    fn find_behind(&self, print: Print) -> Option<&Arc<T>> {
        for at in way(&self.0, print).skip(1) {
            let found = self.0[at].find(print);
            if found.is_some() || !self.0[at].is_full() {
                return found;
            }
        }
        None
    }

    /// Returns whether there was something to replace; if there was not, the value is not taken.
    pub(super) fn replace(&mut self, print: Print, value: &Arc<T>) -> bool {
        if self.find(print).is_none() {
            return false;
        }
        let buckets = Arc::make_mut(&mut self.0).iter_mut();
        let mut slots = buckets.flat_map(|bucket| bucket.prints.iter().zip(&mut bucket.values));
        let same = slots.find(|(other, value)| **other == print && value.is_some());
        same.is_some_and(|(_, slot)| slot.replace(Arc::clone(value)).is_some())
    }

    /// Adds what is not there yet.
    pub(super) fn add(&mut self, print: Print, value: Arc<T>) {
        if 10 * (self.len() + 1) > FULL_TENTHS_PER_BUCKET * self.buckets() {
            *self = Self::of(self.iter().chain([(print, value)]));
        } else {
            insert(Arc::make_mut(&mut self.0), print, value);
        }
    }

    /// Returns whether it was there.
    pub(super) fn remove(&mut self, print: Print) -> bool {
        let found = self.find(print).is_some();
        if found {
            *self = Self::of(self.iter().filter(|(other, _)| *other != print));
        }
        found
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<T>> {
        let slots = self.0.iter().flat_map(|bucket| bucket.prints.iter().zip(&bucket.values));
        slots.filter_map(|(print, value)| Some((*print, Arc::clone(value.as_ref()?))))
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|bucket| bucket.values.iter().flatten().count()).sum()
    }

    /// How much it holds, near enough, and without looking at it.
    pub(super) fn buckets(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
impl<T> Leaf<T> {
    /// Not equal: the same memory.
    pub(super) fn is_the_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Bucket<T> {
    fn empty() -> Self {
        Self { prints: [Print::default(); SLOTS], values: [const { None }; SLOTS] }
    }

    fn find(&self, print: Print) -> Option<&Arc<T>> {
        // The first that is the same, found without a branch: whether the first or the fourth, nobody can predict.
        let mut found = SLOTS;
        for slot in (0..SLOTS).rev() {
            found = if self.prints[slot] == print { slot } else { found };
        }
        self.values.get(found)?.as_ref()
    }

    fn is_full(&self) -> bool {
        self.values[SLOTS - 1].is_some()
    }
}

/// All buckets, in the order in which a name is looked for: its own, those behind it, those before it.
fn way<T>(buckets: &[Bucket<T>], print: Print) -> impl Iterator<Item = usize> + use<T> {
    let count = buckets.len();
    let own = print.place(count);
    (own..count).chain(0..own)
}

/// There is room.
fn insert<T>(buckets: &mut [Bucket<T>], print: Print, value: Arc<T>) {
    if let Some(at) = way(buckets, print).find(|at| !buckets[*at].is_full()) {
        let Bucket { prints, values } = &mut buckets[at];
        if let Some(slot) = values.iter().position(Option::is_none) {
            prints[slot] = print;
            values[slot] = Some(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::print::Printer;

    fn check(leaf: &Leaf<u32>, print: Print, expected: Option<u32>) {
        assert_eq!(leaf.find(print).map(|value| **value), expected);
    }

    #[test]
    fn however_full_it_is_everything_is_found_and_nothing_else() {
        let printer = Printer::new();
        let print = |n: u32| printer.print(&n.to_string());
        for count in 0..200 {
            let mut grown = Leaf::empty();
            (0..count).for_each(|n| grown.add(print(n), Arc::new(n)));
            let made = Leaf::of((0..count).map(|n| (print(n), Arc::new(n))));
            for leaf in [&grown, &made] {
                assert_eq!((leaf.len(), leaf.iter().count()), (count as usize, count as usize));
                (0..count).for_each(|n| check(leaf, print(n), Some(n)));
                (count..200).for_each(|n| check(leaf, print(n), None));
            }
        }
    }

    #[test]
    fn what_lies_behind_its_bucket_is_found_until_it_is_removed() {
        let printer = Printer::new();
        // Two buckets, and six names of the last one: two of them lie in the first.
        let of_the_last: Vec<u32> = (0..).filter(|n| printer.print(&n.to_string()).place(2) == 1).take(6).collect();
        let print = |n: u32| printer.print(&n.to_string());
        let mut buckets: Box<[_]> = [Bucket::empty(), Bucket::empty()].into();
        of_the_last.iter().for_each(|n| insert(&mut buckets, print(*n), Arc::new(*n)));
        let mut leaf = Leaf(buckets.into());
        assert!(leaf.0[1].is_full() && !leaf.0[0].is_full());
        for n in of_the_last {
            check(&leaf, print(n), Some(n));
            assert!(leaf.replace(print(n), &Arc::new(n + 1)));
            check(&leaf, print(n), Some(n + 1));
            assert!(leaf.remove(print(n)) && !leaf.remove(print(n)));
            check(&leaf, print(n), None);
            assert!(!leaf.replace(print(n), &Arc::new(0)));
        }
        assert_eq!((leaf.len(), leaf.buckets()), (0, 0));
    }

    #[test]
    fn a_copy_stays_as_it_was() {
        let print = Printer::new().print("a.test");
        let first = Leaf::of([(print, Arc::new(1))].into_iter());
        let mut second = first.clone();
        assert!(first.is_the_same(&second));
        assert!(second.replace(print, &Arc::new(2)));
        check(&first, print, Some(1));
        check(&second, print, Some(2));
    }
}
