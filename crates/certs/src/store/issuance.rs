//! How an issuance comes into service and goes out of it: commit, import, the end of older generations, retirement; and
//! how its key and chain come into memory.

use std::{path::Path, sync::Arc, time::SystemTime};

use rustls::{pki_types::CertificateDer, sign::CertifiedKey};
use vestibule_diagnostics::catalogue;
use vestibule_names::{HostPattern, TenantId};

use super::{
    Broken, CaId, Draft, Entry, IssuanceId, Issued, Store, StoreError, ari, keys,
    layout::{CHAIN_FILE, KEY_FILE, META_FILE, ORDER_FILE, Place},
    pending::Open,
    records::{self, OrderRecord},
    scan,
};
use crate::{
    Fingerprint,
    facts::{self, CertificateFacts},
    inspect::{self, Findings},
};

/// Why an issuance did not come into memory.
#[derive(Debug)]
pub(crate) enum NotLoaded {
    /// It is no longer in service (replaced, or found damaged now): ask the store again.
    Gone,
    /// It could not be read at this moment.
    Passing(StoreError),
}

/// Is what was renamed sure to be there after a power cut?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Landed {
    Durable,
    Visible,
}

impl Store {
    /// See [`super::Pending::commit`].
    pub(super) fn commit(&self, open: &Open, chain_pem: &[u8], now: SystemTime) -> Result<Issued, StoreError> {
        let directory = self.layout().directory(Place::Pending, &open.id);
        let key_pem = self.disk().read(&directory.join(KEY_FILE))?;
        let draft = &open.record.draft;
        let chain = self.inspect(chain_pem, &key_pem, &directory, Some(&draft.names), now)?;
        let issued = describe(open.id.clone(), draft.clone(), &chain, now)?;

        self.disk().write(&directory.join(CHAIN_FILE), chain_pem)?;
        self.disk().write(&directory.join(META_FILE), &records::meta_json(&issued))?;
        self.disk().sync_dir(&directory)?;
        let landed = self.go_live(&directory, &open.id)?;
        self.writer().open.remove(&open.id);
        self.enter_service(&issued, landed);
        Ok(issued)
    }

    /// Takes a chain and key from elsewhere in, after the same inspection as an order's; names are the leaf's. The same
    /// certificate again is not taken twice.
    pub fn import(
        &self,
        tenant: TenantId,
        ca: &CaId,
        chain_pem: &[u8],
        key_pem: &[u8],
        now: SystemTime,
    ) -> Result<Issued, StoreError> {
        let chain = self.inspect(chain_pem, key_pem, Path::new("import"), None, now)?;
        let draft = draft_of(&chain, tenant, ca)?;
        let id = self.next_id(&draft.names[0])?;
        let issued = describe(id, draft, &chain, now)?;
        if let Some(known) = self.index().by_fingerprint(tenant, &issued.draft.names, issued.fingerprint) {
            return Ok(known.issued());
        }
        let order = OrderRecord { draft: issued.draft.clone(), url: None }.to_json();
        let meta = records::meta_json(&issued);
        let files: [(&str, &[u8]); 4] =
            [(KEY_FILE, key_pem), (ORDER_FILE, &order), (CHAIN_FILE, chain_pem), (META_FILE, &meta)];
        let fresh = self.prepare(Place::Live, &issued.id, &files)?;
        let landed = self.go_live(&fresh, &issued.id).inspect_err(|_| scan::sweep(self.disk(), &fresh))?;
        self.enter_service(&issued, landed);
        Ok(issued)
    }

    /// What an order's certificate must be, and one from elsewhere too.
    fn inspect(
        &self,
        chain_pem: &[u8],
        key_pem: &[u8],
        directory: &Path,
        names: Option<&[HostPattern]>,
        now: SystemTime,
    ) -> Result<Vec<CertificateDer<'static>>, StoreError> {
        let (chain_path, key_path) = (directory.join(CHAIN_FILE), directory.join(KEY_FILE));
        let mut found = Findings::default();
        let chain = inspect::parse_chain(chain_pem, &chain_path, &mut found);
        let key = inspect::parse_key(key_pem, &key_path, &mut found);
        let (Some(chain), Some(key)) = (chain, key) else { return Err(refused(found)) };
        inspect::judge_chain(&chain, &chain_path, names.unwrap_or_default(), now, &mut found);
        let joined = inspect::join(chain.clone(), key, &key_path, self.provider(), &mut found);
        if joined.is_none() || found.has_error() { Err(refused(found)) } else { Ok(chain) }
    }

    /// The one rename. When the disk does not confirm it, it is taken back.
    fn go_live(&self, from: &Path, id: &IssuanceId) -> Result<Landed, StoreError> {
        let (live, to) = (self.layout().folder(Place::Live), self.layout().directory(Place::Live, id));
        self.disk().rename(from, &to)?;
        let source = from.parent().filter(|source| *source != live);
        let synced =
            self.disk().sync_dir(&live).and_then(|()| source.map_or(Ok(()), |source| self.disk().sync_dir(source)));
        match synced {
            Ok(()) => Ok(Landed::Durable),
            Err(error) if self.disk().rename(&to, from).is_ok() => Err(error),
            Err(error) => {
                // It is whole, and it is there. After a power cut it may be an order again, which can be resumed.
                tracing::error!(path = %to.display(), reason = %scan::reason(&error), "the disk did not confirm a new certificate");
                Ok(Landed::Visible)
            }
        }
    }

    fn enter_service(&self, issued: &Issued, landed: Landed) {
        self.index_mut().insert(issued.clone());
        if landed == Landed::Visible {
            return;
        }
        let superseded = self.index().superseded_by(issued.id.number().unwrap_or_default());
        for entry in superseded {
            self.discard(&entry);
        }
    }

    /// Removes a generation that nobody needs.
    pub(super) fn discard(&self, entry: &Entry) {
        if !self.index().has(entry) {
            return;
        }
        let id = entry.id();
        if let Err(error) = self.unmake(Place::Live, &id, || self.index_mut().remove(entry.number())) {
            tracing::warn!(issuance = %id, reason = %scan::reason(&error), "cannot remove an old certificate");
        }
    }

    /// Takes an issuance out of service (it was revoked): the one before is not brought back. Kept on disk under `retired/`.
    pub fn retire(&self, id: &IssuanceId) -> Result<(), StoreError> {
        let entry =
            self.index().by_id(id).ok_or_else(|| StoreError::Unknown(id.as_str().chars().take(300).collect()))?;
        let (retired, live) = (self.layout().folder(Place::Retired), self.layout().folder(Place::Live));
        self.disk().rename(&self.layout().directory(Place::Live, id), &self.layout().directory(Place::Retired, id))?;
        self.index_mut().retire(entry.number(), entry.keys());
        self.disk().sync_dir(&retired).and_then(|()| self.disk().sync_dir(&live))?;
        let idle = self.index().idle();
        idle.iter().for_each(|entry| self.discard(entry));
        Ok(())
    }

    /// The chain of an issuance, PEM.
    pub fn chain(&self, id: &IssuanceId) -> Result<Vec<u8>, StoreError> {
        let place = match self.index().by_id(id) {
            Some(_) => Place::Live,
            None => return Err(StoreError::Unknown(id.as_str().chars().take(300).collect())),
        };
        self.disk().read(&self.layout().directory(place, id).join(CHAIN_FILE))
    }

    /// Key and chain of an issuance that the index gave, checked to be what was committed. One that is damaged is out of
    /// service from here on.
    pub(crate) fn load(&self, entry: &Entry) -> Result<Arc<CertifiedKey>, NotLoaded> {
        if let Some(certified) = self.loaded().find(entry.number()) {
            return Ok(certified);
        }
        let directory = self.layout().directory(Place::Live, &entry.id());
        match self.read_pair(&directory, entry.fingerprint()) {
            Ok(certified) => Ok(self.loaded().keep(entry.number(), certified)),
            Err(error) if error.is_passing() => Err(NotLoaded::Passing(error)),
            Err(error) => {
                self.disable(entry, &directory, &error);
                Err(NotLoaded::Gone)
            }
        }
    }

    fn read_pair(&self, directory: &Path, fingerprint: Fingerprint) -> Result<CertifiedKey, StoreError> {
        let (chain_path, key_path) = (directory.join(CHAIN_FILE), directory.join(KEY_FILE));
        let mut found = Findings::default();
        let chain = inspect::parse_chain(&self.disk().read(&chain_path)?, &chain_path, &mut found);
        let key = inspect::parse_key(&self.disk().read(&key_path)?, &key_path, &mut found);
        let (Some(chain), Some(key)) = (chain, key) else { return Err(refused(found)) };
        if Fingerprint::of(&chain[0]) != fingerprint {
            return Err(StoreError::damaged(&chain_path, "its first certificate is not the one that was issued"));
        }
        inspect::join(chain, key, &key_path, self.provider(), &mut found).ok_or_else(|| refused(found))
    }

    fn disable(&self, entry: &Entry, directory: &Path, error: &StoreError) {
        let mut index = self.index_mut();
        // It may have been replaced while it was being read: then nothing is wrong.
        if index.has(entry) {
            index.remove(entry.number());
            let broken = Broken { path: directory.to_owned(), reason: scan::reason(error) };
            if index.disable(broken.clone()) {
                scan::tell(&broken.path, &broken.reason);
            }
        }
    }
}

fn refused(found: Findings) -> StoreError {
    StoreError::Refused(found.into_diagnostics())
}

fn unreadable() -> StoreError {
    let mut found = Findings::default();
    found.error(
        catalogue::CERTIFICATE_INVALID,
        "the first certificate of the chain names no host that the gateway could serve",
        "a certificate needs subject alternative names",
    );
    refused(found)
}

/// What is known of a chain that has been inspected.
fn describe(id: IssuanceId, draft: Draft, chain: &[CertificateDer<'_>], now: SystemTime) -> Result<Issued, StoreError> {
    let leaf = facts::parse(&chain[0]).ok_or_else(unreadable)?;
    let facts = CertificateFacts::read(&chain[0]).ok_or_else(unreadable)?;
    Ok(Issued {
        id,
        draft,
        not_before: facts.not_before,
        not_after: facts.not_after,
        obtained: records::whole_seconds(now),
        ari: ari::identifier(&leaf).map(Arc::from),
        issuer: facts.issuer.into(),
        fingerprint: Fingerprint::of(&chain[0]),
    })
}

/// As what a certificate from elsewhere would have been asked for.
fn draft_of(chain: &[CertificateDer<'_>], tenant: TenantId, ca: &CaId) -> Result<Draft, StoreError> {
    let leaf = facts::parse(&chain[0]).ok_or_else(unreadable)?;
    // Names that no site can have (with underscores, say) stay in the certificate and count for nothing here.
    let mut names: Vec<_> = facts::names(&leaf).iter().filter_map(|name| HostPattern::parse(name).ok()).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return Err(unreadable());
    }
    let key_type = keys::nearest_type(&leaf);
    Ok(Draft { tenant, names, ca: ca.clone(), profile: None, key_type, renews: None })
}
