//! [`Pending`]: an order on disk that has no certificate yet: its key and draft, and the order's URL once there is one.

use std::{fmt, time::SystemTime};

use super::{
    Draft, IssuanceId, Issued, Store, StoreError, keys,
    layout::{self, KEY_FILE, ORDER_FILE, Place},
    records::OrderRecord,
    scan,
};

/// An order on disk that has no certificate yet. One handle per directory: [`Store::pending`] gives those that nobody has.
/// Dropping it leaves the directory, to be resumed.
pub struct Pending {
    store: Store,
    open: Box<Open>,
}

/// An order as the store keeps it.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub(super) id: IssuanceId,
    pub(super) record: OrderRecord,
}

impl Pending {
    pub(super) fn new(store: Store, open: Open) -> Self {
        Self { store, open: Box::new(open) }
    }

    /// Its directory's name; the issuance will have the same.
    pub fn id(&self) -> &IssuanceId {
        &self.open.id
    }

    /// What it asks for.
    pub fn draft(&self) -> &Draft {
        &self.open.record.draft
    }

    /// The order's URL, once the CA gave one.
    pub fn order_url(&self) -> Option<&str> {
        self.open.record.url.as_deref()
    }

    /// Notes the order's URL; durable when this returns. A later one replaces it.
    pub fn set_order_url(&mut self, url: &str) -> Result<(), StoreError> {
        let record = OrderRecord { url: Some(url.to_owned()), ..self.open.record.clone() };
        let path = self.store.layout().directory(Place::Pending, &self.open.id).join(ORDER_FILE);
        self.store.replace(&path, &record.to_json())?;
        self.open.record = record;
        Ok(())
    }

    /// The certificate signing request for its key and names (RFC 2986), DER.
    pub fn csr(&self) -> Result<Vec<u8>, StoreError> {
        let path = self.store.layout().directory(Place::Pending, &self.open.id).join(KEY_FILE);
        keys::signing_request(&scan::read_key(self.store.disk(), &path)?, &self.draft().names)
    }

    /// Inspects the chain (key, names, validity, order) and makes it live by one rename. On an error nothing has changed
    /// for whoever is served.
    pub fn commit(self, chain_pem: &[u8], now: SystemTime) -> Result<Issued, (Self, StoreError)> {
        match self.store.commit(&self.open, chain_pem, now) {
            Ok(issued) => Ok(issued),
            Err(error) => Err((self, error)),
        }
    }

    /// Gives the order up and removes its directory.
    pub fn abandon(self) -> Result<(), StoreError> {
        self.store.abandon(&self.open.id)
    }
}

impl Drop for Pending {
    /// Whoever asks for [`Store::pending`] may have it from now on.
    fn drop(&mut self) {
        self.store.release(&self.open);
    }
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes a key and a pending directory; durable when this returns.
    pub fn begin(&self, draft: &Draft) -> Result<Pending, StoreError> {
        let mut draft = draft.clone();
        draft.names.sort();
        draft.names.dedup();
        let Some(first) = draft.names.first() else {
            return Err(StoreError::Key("a certificate needs a name".to_owned()));
        };
        let key = keys::generate(draft.key_type)?.serialize_pem();
        let id = self.next_id(first)?;
        let record = OrderRecord { draft, url: None };
        self.publish(Place::Pending, &id, &[(KEY_FILE, key.as_bytes()), (ORDER_FILE, &record.to_json())])?;
        let open = Open { id, record };
        self.writer().open.insert(open.id.clone(), None);
        Ok(Pending::new(self.clone(), open))
    }

    /// The orders that nobody has a [`Pending`] of: what an earlier run left to be resumed, and what was dropped in this one.
    pub fn pending(&self) -> Vec<Pending> {
        let free: Vec<Open> = self.writer().open.values_mut().filter_map(Option::take).collect();
        free.into_iter().map(|open| Pending::new(self.clone(), open)).collect()
    }

    /// Nobody has it any more.
    fn release(&self, open: &Open) {
        if let Some(place) = self.writer().open.get_mut(&open.id) {
            *place = Some(open.clone());
        }
    }

    fn abandon(&self, id: &IssuanceId) -> Result<(), StoreError> {
        self.unmake(Place::Pending, id, || drop(self.writer().open.remove(id)))
    }

    /// Replaces one file by one rename; durable when this returns.
    pub(super) fn replace(&self, path: &std::path::Path, content: &[u8]) -> Result<(), StoreError> {
        let fresh = layout::beside(path);
        let written = self.disk().write(&fresh, content).and_then(|()| self.disk().rename(&fresh, path));
        if written.is_err() {
            // Best effort: it is overwritten the next time, and never read.
            let _ = self.disk().remove_file(&fresh);
        }
        written?;
        path.parent().map_or(Ok(()), |folder| self.disk().sync_dir(folder))
    }
}
