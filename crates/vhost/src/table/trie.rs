//! [`Trie`]: a persistent hash trie. Cloning it shares everything; changing a clone copies the path to what changed.
//!
//! Each level takes a few bits of the hash; where few names are left they lie together in one leaf. The fan-out weighs
//! a change (every child of a copied node is touched once) against a look-up (every level may be a cache miss); the
//! example `table_cost` prints both. Whatever this call alone holds is changed in place, so that a bulk of changes
//! copies each node once. It knows nothing of wildcards: whoever asks brings the text that was hashed.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::Arc,
};

use vestibule_names::HostPattern;

/// Bits of the hash per level.
const BITS: u32 = 5;
const FAN_OUT: usize = 1 << BITS;
/// A leaf with more names becomes a branch; a branch with half as many becomes a leaf again.
const LEAF_LIMIT: usize = 16;

/// Names → values.
#[derive(Debug)]
pub(super) struct Trie<T> {
    root: Child<T>,
    len: usize,
}

#[derive(Debug)]
enum Child<T> {
    Empty,
    Leaf(Arc<[Entry<T>]>),
    Branch(Arc<[Child<T>; FAN_OUT]>),
}

#[derive(Debug)]
struct Entry<T> {
    hash: u64,
    pattern: HostPattern,
    value: Arc<T>,
}

impl<T> Clone for Trie<T> {
    fn clone(&self) -> Self {
        Self { root: self.root.clone(), len: self.len }
    }
}

impl<T> Clone for Child<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::Leaf(entries) => Self::Leaf(Arc::clone(entries)),
            Self::Branch(children) => Self::Branch(Arc::clone(children)),
        }
    }
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { hash: self.hash, pattern: self.pattern.clone(), value: Arc::clone(&self.value) }
    }
}

impl<T> Trie<T> {
    pub(super) fn empty() -> Self {
        Self { root: Child::Empty, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Finds a name, or an address by its canonical text.
    pub(super) fn find(&self, hasher: &RandomState, key: &str) -> Option<&Arc<T>> {
        if self.len == 0 {
            return None;
        }
        let hash = hasher.hash_one(key);
        let mut child = &self.root;
        let mut level = 0;
        loop {
            match child {
                Child::Empty => return None,
                Child::Branch(children) => child = &children[slot(hash, level)],
                Child::Leaf(entries) => {
                    return entries.iter().find(|e| e.hash == hash && e.is_for(key)).map(|e| &e.value);
                }
            }
            level += 1;
        }
    }

    pub(super) fn put(&mut self, hasher: &RandomState, pattern: HostPattern, value: Arc<T>) {
        let hash = hash_of(hasher, &pattern);
        if self.root.put(Entry { hash, pattern, value }, 0) {
            self.len += 1;
        }
    }

    pub(super) fn remove(&mut self, hasher: &RandomState, pattern: &HostPattern) {
        let hash = hash_of(hasher, pattern);
        if self.root.remove(hash, pattern, 0) {
            self.len -= 1;
        }
    }
}

fn hash_of(hasher: &RandomState, pattern: &HostPattern) -> u64 {
    match pattern {
        HostPattern::Exact(name) | HostPattern::Wildcard(name) => hasher.hash_one(name.as_str()),
        HostPattern::Address(ip) => hasher.hash_one(ip.to_string().as_str()),
    }
}

/// Which child holds a hash at a level. Beyond the last bit there is nothing left to tell names apart.
fn slot(hash: u64, level: u32) -> usize {
    (hash >> (BITS * level)) as usize % FAN_OUT
}

/// Is there a bit of the hash for this level?
fn splits(level: u32) -> bool {
    BITS * level < u64::BITS
}

impl<T> Entry<T> {
    fn is_for(&self, key: &str) -> bool {
        match &self.pattern {
            HostPattern::Exact(name) | HostPattern::Wildcard(name) => name.as_str() == key,
            HostPattern::Address(ip) => key.parse::<IpAddr>().is_ok_and(|key| key == *ip),
        }
    }
}

impl<T> Child<T> {
    /// Returns whether the name is new.
    fn put(&mut self, entry: Entry<T>, level: u32) -> bool {
        match self {
            Self::Empty => {
                *self = Self::Leaf(Arc::new([entry]));
                true
            }
            // In place if nobody else holds the node, else on a copy that shares every child.
            Self::Branch(children) => Arc::make_mut(children)[slot(entry.hash, level)].put(entry, level + 1),
            Self::Leaf(entries) => {
                let same = |e: &&Entry<T>| e.hash == entry.hash && e.pattern == entry.pattern;
                let is_new = entries.iter().find(same).is_none();
                if is_new && entries.len() >= LEAF_LIMIT && splits(level) {
                    let mut branch = Self::Branch(Arc::new(std::array::from_fn(|_| Self::Empty)));
                    for old in entries.iter() {
                        branch.put(old.clone(), level);
                    }
                    branch.put(entry, level);
                    *self = branch;
                } else {
                    let others = entries.iter().filter(|e| !same(e)).cloned();
                    *entries = others.chain([entry.clone()]).collect();
                }
                is_new
            }
        }
    }

    /// Returns whether the name was there.
    fn remove(&mut self, hash: u64, pattern: &HostPattern, level: u32) -> bool {
        let found = match self {
            Self::Empty => false,
            Self::Leaf(entries) => {
                let others = || entries.iter().filter(|e| e.hash != hash || e.pattern != *pattern);
                let found = others().count() < entries.len();
                if found {
                    *entries = others().cloned().collect();
                }
                found
            }
            Self::Branch(children) => Arc::make_mut(children)[slot(hash, level)].remove(hash, pattern, level + 1),
        };
        if found {
            self.shrink();
        }
        found
    }

    /// Gives back what a removal left behind.
    fn shrink(&mut self) {
        match self {
            Self::Leaf(entries) if entries.is_empty() => *self = Self::Empty,
            Self::Branch(children) => {
                let mut left = 0;
                for child in children.iter() {
                    match child {
                        Self::Empty => {}
                        Self::Leaf(entries) => left += entries.len(),
                        Self::Branch(_) => return,
                    }
                }
                if left <= LEAF_LIMIT / 2 {
                    let leaves = children.iter().filter_map(|c| if let Self::Leaf(e) = c { Some(e) } else { None });
                    *self = Self::Leaf(leaves.flat_map(|entries| entries.iter()).cloned().collect());
                }
            }
            Self::Empty | Self::Leaf(_) => {}
        }
    }
}

#[cfg(test)]
impl<T> Trie<T> {
    /// How many nodes two tries have in common.
    pub(super) fn nodes_shared_with(&self, other: &Self) -> usize {
        fn shared<T>(a: &Child<T>, b: &Child<T>) -> usize {
            match (a, b) {
                (Child::Leaf(a), Child::Leaf(b)) => usize::from(Arc::ptr_eq(a, b)),
                (Child::Branch(a), Child::Branch(b)) => {
                    let below: usize = a.iter().zip(b.iter()).map(|(a, b)| shared(a, b)).sum();
                    below + usize::from(Arc::ptr_eq(a, b))
                }
                _ => 0,
            }
        }
        shared(&self.root, &other.root)
    }
}
