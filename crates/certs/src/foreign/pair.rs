//! [`Pairs`]: from two PEM texts to a certificate that can be used, or a sentence that says why not.

use std::{path::PathBuf, sync::Arc, time::SystemTime};

use rustls::crypto::CryptoProvider;

use super::{ENTRIES_LIMIT, Foreign, Skipped};
use crate::{
    facts::{self, printable},
    inspect::{self, Findings},
    tls,
};

/// The longest reason that is told.
const REASON_LIMIT: usize = 300;

/// A chain and a key, as they were found. No `Debug`: one of them is a key.
pub(super) struct Pair {
    /// Where, for people.
    pub(super) origin: PathBuf,
    /// PEM, as far as one knows.
    pub(super) chain: Vec<u8>,
    /// Likewise.
    pub(super) key: Vec<u8>,
}

/// What was found so far.
#[derive(Debug)]
pub(super) struct Pairs {
    now: SystemTime,
    provider: Arc<CryptoProvider>,
    good: Vec<Foreign>,
    skipped: Vec<Skipped>,
}

impl Pairs {
    /// None yet.
    pub(super) fn new(now: SystemTime) -> Self {
        Self { now, provider: tls::crypto_provider(), good: Vec::new(), skipped: Vec::new() }
    }

    /// Is there room for more?
    pub(super) fn is_full(&self) -> bool {
        self.good.len() + self.skipped.len() >= ENTRIES_LIMIT
    }

    /// Takes a pair, or notes why not.
    pub(super) fn take(&mut self, pair: Pair) {
        let origin = pair.origin.clone();
        match self.checked(pair) {
            Ok(foreign) => self.good.push(foreign),
            Err(reason) => self.skip(origin, &reason),
        }
    }

    /// Notes an entry that is no use.
    pub(super) fn skip(&mut self, origin: PathBuf, reason: &str) {
        let reason = printable(reason).chars().take(REASON_LIMIT).collect();
        self.skipped.push(Skipped { origin, reason });
    }

    /// What is good, the last to run out at the end; and what is not.
    pub(super) fn finish(mut self) -> (Vec<Foreign>, Vec<Skipped>) {
        // Of two certificates for one name the store serves the one that came last.
        self.good.sort_by_key(|one| one.not_after);
        (self.good, self.skipped)
    }

    fn checked(&self, pair: Pair) -> Result<Foreign, String> {
        let Pair { origin, chain, key } = pair;
        let mut found = Findings::default();
        let parsed = inspect::parse_chain(&chain, &origin, &mut found);
        let parsed = parsed.zip(inspect::parse_key(&key, &origin, &mut found));
        let Some((der, private)) = parsed else { return Err(first_of(found)) };
        let facts = der.first().and_then(|leaf| facts::CertificateFacts::read(leaf));
        if inspect::join(der, private, &origin, &self.provider, &mut found).is_none() {
            return Err(first_of(found));
        }
        let facts = facts.ok_or("its certificate cannot be read")?;
        if facts.not_after <= self.now {
            return Err("it has expired".to_owned());
        }
        if facts.names.is_empty() {
            return Err("it has no names".to_owned());
        }
        let text = |bytes| String::from_utf8(bytes).map_err(|_| "it is no text".to_owned());
        Ok(Foreign {
            names: facts.names,
            chain_pem: text(chain)?,
            key_pem: text(key)?,
            not_after: facts.not_after,
            origin,
        })
    }
}

fn first_of(found: Findings) -> String {
    let first = found.into_diagnostics().into_iter().next();
    first.map_or_else(|| "it cannot be used".to_owned(), |finding| finding.message.to_string())
}
