//! [`Slab`]: values under small numbers that stay the same while the value lives. Numbers are used again.

use std::ops::{Index, IndexMut};

/// The number of a wanted name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NameIx(u32);

/// The number of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CertIx(u32);

/// What a slab counts with.
pub(super) trait Number: Copy {
    fn from_place(place: u32) -> Self;
    fn place(self) -> usize;
}

impl Number for NameIx {
    fn from_place(place: u32) -> Self {
        Self(place)
    }
    fn place(self) -> usize {
        self.0 as usize
    }
}

impl Number for CertIx {
    fn from_place(place: u32) -> Self {
        Self(place)
    }
    fn place(self) -> usize {
        self.0 as usize
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Slab<I, T> {
    /// Each value by itself: what grows is a list of pointers, and no value is ever copied to make room for others.
    places: Vec<Option<Box<T>>>,
    free: Vec<I>,
}

impl<I: Number, T> Slab<I, T> {
    pub(super) fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, value: T) -> I {
        if let Some(number) = self.free.pop() {
            self.places[number.place()] = Some(Box::new(value));
            return number;
        }
        let place = u32::try_from(self.places.len()).expect("memory ends long before four thousand million names");
        self.places.push(Some(Box::new(value)));
        I::from_place(place)
    }

    pub(super) fn remove(&mut self, number: I) -> Option<T> {
        let value = self.places.get_mut(number.place())?.take()?;
        self.free.push(number);
        Some(*value)
    }

    pub(super) fn find(&self, number: I) -> Option<&T> {
        self.places.get(number.place())?.as_deref()
    }

    pub(super) fn find_mut(&mut self, number: I) -> Option<&mut T> {
        self.places.get_mut(number.place())?.as_deref_mut()
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.places.iter().filter_map(|value| value.as_deref())
    }

    pub(super) fn numbers(&self) -> Vec<I> {
        let taken = |(place, value): (usize, &Option<Box<T>>)| value.as_ref().map(|_| I::from_place(place as u32));
        self.places.iter().enumerate().filter_map(taken).collect()
    }
}

/// Only with numbers of values that live: everything that leaves a slab leaves every set that names it first.
impl<I: Number, T> Index<I> for Slab<I, T> {
    type Output = T;
    fn index(&self, number: I) -> &T {
        self.places[number.place()].as_ref().expect("a number is dropped before its value")
    }
}

impl<I: Number, T> IndexMut<I> for Slab<I, T> {
    fn index_mut(&mut self, number: I) -> &mut T {
        self.places[number.place()].as_mut().expect("a number is dropped before its value")
    }
}
