//! [`VhostTable`]: names → entries, immutable, cheap to change: a change copies what it touches, not the table.
//!
//! It holds no names, only their prints: a keyed hash that is long enough to stand for the name. Exact names and wildcards
//! lie in two tries of their own, so that looking up either needs no key to be built. It is pure: publishing is
//! [`crate::LiveTable`]'s.

mod print;
mod trie;

use std::sync::Arc;

use vestibule_names::{Generation, HostPattern};

use self::{print::Printer, trie::Trie};
use crate::routing::wildcard_suffix;

/// An immutable table. `T` is what the gateway attaches to a vhost (certificate, counters).
#[derive(Debug)]
pub struct VhostTable<T> {
    generation: Generation,
    /// Names and addresses.
    exact: Trie<T>,
    /// Wildcards, by their suffix.
    wildcards: Trie<T>,
    /// One for a lineage of tables.
    printer: Printer,
}

/// One step of a change.
#[derive(Debug)]
pub enum TableChange<T> {
    /// This name leads to this entry from now on.
    Put(HostPattern, Arc<T>),
    /// This name leads nowhere.
    Remove(HostPattern),
}

impl<T> VhostTable<T> {
    /// No names, generation 0.
    pub fn empty() -> Self {
        Self { generation: Generation(0), exact: Trie::empty(), wildcards: Trie::empty(), printer: Printer::new() }
    }

    /// Which publish this table is of.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// Finds a host in normal form ([`vestibule_names::HostRef::key`]): exact beats wildcard. No lock, no allocation.
    pub fn resolve(&self, host_key: &str) -> Option<&Arc<T>> {
        let wildcard = || {
            let suffix = wildcard_suffix(host_key).filter(|_| self.wildcards.len() > 0)?;
            self.wildcards.find(self.printer.print(suffix))
        };
        self.exact.find(self.printer.print(host_key)).or_else(wildcard)
    }

    /// How many names.
    pub fn len(&self) -> usize {
        self.exact.len() + self.wildcards.len()
    }

    /// No names?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The next generation, with these changes in order. Cost: the changes, not the table.
    #[must_use]
    pub fn with(&self, changes: Vec<TableChange<T>>) -> Self {
        let mut next = Self {
            generation: self.generation.next(),
            exact: self.exact.clone(),
            wildcards: self.wildcards.clone(),
            printer: self.printer.clone(),
        };
        for change in changes {
            let (TableChange::Put(pattern, _) | TableChange::Remove(pattern)) = &change;
            let print = next.printer.print_of(pattern);
            let trie = match pattern {
                HostPattern::Exact(_) | HostPattern::Address(_) => &mut next.exact,
                HostPattern::Wildcard(_) => &mut next.wildcards,
            };
            match change {
                TableChange::Put(_, value) => trie.put(print, value),
                TableChange::Remove(_) => trie.remove(print),
            }
        }
        next
    }
}

#[cfg(test)]
mod tests;
