//! [`Proof`]: which tenant answered a CA for which authorization.
//!
//! All tenants share the account at a CA, and with it what the CA remembers as proved (RFC 8555 section 7.1.4: an
//! authorization is the account's, and may be used by any order of it). So before a CA is told to look for a proof it is
//! noted here, durably, whose proof that is; an authorization that is valid already is used by that tenant alone.
//!
//! A proof is a tenant's when the tenant
//! - was the last who answered for this very authorization, or
//! - was the last who answered for the name, no other tenant is known to have done so, and it has a certificate for the
//!   name of that CA. This is for CAs that hand out a copy of an authorization with each order.
//!
//! That the latest certificate for the name is the tenant's would not be enough: another may have proved it since and got
//! none. Whatever is not known is nobody's, so that what is lost or forgotten costs one more proof and never a secret.
//!
//! Not here: what becomes of a proof that is not the tenant's (`acme`).

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use vestibule_names::{HostPattern, TenantId};

use super::{CaId, Store, StoreError, journal::Journal, records::seconds};

/// How long it is remembered who answered. The CA/Browser Forum's Baseline Requirements (section 4.2.1) let no public CA use a
/// proof for longer.
const KEPT_FOR: Duration = Duration::from_hours(200 * 24);

/// An authorization of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// For which name.
    pub name: HostPattern,
    /// Its URL.
    pub authorization: String,
}

/// What was known of proofs that were to be noted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// For these another tenant has answered (an order of before may still be in flight). If there are any, nothing was noted.
    pub taken: Vec<HostPattern>,
    /// For these the tenant itself had answered: the CA may have been told before.
    pub again: Vec<HostPattern>,
}

/// Who answered last for a name at a CA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Answered {
    tenant: u32,
    /// SHA-256 of the authorization's URL, hexadecimal: a CA's URL may be of any length.
    authorization: String,
    /// Another tenant answered before, or nobody knows.
    shared: bool,
    at: u64,
}

impl Store {
    /// Is this valid authorization known to be the tenant's own proof?
    pub fn is_proof_of(&self, ca: &CaId, tenant: TenantId, proof: &Proof) -> Result<bool, StoreError> {
        let known = answered(&mut self.journal(), &key(ca, &proof.name))?;
        Ok(known.filter(|known| known.tenant == tenant.0).is_some_and(|known| {
            known.authorization == fingerprint(&proof.authorization)
                || (!known.shared && self.index().has_of(tenant, &proof.name, ca))
        }))
    }

    /// The CA is about to be told that the tenant answers for these: durable when this returns, unless one is taken.
    pub fn note_proofs(
        &self,
        ca: &CaId,
        tenant: TenantId,
        proofs: &[Proof],
        now: SystemTime,
    ) -> Result<Noted, StoreError> {
        let mut journal = self.journal(); // until the end: two tenants may come at the same moment
        let (mut noted, mut changes) = (Noted::default(), Vec::new());
        for proof in proofs {
            let (key, authorization) = (key(ca, &proof.name), fingerprint(&proof.authorization));
            let before = answered(&mut journal, &key)?;
            let shared = match &before {
                Some(before) if before.authorization == authorization => {
                    let whose = if before.tenant == tenant.0 { &mut noted.again } else { &mut noted.taken };
                    whose.push(proof.name.clone());
                    continue;
                }
                Some(before) => before.shared || before.tenant != tenant.0,
                // A certificate whose proof is not known: what else is not?
                None => self.index().has_of(tenant, &proof.name, ca),
            };
            let answered = Answered { tenant: tenant.0, authorization, shared, at: seconds(now) };
            changes.push((key, Some(serde_json::to_vec(&answered).expect("texts and numbers are always JSON"))));
        }
        if noted.taken.is_empty() {
            journal.note_proofs(&changes)?;
        }
        Ok(noted)
    }

    /// Forgets who answered so long ago that no CA goes by it any more.
    pub fn forget_proofs(&self, now: SystemTime) -> Result<(), StoreError> {
        let Some(end) = now.checked_sub(KEPT_FOR).map(seconds) else { return Ok(()) };
        self.journal().forget_proofs(|value| read(value).is_none_or(|answered| answered.at < end))
    }
}

fn answered(journal: &mut Journal, key: &str) -> Result<Option<Answered>, StoreError> {
    Ok(journal.proof(key)?.and_then(|value| read(&value)))
}

/// What cannot be read is not known.
fn read(value: &[u8]) -> Option<Answered> {
    serde_json::from_slice(value).ok()
}

/// No CA's name has a slash.
fn key(ca: &CaId, name: &HostPattern) -> String {
    format!("{ca}/{name}")
}

fn fingerprint(url: &str) -> String {
    digest::digest(&digest::SHA256, url.as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
