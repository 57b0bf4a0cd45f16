//! [`Chance`]: the planner's randomness, from the TLS library's generator. Spreading renewals over their windows is no
//! secret, but one source of randomness in the process is enough.

use rustls::crypto::SecureRandom;

use crate::plan::Randomness;

pub(super) struct Chance {
    source: &'static dyn SecureRandom,
}

impl Chance {
    pub(super) fn new() -> Self {
        Self { source: rustls::crypto::aws_lc_rs::default_provider().secure_random }
    }
}

impl Randomness for Chance {
    fn fraction(&mut self) -> f64 {
        let mut bytes = [0; 8];
        if self.source.fill(&mut bytes).is_err() {
            // Without randomness no connection to a CA comes about either; the middle keeps the calendar going.
            return 0.5;
        }
        // 53 bits are what a double holds exactly.
        (u64::from_ne_bytes(bytes) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_below_one_and_differ() {
        let mut chance = Chance::new();
        let drawn: Vec<f64> = (0..1_000).map(|_| chance.fraction()).collect();
        assert!(drawn.iter().all(|fraction| (0.0..1.0).contains(fraction)));
        assert!(drawn.iter().any(|fraction| *fraction < 0.5) && drawn.iter().any(|fraction| *fraction > 0.5));
    }
}
