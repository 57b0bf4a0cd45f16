//! [`Lot`]: the [`Fate`] of a name, for the many names to which nothing has happened that is to be remembered: of those
//! nothing is kept. Reads as a fate, and becomes one with the first change.

use std::{
    ops::{Deref, DerefMut},
    sync::LazyLock,
};

use super::name::Fate;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Lot(Option<Box<Fate>>);

impl Lot {
    /// Keeps nothing of what says no more than the default. Changes may leave such a fate behind.
    pub(super) fn shed(&mut self) {
        self.0.take_if(|fate| **fate == Fate::default());
    }

    /// The fate by itself.
    pub(super) fn into_fate(self) -> Fate {
        self.0.map(|fate| *fate).unwrap_or_default()
    }
}

impl From<Fate> for Lot {
    fn from(fate: Fate) -> Self {
        Self((fate != Fate::default()).then(|| Box::new(fate)))
    }
}

impl Deref for Lot {
    type Target = Fate;

    fn deref(&self) -> &Fate {
        static ORDINARY: LazyLock<Fate> = LazyLock::new(Fate::default);
        self.0.as_deref().unwrap_or(&ORDINARY)
    }
}

impl DerefMut for Lot {
    fn deref_mut(&mut self) -> &mut Fate {
        self.0.get_or_insert_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_of_what_is_ordinary() {
        let mut lot = Lot::default();
        assert_eq!((*lot).clone(), Fate::default());
        lot.failures = 1;
        assert_eq!(lot.clone().into_fate(), Fate { failures: 1, ..Fate::default() });
        lot.shed();
        assert_eq!(lot.failures, 1, "what happened is not forgotten");
        lot.failures = 0;
        lot.shed();
        assert!(lot.0.is_none() && Lot::from(Fate::default()).0.is_none());
        assert_eq!(Lot::default().into_fate(), Fate::default());
    }
}
