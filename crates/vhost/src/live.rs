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
