//! [`LiveTable`]: the one cell in which the current table lies. Who publishes, and when, is the gateway's.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::{TableChange, VhostTable};

/// The live table. Cloning shares it.
#[derive(Debug)]
pub struct LiveTable<T> {
    cell: Arc<ArcSwap<VhostTable<T>>>,
}

impl<T> Clone for LiveTable<T> {
    fn clone(&self) -> Self {
        Self { cell: Arc::clone(&self.cell) }
    }
}

/// A worker's view: a cached pointer, refreshed by one atomic load.
pub struct TableReader<T> {
    cache: arc_swap::cache::Cache<Arc<ArcSwap<VhostTable<T>>>, Arc<VhostTable<T>>>,
}

impl<T> LiveTable<T> {
    /// An empty table, live.
    pub fn new() -> Self {
        Self { cell: Arc::new(ArcSwap::from_pointee(VhostTable::empty())) }
    }
    /// Makes the next generation live in one atomic step. Only one thread may publish (the gateway's control thread).
    pub fn publish(&self, changes: Vec<TableChange<T>>) -> Arc<VhostTable<T>> {
        let next = Arc::new(self.cell.load().with(changes));
        self.cell.store(Arc::clone(&next));
        next
    }
    /// The table as it is now.
    pub fn load(&self) -> Arc<VhostTable<T>> {
        self.cell.load_full()
    }
    /// A view for one worker.
    pub fn reader(&self) -> TableReader<T> {
        TableReader { cache: arc_swap::cache::Cache::new(Arc::clone(&self.cell)) }
    }
}
impl<T> Default for LiveTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> TableReader<T> {
    /// The current table.
    pub fn table(&mut self) -> &Arc<VhostTable<T>> {
        self.cache.load()
    }
}
impl<T> Clone for TableReader<T> {
    fn clone(&self) -> Self {
        Self { cache: self.cache.clone() }
    }
}

#[cfg(test)]
mod tests {
    use vestibule_names::{Generation, HostPattern};

    use super::*;

    #[test]
    fn a_reader_sees_whole_generations_in_order() {
        // Every publish gives both names the same number.
        let pair =
            |n: u32| ["a.test", "b.test"].map(|name| TableChange::Put(HostPattern::parse(name).unwrap(), Arc::new(n)));
        let live = LiveTable::new();
        live.publish(pair(0).into());
        std::thread::scope(|threads| {
            for _ in 0..3 {
                let mut reader = live.reader();
                threads.spawn(move || {
                    let mut last = Generation::default();
                    while last < Generation(1_001) {
                        let table = Arc::clone(reader.table());
                        let number = |name| **table.resolve(name).unwrap();
                        assert_eq!(number("a.test"), number("b.test"));
                        assert_eq!(table.generation(), Generation(u64::from(number("a.test")) + 1));
                        assert!(table.generation() >= last);
                        last = table.generation();
                    }
                });
            }
            for n in 1..=1_000 {
                live.publish(pair(n).into());
            }
        });
        assert_eq!(live.load().generation(), Generation(1_001));
    }
}
