//! [`Trie`]: a persistent hash trie. Cloning it shares everything; changing a clone copies the path to what changed.
//!
//! Each level takes a few bits of the print; where few names are left they lie together in one leaf. Branches stay in the
//! processor's caches because they are few, so that a look-up waits for memory once, for a part of a leaf; a change
//! touches everything in one leaf, and every child of the branches above it. The size of a leaf weighs the two; the
//! example `table_cost` prints both. Whatever this call alone holds is changed in place, so that a bulk of changes copies
//! each node once. It knows nothing of names: whoever asks brings the print.

mod leaf;

use std::sync::Arc;

use self::leaf::{Entry, Leaf};
use super::print::Print;

/// Bits of the print per level.
const BITS: u32 = 3;
const FAN_OUT: usize = 1 << BITS;
/// A leaf with more names becomes a branch, of leaves with an eighth each.
const LEAF_LIMIT: usize = 256;
/// A branch whose leaves have no more buckets than this becomes a leaf again: far from one that would be split.
const SHRINK_BUCKETS: usize = LEAF_LIMIT / 8;

/// Prints → values.
#[derive(Debug)]
pub(super) struct Trie<T> {
    root: Node<T>,
    len: usize,
}

#[derive(Debug)]
enum Node<T> {
    Leaf(Leaf<T>),
    Branch(Arc<[Node<T>; FAN_OUT]>),
}

impl<T> Clone for Trie<T> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), len: self.len }
    }
}

impl<T> Clone for Node<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Leaf(leaf) => Self::Leaf(leaf.clone()),
            Self::Branch(children) => Self::Branch(Arc::clone(children)),
        }
    }
}

impl<T> Trie<T> {
    pub(super) fn empty() -> Self {
        Self { root: Node::Leaf(Leaf::empty()), len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn find(&self, print: Print) -> Option<&Arc<T>> {
        let mut node = &self.root;
        let mut way = print.way();
        loop {
            match node {
                Node::Branch(children) => node = &children[way as usize % FAN_OUT],
                Node::Leaf(leaf) => return leaf.find(print),
            }
            way >>= BITS;
        }
    }

    pub(super) fn put(&mut self, print: Print, value: Arc<T>) {
        if self.root.put((print, value), 0) {
            self.len += 1;
        }
    }

    pub(super) fn remove(&mut self, print: Print) {
        if self.root.remove(print, 0) {
            self.len -= 1;
        }
    }
}

/// Which child holds a print at a level. Beyond the last bit there is nothing left to tell names apart.
fn turn(print: Print, level: u32) -> usize {
    (print.way() >> (BITS * level)) as usize % FAN_OUT
}

/// Is there a turn at this level?
fn splits(level: u32) -> bool {
    BITS * level < u64::BITS
}

impl<T> Node<T> {
    /// Returns whether the name is new.
    fn put(&mut self, (print, value): Entry<T>, level: u32) -> bool {
        match self {
            // In place if nobody else holds the node, else on a copy that shares every child.
            Self::Branch(children) => Arc::make_mut(children)[turn(print, level)].put((print, value), level + 1),
            Self::Leaf(leaf) => {
                if leaf.replace(print, &value) {
                    return false;
                }
                if leaf.len() >= LEAF_LIMIT && splits(level) {
                    *self = Self::split(leaf.iter().chain([(print, value)]), level);
                } else {
                    leaf.add(print, value);
                }
                true
            }
        }
    }

    /// A branch of leaves.
    fn split(entries: impl Iterator<Item = Entry<T>>, level: u32) -> Self {
        let mut children: [Vec<Entry<T>>; FAN_OUT] = Default::default();
        for (print, value) in entries {
            children[turn(print, level)].push((print, value));
        }
        Self::Branch(Arc::new(children.map(|entries| Self::Leaf(Leaf::of(entries.into_iter())))))
    }

    /// Returns whether the name was there.
    fn remove(&mut self, print: Print, level: u32) -> bool {
        let found = match self {
            Self::Leaf(leaf) => return leaf.remove(print),
            Self::Branch(children) => Arc::make_mut(children)[turn(print, level)].remove(print, level + 1),
        };
        if found {
            self.shrink();
        }
        found
    }

    /// Gives back what a removal left behind.
    fn shrink(&mut self) {
        let Self::Branch(children) = self else { return };
        let mut buckets = 0;
        for child in children.iter() {
            let Some(leaf) = child.leaf() else { return };
            buckets += leaf.buckets();
        }
        if buckets <= SHRINK_BUCKETS {
            *self = Self::Leaf(Leaf::of(children.iter().filter_map(Self::leaf).flat_map(Leaf::iter)));
        }
    }

    fn leaf(&self) -> Option<&Leaf<T>> {
        if let Self::Leaf(leaf) = self { Some(leaf) } else { None }
    }
}

#[cfg(test)]
impl<T> Trie<T> {
    /// How many nodes it has.
    pub(super) fn nodes(&self) -> usize {
        fn nodes<T>(node: &Node<T>) -> usize {
            match node {
                Node::Leaf(_) => 1,
                Node::Branch(children) => 1 + children.iter().map(nodes).sum::<usize>(),
            }
        }
        nodes(&self.root)
    }

    /// How many nodes two tries have in common.
    pub(super) fn nodes_shared_with(&self, other: &Self) -> usize {
        fn shared<T>(a: &Node<T>, b: &Node<T>) -> usize {
            match (a, b) {
                (Node::Leaf(a), Node::Leaf(b)) => usize::from(a.is_the_same(b)),
                (Node::Branch(a), Node::Branch(b)) => {
                    let below: usize = a.iter().zip(b.iter()).map(|(a, b)| shared(a, b)).sum();
                    below + usize::from(Arc::ptr_eq(a, b))
                }
                _ => 0,
            }
        }
        shared(&self.root, &other.root)
    }
}
