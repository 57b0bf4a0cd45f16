//! [`Deadlines`]: when the backends of a worker are to have answered. Nearly every answer comes long before, so that a
//! request only notes until when it waits, and has no timer. One task looks at a connection when a wait of its would be
//! over, and looks again when the one is that runs by then.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::{Rc, Weak},
};

use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

use crate::{Spawn, link::Link};

/// See the module. One per worker.
pub(crate) struct Deadlines {
    looks: RefCell<BTreeMap<Key, Weak<Link>>>,
    next: Cell<u64>,
    /// For the task that looks, once it runs: the first look is another one than before, or there are no more.
    news: Rc<Notify>,
    keeper: Cell<Keeper>,
    spawn: Spawn,
}

/// When, and which of those of that moment.
type Key = (Instant, u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    Unborn,
    Running,
}

/// That a connection will be looked at: not, if this is dropped before.
pub(crate) struct Look {
    key: Key,
    deadlines: Rc<Deadlines>,
}

impl Deadlines {
    pub(crate) fn new(spawn: Spawn) -> Rc<Self> {
        Rc::new(Self {
            looks: RefCell::default(),
            next: Cell::new(0),
            news: Rc::default(),
            keeper: Cell::new(Keeper::Unborn),
            spawn,
        })
    }

    /// That connection is looked at then: [`Link::look`].
    pub(crate) fn look(self: &Rc<Self>, link: &Rc<Link>, at: Instant) -> Look {
        let key = (at, self.next.get());
        self.next.set(key.1 + 1);
        let mut looks = self.looks.borrow_mut();
        let is_first = looks.first_key_value().is_none_or(|(first, _)| key < *first);
        looks.insert(key, Rc::downgrade(link));
        if is_first {
            self.news.notify_one();
        }
        if self.keeper.replace(Keeper::Running) == Keeper::Unborn {
            (self.spawn)(Box::pin(keep(Rc::downgrade(self), Rc::clone(&self.news))));
        }
        Look { key, deadlines: Rc::clone(self) }
    }

    /// How many connections will be looked at.
    #[cfg(test)]
    pub(crate) fn looks(&self) -> usize {
        self.looks.borrow().len()
    }

    /// Looks at every connection whose time has come. When does the next one's?
    fn look_around(&self, now: Instant) -> Option<Instant> {
        loop {
            let mut looks = self.looks.borrow_mut();
            let first = looks.first_entry()?;
            let at = first.key().0;
            if at > now {
                return Some(at);
            }
            let link = first.remove().upgrade();
            drop(looks); // it may want another look
            link.iter().for_each(|link| link.look(now));
        }
    }
}

/// Ends with the worker.
async fn keep(deadlines: Weak<Deadlines>, news: Rc<Notify>) {
    loop {
        let Some(next) = deadlines.upgrade().map(|deadlines| deadlines.look_around(Instant::now())) else { return };
        match next {
            // Either is reason enough to look around.
            Some(at) => drop(timeout_at(at, news.notified()).await),
            None => news.notified().await,
        }
    }
}

impl Look {
    /// When that is.
    pub(crate) fn at(&self) -> Instant {
        self.key.0
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.deadlines.looks.borrow_mut().remove(&self.key);
    }
}

impl Drop for Deadlines {
    fn drop(&mut self) {
        self.news.notify_one();
    }
}
