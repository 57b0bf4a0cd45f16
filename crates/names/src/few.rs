//! [`Few`]: a list that most often has one item, which lies in the list itself. A box has very many sites with one name, one
//! route, one backend and one certificate, and a list of one on the heap costs more than what is in it. It is as long as what
//! is in it: to be filled at once, and seldom changed.

use std::{
    fmt,
    hash::{Hash, Hasher},
    mem,
    ops::{Deref, DerefMut},
    slice,
};

/// See the module; a slice in most ways.
#[derive(Clone)]
pub struct Few<T>(Items<T>);

#[derive(Clone)]
enum Items<T> {
    One(T),
    /// Any other number, zero included.
    Other(Box<[T]>),
}

impl<T> Few<T> {
    /// One more, at the end.
    pub fn push(&mut self, item: T) {
        let mut items = mem::take(self).into_vec();
        items.push(item);
        *self = items.into();
    }

    /// Only those stay for which this is true.
    pub fn retain(&mut self, is_kept: impl FnMut(&T) -> bool) {
        let mut items = mem::take(self).into_vec();
        items.retain(is_kept);
        *self = items.into();
    }

    fn into_vec(self) -> Vec<T> {
        match self.0 {
            Items::One(item) => vec![item],
            Items::Other(items) => items.into_vec(),
        }
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Items::One(item) => slice::from_ref(item),
            Items::Other(items) => items,
        }
    }
}

impl<T> DerefMut for Few<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Items::One(item) => slice::from_mut(item),
            Items::Other(items) => items,
        }
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(mut items: Vec<T>) -> Self {
        match items.pop() {
            Some(only) if items.is_empty() => Self(Items::One(only)),
            last => {
                items.extend(last);
                Self(Items::Other(items.into()))
            }
        }
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = items.into_iter();
        Self(match (items.next(), items.next()) {
            (Some(one), None) => Items::One(one),
            (first, second) => Items::Other(first.into_iter().chain(second).chain(items).collect()),
        })
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Items::Other(Box::default()))
    }
}

impl<'a, T> IntoIterator for &'a Few<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: PartialEq> PartialEq for Few<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Eq> Eq for Few<T> {}

impl<T: Hash> Hash for Few<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{HostPattern, UpstreamAddr};

    #[test]
    fn any_number_of_items_stays_as_it_is() {
        for count in 0..5 {
            let items: Vec<String> = (0..count).map(|n| n.to_string()).collect();
            let few: Few<String> = items.iter().cloned().collect();
            assert_eq!((&*few, format!("{few:?}")), (&items[..], format!("{items:?}")));
            assert!(few.clone() == Few::from(items.clone()) && few.iter().eq(&few));
            let mut more = few.clone();
            more.push("more".to_owned());
            assert_eq!(&*more, [items, vec!["more".to_owned()]].concat());
            assert_ne!(few, more);
            more[0].push('!');
            more.retain(|item| item.ends_with('!'));
            assert_eq!((more.len(), more.iter().all(|item| item.ends_with('!'))), (1, true));
            more.retain(|_| false);
            assert!(more == Few::default() && more.is_empty());
        }
        assert!(Few::<String>::default().is_empty());
    }

    #[test]
    fn one_item_takes_no_more_than_itself() {
        assert_eq!(size_of::<Few<HostPattern>>(), size_of::<HostPattern>());
        assert_eq!(size_of::<Few<UpstreamAddr>>(), size_of::<UpstreamAddr>());
        assert_eq!(size_of::<Few<Arc<str>>>(), size_of::<Arc<str>>() + size_of::<usize>());
        assert_eq!(size_of::<Few<Arc<u8>>>(), size_of::<Box<[u8]>>(), "the list of many needs that much");
    }
}
