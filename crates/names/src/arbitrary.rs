//! Test only: a seeded source of nasty strings, so that "never panics" and "is idempotent" are loops and not examples.

/// SplitMix64: enough randomness for tests, the same on every run.
pub(crate) struct Arbitrary(u64);

impl Arbitrary {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).expect("less than a usize")
    }

    /// Up to 24 characters of that alphabet, now and then any character at all, rarely a long run.
    pub(crate) fn text(&mut self, alphabet: &str) -> String {
        let alphabet: Vec<char> = alphabet.chars().collect();
        let length = self.below(24);
        let mut text = String::new();
        for _ in 0..length {
            let picked = match self.below(20) {
                0 => char::from_u32(self.below(0x11_0000) as u32).unwrap_or('\u{fffd}'),
                _ => alphabet[self.below(alphabet.len())],
            };
            let run = if self.below(200) == 0 { 70 } else { 1 };
            text.extend(std::iter::repeat_n(picked, run));
        }
        text
    }
}
