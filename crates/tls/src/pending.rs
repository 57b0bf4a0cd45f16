//! [`Pending`]: bytes that wait to be taken, in the order in which they came.

/// Bytes that wait. Without any it holds no memory.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    bytes: Vec<u8>,
    taken: usize,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    /// Adds bytes at the end.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds what `write` puts into so much room at the end, at most: it says how much that was.
    pub(crate) fn push_with<E>(
        &mut self,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let before = self.bytes.len();
        self.bytes.resize(before + room, 0);
        let written = write(&mut self.bytes[before..]);
        self.bytes.truncate(before + *written.as_ref().unwrap_or(&0));
        self.free_if_empty();
        written.map(|_| ())
    }

    /// So many of the first ones are gone.
    pub(crate) fn take(&mut self, count: usize) {
        self.taken += count;
        self.free_if_empty();
    }

    fn free_if_empty(&mut self) {
        if self.taken >= self.bytes.len() {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
impl Pending {
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_in_the_order_they_came_and_leave_no_memory_behind() {
        let mut pending = Pending::default();
        pending.push(b"ab");
        pending
            .push_with(8, |room| {
                room[..2].copy_from_slice(b"cd");
                Ok::<_, ()>(2)
            })
            .expect("written");
        pending.take(3);
        assert_eq!(pending.bytes(), b"d");
        assert!(pending.push_with(8, |_| Err(())).is_err());
        assert_eq!(pending.bytes(), b"d");
        pending.take(1);
        assert!(pending.is_empty());
        assert_eq!(pending.bytes.capacity(), 0);
        assert!(pending.push_with(8, |_| Err(())).is_err());
        assert_eq!(pending.bytes.capacity(), 0);
    }
}
