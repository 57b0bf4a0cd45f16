//! [`Lot`]: what is known of a name beyond the ordinary, such as its [`Fate`], for the many names of which nothing is: of
//! those nothing is kept. Reads as the ordinary, and becomes something of its own with the first change.

use std::{
    ops::{Deref, DerefMut},
    sync::LazyLock,
};

use super::name::{Fate, Quest};

/// What a name to which nothing has happened has of something: the default.
pub(super) trait Ordinary: Default + PartialEq + 'static {
    fn ordinary() -> &'static Self;
}

impl Ordinary for Fate {
    fn ordinary() -> &'static Self {
        static ORDINARY: LazyLock<Fate> = LazyLock::new(Fate::default);
        &ORDINARY
    }
}

impl Ordinary for Quest {
    fn ordinary() -> &'static Self {
        static ORDINARY: LazyLock<Quest> = LazyLock::new(Quest::default);
        &ORDINARY
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Lot<T>(Option<Box<T>>);

impl<T: Ordinary> Lot<T> {
    /// Keeps nothing of what says no more than the default. Changes may leave such a thing behind.
    pub(super) fn shed(&mut self) {
        self.0.take_if(|own| **own == *T::ordinary());
    }

    /// By itself.
    pub(super) fn into_inner(self) -> T {
        self.0.map(|own| *own).unwrap_or_default()
    }
}

impl<T> Default for Lot<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Ordinary> From<T> for Lot<T> {
    fn from(own: T) -> Self {
        Self((own != *T::ordinary()).then(|| Box::new(own)))
    }
}

impl<T: Ordinary> Deref for Lot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_deref().unwrap_or_else(|| T::ordinary())
    }
}

impl<T: Ordinary> DerefMut for Lot<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_what_is_ordinary() {
        let mut lot = Lot::<Fate>::default();
        assert_eq!((*lot).clone(), Fate::default());
        lot.failures = 1;
        assert_eq!(lot.clone().into_inner(), Fate { failures: 1, ..Fate::default() });
        lot.shed();
        assert_eq!(lot.failures, 1, "what happened is not forgotten");
        lot.failures = 0;
        lot.shed();
        assert!(lot.0.is_none() && Lot::from(Fate::default()).0.is_none());
        assert_eq!(Lot::<Fate>::default().into_inner(), Fate::default());
    }
}
