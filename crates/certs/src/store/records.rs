//! `order.json` and `meta.json`: what is written of a draft and of a certificate, and how it is read back: as if somebody
//! else had written it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use vestibule_names::{HostPattern, TenantId};

use super::{CaId, Draft, IssuanceId, Issued, KeyType};
use crate::{Fingerprint, local_ca::written};

/// Of both files. Another number is somebody else's format.
const VERSION: u32 = 1;

/// `order.json`: what is asked for, and where the CA keeps the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OrderRecord {
    pub(super) draft: Draft,
    pub(super) url: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct DraftText {
    version: u32,
    tenant: u32,
    names: Vec<String>,
    ca: String,
    profile: Option<String>,
    key_type: KeyType,
    renews: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct OrderText {
    #[serde(flatten)]
    draft: DraftText,
    order_url: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct MetaText {
    #[serde(flatten)]
    draft: DraftText,
    not_before: u64,
    not_after: u64,
    obtained: u64,
    ari: Option<String>,
    issuer: String,
    fingerprint: String,
}

impl OrderRecord {
    pub(super) fn to_json(&self) -> Vec<u8> {
        json(&OrderText { draft: DraftText::from(&self.draft), order_url: self.url.clone() })
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text: OrderText = parse(bytes)?;
        Ok(Self { draft: text.draft.into_draft()?, url: text.order_url })
    }
}

/// `meta.json`; the id is the folder's name.
pub(super) fn meta_json(issued: &Issued) -> Vec<u8> {
    json(&MetaText {
        draft: DraftText::from(&issued.draft),
        not_before: seconds(issued.not_before),
        not_after: seconds(issued.not_after),
        obtained: seconds(issued.obtained),
        ari: issued.ari.as_deref().map(str::to_owned),
        issuer: issued.issuer.as_ref().to_owned(),
        fingerprint: issued.fingerprint.to_string(),
    })
}

/// Reads `meta.json` of the directory `id`.
pub(super) fn read_meta(id: IssuanceId, bytes: &[u8]) -> Result<Issued, String> {
    let text: MetaText = parse(bytes)?;
    Ok(Issued {
        id,
        draft: text.draft.into_draft()?,
        not_before: instant(text.not_before)?,
        not_after: instant(text.not_after)?,
        obtained: instant(text.obtained)?,
        ari: text.ari.map(Arc::from),
        issuer: text.issuer.into(),
        fingerprint: Fingerprint::parse(&text.fingerprint).ok_or("it has no SHA-256 of a certificate")?,
    })
}

impl From<&Draft> for DraftText {
    fn from(draft: &Draft) -> Self {
        Self {
            version: VERSION,
            tenant: draft.tenant.0,
            names: draft.names.iter().map(written).collect(),
            ca: draft.ca.as_str().to_owned(),
            profile: draft.profile.clone(),
            key_type: draft.key_type,
            renews: draft.renews.as_ref().map(|id| id.as_str().to_owned()),
        }
    }
}

impl DraftText {
    fn into_draft(self) -> Result<Draft, String> {
        if self.version != VERSION {
            return Err(format!("it has version {}, and only version {VERSION} is known", self.version));
        }
        let names = self.names.iter().map(|name| HostPattern::parse(name)).collect::<Result<Vec<_>, _>>();
        let names = names.map_err(|error| format!("it has a wrong name: {error}"))?;
        if names.is_empty() {
            return Err("it has no names".to_owned());
        }
        Ok(Draft {
            tenant: TenantId(self.tenant),
            names,
            ca: CaId::new(&self.ca).ok_or("it has a wrong CA")?,
            profile: self.profile,
            key_type: self.key_type,
            renews: self.renews.as_deref().map(IssuanceId::new),
        })
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).expect("texts and numbers are always JSON")
}

/// Only the place of an error is told, not the text.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| format!("it is not as it was written: {error}"))
}

/// Since the epoch.
pub(super) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// What is left of a time that is written and read back.
pub(super) fn whole_seconds(time: SystemTime) -> SystemTime {
    moment(seconds(time))
}

/// So many seconds after the epoch, as [`seconds`] found them.
pub(super) fn moment(seconds: u64) -> SystemTime {
    instant(seconds).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn instant(seconds: u64) -> Result<SystemTime, String> {
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or_else(|| "it has a wrong time".to_owned())
}
