//! [`Random`]: choices and bytes that a seed decides, so that a run can be repeated; and [`Content`], long bodies of which
//! both ends know every byte without keeping one.

use aws_lc_rs::digest;

/// SplitMix64: small, and the same in every run.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another one that depends on this one's seed and on `label`, and on nothing that was drawn.
    #[must_use]
    pub fn fork(&self, label: u64) -> Self {
        let mut fork = Self(self.0 ^ label.wrapping_mul(0xD6E8_FEB8_6659_FD93));
        Self(fork.next())
    }

    /// Any number.
    #[expect(clippy::should_implement_trait, reason = "it has no end")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below the bound, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// One of these; there is one.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }
}

/// So many bytes, decided by a seed.
#[derive(Clone, Debug)]
pub struct Content {
    random: Random,
    left: u64,
    /// What is left of the last number.
    rest: [u8; 8],
    unused: usize,
}

impl Content {
    /// That many.
    pub fn new(seed: u64, length: u64) -> Self {
        Self { random: Random::new(seed), left: length, rest: [0; 8], unused: 0 }
    }

    /// The next ones, at most so many; none at the end.
    pub fn take(&mut self, most: usize) -> Vec<u8> {
        let count = usize::try_from(self.left).map_or(most, |left| left.min(most));
        self.left -= count as u64;
        let mut bytes = Vec::with_capacity(count + 8);
        bytes.extend(&self.rest[8 - self.unused..]);
        while bytes.len() < count {
            self.rest = self.random.next().to_le_bytes();
            bytes.extend(self.rest);
        }
        self.unused = bytes.len() - count;
        bytes.truncate(count);
        bytes
    }

    /// Are these the next ones?
    pub fn matches(&mut self, bytes: &[u8]) -> bool {
        self.take(bytes.len()) == bytes
    }

    /// Did all of them come?
    pub fn is_over(&self) -> bool {
        self.left == 0
    }

    /// All that are left.
    pub fn whole(mut self) -> Vec<u8> {
        self.take(usize::MAX)
    }

    /// SHA-256 of all that are left, in hexadecimal digits.
    pub fn sha256(mut self) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        while !self.is_over() {
            hash.update(&self.take(64 << 10));
        }
        hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_the_same_in_pieces_of_any_size() {
        let whole = Content::new(7, 1_000).whole();
        assert_eq!(whole.len(), 1_000);
        for piece in [1, 3, 8, 64, 999, 5_000] {
            let mut content = Content::new(7, 1_000);
            assert!(whole.chunks(piece).all(|bytes| content.matches(bytes)), "{piece}");
            assert!(content.is_over() && content.take(1).is_empty());
        }
        assert!(!Content::new(8, 1_000).matches(&whole));
        assert_eq!(Content::new(7, 1_000).sha256(), Content::new(7, 1_000).sha256());
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Content::new(7, 0).sha256(), empty);
    }

    #[test]
    fn forks_differ_and_can_be_repeated() {
        let random = Random::new(1);
        assert_eq!(random.fork(5).next(), random.fork(5).next());
        assert_ne!(random.fork(5).next(), random.fork(6).next());
        assert!((0..100).all(|label| random.fork(label).below(3) < 3));
    }
}
