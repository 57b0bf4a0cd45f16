//! Windows of flow control (RFC 9113 section 6.9): what may still be sent, and what we let a client send.

use crate::frame::WINDOW_LIMIT;

/// What we may still send. Below zero after the client has shrunk the windows of its streams (section 6.9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SendWindow(i64);

/// A window beyond 2^31-1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

impl SendWindow {
    pub(crate) fn new(size: u32) -> Self {
        Self(i64::from(size))
    }

    pub(crate) fn room(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    /// So much was sent; never more than there is room.
    pub(crate) fn spend(&mut self, count: usize) {
        debug_assert!(count <= self.room());
        self.0 -= i64::try_from(count).unwrap_or(i64::MAX);
    }

    /// The client opens it, or changes the initial size by so much.
    pub(crate) fn change(&mut self, by: i64) -> Result<(), Overflow> {
        let size = self.0 + by; // both within 32 bits
        if size > i64::from(WINDOW_LIMIT) {
            return Err(Overflow);
        }
        self.0 = size;
        Ok(())
    }
}

/// What the client may still send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceiveWindow {
    size: u32,
    left: u32,
    /// What was taken, and the client was not told yet.
    taken: u32,
}

impl ReceiveWindow {
    /// Of that size, of which the client knows so far only `known`.
    pub(crate) fn new(size: u32, known: u32) -> Self {
        Self { size: size.max(known), left: known, taken: size.saturating_sub(known) }
    }

    /// So much came.
    pub(crate) fn spend(&mut self, count: usize) -> Result<(), Overflow> {
        let left = u32::try_from(count).ok().and_then(|count| self.left.checked_sub(count));
        self.left = left.ok_or(Overflow)?;
        Ok(())
    }

    /// So much of it was taken. What the client is to be told, if it is worth a frame: half of the window.
    pub(crate) fn release(&mut self, count: usize) -> Option<u32> {
        let most = self.size - self.left;
        self.taken = self.taken.saturating_add(u32::try_from(count).unwrap_or(u32::MAX)).min(most);
        if self.taken == 0 || self.taken < self.size / 2 {
            return None;
        }
        self.left += self.taken;
        Some(std::mem::take(&mut self.taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_may_go_below_zero_and_not_beyond_its_limit() {
        let mut window = SendWindow::new(10);
        window.spend(7);
        assert_eq!(window.room(), 3);
        assert_eq!((window.change(-10), window.room()), (Ok(()), 0));
        assert_eq!((window.change(8), window.room()), (Ok(()), 1));
        assert_eq!(window.change(i64::from(WINDOW_LIMIT)), Err(Overflow));
        assert_eq!((window.change(i64::from(WINDOW_LIMIT) - 1), window.room()), (Ok(()), WINDOW_LIMIT as usize));
    }

    #[test]
    fn a_client_is_told_when_half_was_taken_and_never_more_than_it_sent() {
        let mut window = ReceiveWindow::new(100, 100);
        assert_eq!(window.spend(101), Err(Overflow));
        assert_eq!(window.spend(100), Ok(()));
        assert_eq!(window.spend(1), Err(Overflow));
        assert_eq!([window.release(49), window.release(1), window.release(20)], [None, Some(50), None]);
        assert_eq!((window.spend(50), window.spend(1)), (Ok(()), Err(Overflow)));
        assert_eq!(window.release(1_000), Some(100), "more than came is not given");
        assert_eq!((window.spend(100), window.spend(1)), (Ok(()), Err(Overflow)));
    }

    #[test]
    fn a_window_larger_than_the_client_knows_is_told_at_once() {
        let mut window = ReceiveWindow::new(1_000, 100);
        assert_eq!(window.release(0), Some(900));
        assert_eq!(window.spend(1_000), Ok(()));
        assert_eq!(ReceiveWindow::new(100, 1_000).release(0), None);
    }
}
