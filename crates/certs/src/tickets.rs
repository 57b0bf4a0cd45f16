//! Resumption without server state: tickets sealed under rotating keys, each bound to the site it was given for.
//!
//! All sites share the keys, so a site costs the memory of its binding only. The binding is associated data of the
//! sealing (RFC 9325 section 3.4; CVE-2025-23419 is what happens without): a ticket of one site does not even decrypt at
//! another, whatever names they have. It is made of the site and its tenant, not of the certificate, so that renewals
//! and edits of the site keep resumption, and a site file that changes hands does not.
//!
//! Keys live in memory only: a restart ends resumption, and a stolen disk opens no recording.

use std::{
    fmt,
    sync::{Arc, Mutex, TryLockError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, rand,
};
use rustls::server::ProducesTickets;
use vestibule_names::{SiteId, TenantId};

/// A key seals for this long, and opens for as long again: the exposure that forward secrecy is given up for.
const ROTATION: Duration = Duration::from_secs(6 * 3600);
/// Ours have some 250 bytes; longer ones need no look.
const TICKET_SIZE_LIMIT: usize = 2048;
const NUMBER_LEN: usize = 4;
const HEAD_LEN: usize = NUMBER_LEN + NONCE_LEN;

/// The keys of all sites.
pub(crate) struct TicketKeys {
    ring: ArcSwap<Ring>,
    rotating: Mutex<()>,
}

struct Ring {
    current: Arc<TicketKey>,
    previous: Option<Arc<TicketKey>>,
    rotate_at: Instant,
}

/// Seals without reusing a nonce catastrophically: nonces are random, and GCM-SIV (RFC 8452) only tells that two equal
/// tickets are equal should one ever repeat. A busy box makes more tickets per key than plain GCM allows.
struct TicketKey {
    number: [u8; NUMBER_LEN],
    key: LessSafeKey,
}

/// The tickets of one site.
pub(crate) struct SiteTickets {
    keys: Arc<TicketKeys>,
    binding: [u8; 32],
}

/// The system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the system gave no randomness")]
pub(crate) struct NoRandomness;

impl TicketKeys {
    pub(crate) fn new(now: Instant) -> Result<Self, NoRandomness> {
        let ring = Ring { current: Arc::new(TicketKey::random()?), previous: None, rotate_at: now + ROTATION };
        Ok(Self { ring: ArcSwap::from_pointee(ring), rotating: Mutex::new(()) })
    }

    /// The tickets of this site.
    pub(crate) fn bind(self: &Arc<Self>, site: &SiteId, tenant: TenantId) -> SiteTickets {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"vestibule ticket binding 1\0");
        context.update(&tenant.0.to_be_bytes());
        context.update(site.as_str().as_bytes());
        let mut binding = [0; 32];
        binding.copy_from_slice(context.finish().as_ref());
        SiteTickets { keys: Arc::clone(self), binding }
    }

    /// Nobody waits: whoever finds the lock taken goes on with the old key, which is good for some time yet.
    fn rotate_if_due(&self, now: Instant) {
        if now < self.ring.load().rotate_at {
            return;
        }
        let _rotating = match self.rotating.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let ring = self.ring.load();
        if now < ring.rotate_at {
            return;
        }
        let Ok(key) = TicketKey::random() else {
            return tracing::error!("no randomness for a new ticket key; keeping the old one");
        };
        // After a long silence the current key is older than any previous one may be.
        let previous = (now < ring.rotate_at + ROTATION).then(|| Arc::clone(&ring.current));
        self.ring.store(Arc::new(Ring { current: Arc::new(key), previous, rotate_at: now + ROTATION }));
    }
}

impl TicketKey {
    fn random() -> Result<Self, NoRandomness> {
        let (mut number, mut secret) = ([0; NUMBER_LEN], [0; 32]);
        rand::fill(&mut number).map_err(|_| NoRandomness)?;
        rand::fill(&mut secret).map_err(|_| NoRandomness)?;
        let key = UnboundKey::new(&AES_256_GCM_SIV, &secret).map_err(|_| NoRandomness)?;
        Ok(Self { number, key: LessSafeKey::new(key) })
    }
}

impl SiteTickets {
    fn seal(&self, session: &[u8], now: Instant) -> Option<Vec<u8>> {
        self.keys.rotate_if_due(now);
        let ring = self.keys.ring.load();
        let key = &ring.current;
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).ok()?;

        let mut ticket = Vec::with_capacity(HEAD_LEN + session.len() + key.key.algorithm().tag_len());
        ticket.extend_from_slice(&key.number);
        ticket.extend_from_slice(&nonce);
        ticket.extend_from_slice(session);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key.key.seal_in_place_separate_tag(nonce, Aad::from(&self.binding), &mut ticket[HEAD_LEN..]).ok()?;
        ticket.extend_from_slice(tag.as_ref());
        Some(ticket)
    }

    fn open(&self, ticket: &[u8], now: Instant) -> Option<Vec<u8>> {
        self.keys.rotate_if_due(now);
        if ticket.len() > TICKET_SIZE_LIMIT {
            return None;
        }
        let (number, rest) = ticket.split_at_checked(NUMBER_LEN)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let ring = self.keys.ring.load();
        let key =
            [Some(&ring.current), ring.previous.as_ref()].into_iter().flatten().find(|key| key.number == number)?;
        let mut session = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = key.key.open_in_place(nonce, Aad::from(&self.binding), &mut session).ok()?.len();
        session.truncate(length);
        Some(session)
    }
}

impl ProducesTickets for SiteTickets {
    fn enabled(&self) -> bool {
        true
    }

    /// In seconds.
    fn lifetime(&self) -> u32 {
        (2 * ROTATION).as_secs().try_into().unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, Instant::now())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.open(cipher, Instant::now())
    }
}

impl fmt::Debug for SiteTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiteTickets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(keys: &Arc<TicketKeys>, site: &str, uid: u32) -> SiteTickets {
        keys.bind(&SiteId::new(site), TenantId(uid))
    }

    #[test]
    fn a_ticket_opens_only_for_its_site_and_tenant() {
        let now = Instant::now();
        let keys = Arc::new(TicketKeys::new(now).unwrap());
        let ticket = tickets(&keys, "a.yaml", 1000).seal(b"session", now).unwrap();
        let check = |site, uid, expected: Option<&[u8]>| {
            assert_eq!(tickets(&keys, site, uid).open(&ticket, now).as_deref(), expected, "{site} of {uid}");
        };
        check("a.yaml", 1000, Some(b"session"));
        check("b.yaml", 1000, None);
        check("a.yaml", 1001, None);
        let other_process = Arc::new(TicketKeys::new(now).unwrap());
        assert_eq!(tickets(&other_process, "a.yaml", 1000).open(&ticket, now), None);
    }

    #[test]
    fn a_ticket_lives_for_one_to_two_rotations() {
        let start = Instant::now();
        let opens_after = |waits: &[u32]| {
            let keys = Arc::new(TicketKeys::new(start).unwrap());
            let site = tickets(&keys, "a.yaml", 0);
            let ticket = site.seal(b"session", start).unwrap();
            waits.iter().map(|tenths| site.open(&ticket, start + ROTATION * *tenths / 10).is_some()).collect::<Vec<_>>()
        };
        assert_eq!(opens_after(&[9, 11, 19, 21]), [true, true, true, false]);
        assert_eq!(opens_after(&[19]), [true]);
        assert_eq!(opens_after(&[20]), [false], "silence is no reprieve");
    }

    #[test]
    fn no_changed_bit_no_cut_and_no_garbage_opens() {
        let now = Instant::now();
        let keys = Arc::new(TicketKeys::new(now).unwrap());
        let site = tickets(&keys, "a.yaml", 0);
        let ticket = site.seal(b"session", now).unwrap();
        for place in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[place] ^= 1;
            assert_eq!(site.open(&changed, now), None, "bit of byte {place}");
            assert_eq!(site.open(&ticket[..place], now), None, "cut at {place}");
        }
        assert_eq!(site.open(&[0; TICKET_SIZE_LIMIT + 1], now), None);
    }
}
