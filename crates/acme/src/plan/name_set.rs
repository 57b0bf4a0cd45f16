//! [`NameSet`]: names that belong together, such as those that a certificate is shown for: mostly one, of a wildcard's
//! certificate maybe very many.

use std::collections::BTreeSet;

use super::slab::NameIx;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) enum NameSet {
    #[default]
    None,
    One(NameIx),
    /// Those that were more at some time.
    #[expect(clippy::box_collection, reason = "nearly all have one: a word for it instead of three")]
    Many(Box<BTreeSet<NameIx>>),
}

impl NameSet {
    pub(super) fn insert(&mut self, name: NameIx) {
        match self {
            Self::None => *self = Self::One(name),
            Self::One(other) if *other == name => {}
            Self::One(other) => *self = Self::Many(Box::new(BTreeSet::from([*other, name]))),
            Self::Many(names) => drop(names.insert(name)),
        }
    }

    pub(super) fn remove(&mut self, name: NameIx) {
        match self {
            Self::One(other) if *other == name => *self = Self::None,
            Self::None | Self::One(_) => {}
            Self::Many(names) => drop(names.remove(&name)),
        }
    }

    /// In the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = NameIx> {
        let (one, many) = match self {
            Self::None => (None, None),
            Self::One(name) => (Some(*name), None),
            Self::Many(names) => (None, Some(names)),
        };
        one.into_iter().chain(many.into_iter().flat_map(|names| names.iter().copied()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::slab::Number as _, *};

    #[test]
    fn it_is_a_set() {
        let (mut names, mut model) = (NameSet::default(), BTreeSet::new());
        for (place, comes) in
            [(3, true), (3, true), (5, false), (3, false), (3, false), (1, true), (2, true), (1, false), (2, false)]
        {
            let name = NameIx::from_place(place);
            if comes {
                names.insert(name);
                model.insert(name);
            } else {
                names.remove(name);
                model.remove(&name);
            }
            assert!(names.iter().eq(model.iter().copied()), "{names:?} {model:?}");
            assert_eq!(names.is_empty(), model.is_empty());
        }
    }
}
