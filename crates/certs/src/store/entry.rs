//! [`Entry`]: an issuance in memory, for as long as it is in service. It is the same as [`Issued`], made to take little:
//! a box has many certificates, and of most of them nobody asks anything for weeks.
//!
//! What many have in common is kept once ([`Kind`]), times are whole seconds, as on disk, and an id is made of the number
//! and the first name, which is what its directory is called.

use std::{borrow::Cow, collections::HashSet, sync::Arc, time::SystemTime};

use data_encoding::BASE64URL_NOPAD;
use vestibule_names::{Few, HostPattern, TenantId};

use super::{
    CaId, Draft, IssuanceId, Issued, KeyType,
    records::{moment, seconds},
};
use crate::Fingerprint;

/// An issuance as the store has it in memory.
#[derive(Debug)]
pub struct Entry {
    number: u64,
    tenant: TenantId,
    names: Few<HostPattern>,
    kind: Arc<Kind>,
    renews: Renews,
    /// Times since the epoch, seconds.
    not_before: u64,
    not_after: u64,
    obtained: u64,
    /// What follows [`Kind::issuer_key`] in the identifier for renewal information.
    serial: Serial,
    fingerprint: Fingerprint,
}

/// What certificates that were asked for alike and come from one issuer have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    ca: CaId,
    profile: Option<String>,
    key_type: KeyType,
    issuer: Arc<str>,
    /// What is before the dot of an identifier for renewal information (RFC 9773 section 4.1).
    issuer_key: Option<Box<str>>,
}

/// Which issuance it renews.
#[derive(Debug)]
enum Renews {
    None,
    /// Usually the two have the same first name, and so the same id but for this number.
    Namesake(u64),
    Other(Box<IssuanceId>),
}

/// The second half of an identifier for renewal information.
#[derive(Debug)]
enum Serial {
    None,
    /// A serial number, base64url: it has [`SERIAL_LIMIT`] octets at most.
    Octets {
        count: u8,
        octets: [u8; SERIAL_LIMIT],
    },
    /// Of a CA that has its own idea of them.
    Text(Box<str>),
}

/// RFC 5280 section 4.1.2.2.
const SERIAL_LIMIT: usize = 20;

/// The kinds that are known. There are as many as CAs, their issuers, and what sites ask of them.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    known: HashSet<Arc<Kind>>,
    /// When there are so many, those that no issuance has are swept: a CA may have a new issuer each day.
    sweep_at: usize,
}

/// Below this nothing is worth a sweep.
const SWEEP_MIN: usize = 64;

impl Kinds {
    /// The issuance, with the kind that is known already if it is.
    pub(super) fn pack(&mut self, issued: Issued) -> Entry {
        Entry::pack(issued, |kind| match self.known.get(&kind) {
            Some(same) => Arc::clone(same),
            None => self.take_in(kind),
        })
    }

    fn take_in(&mut self, kind: Kind) -> Arc<Kind> {
        if self.known.len() >= self.sweep_at {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = (2 * self.known.len()).max(SWEEP_MIN);
        }
        let new = Arc::new(kind);
        self.known.insert(Arc::clone(&new));
        new
    }
}

/// Not shared with any other.
impl From<Issued> for Entry {
    fn from(issued: Issued) -> Self {
        Self::pack(issued, Arc::new)
    }
}

impl Entry {
    fn pack(issued: Issued, known: impl FnOnce(Kind) -> Arc<Kind>) -> Self {
        let Issued { id, draft, not_before, not_after, obtained, ari, issuer, fingerprint } = issued;
        let (issuer_key, serial) = match ari.as_deref().map(|ari| ari.split_once('.').ok_or(ari)) {
            Some(Ok((key, serial))) => (Some(key.into()), Serial::pack(serial)),
            Some(Err(whole)) => (None, Serial::pack(whole)),
            None => (None, Serial::None),
        };
        let kind = Kind { ca: draft.ca, profile: draft.profile, key_type: draft.key_type, issuer, issuer_key };
        Self {
            number: id.number().unwrap_or_default(),
            tenant: draft.tenant,
            renews: Renews::pack(draft.renews, draft.names.first()),
            names: draft.names.into(),
            kind: known(kind),
            not_before: seconds(not_before),
            not_after: seconds(not_after),
            obtained: seconds(obtained),
            serial,
            fingerprint,
        }
    }

    /// The number of its id: the later of two is the greater one.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Its id.
    pub fn id(&self) -> IssuanceId {
        id(self.number, self.names.first())
    }

    /// Whose.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// What it is for: one name at least.
    pub fn names(&self) -> &[HostPattern] {
        &self.names
    }

    /// Of which CA.
    pub fn ca(&self) -> &CaId {
        &self.kind.ca
    }

    /// The profile it was asked for with.
    pub fn profile(&self) -> Option<&str> {
        self.kind.profile.as_deref()
    }

    /// Its key.
    pub fn key_type(&self) -> KeyType {
        self.kind.key_type
    }

    /// The number of the issuance that it renews.
    pub fn renews(&self) -> Option<u64> {
        match &self.renews {
            Renews::None => None,
            Renews::Namesake(number) => Some(*number),
            Renews::Other(id) => id.number(),
        }
    }

    /// Valid from.
    pub fn not_before(&self) -> SystemTime {
        moment(self.not_before)
    }

    /// Valid until.
    pub fn not_after(&self) -> SystemTime {
        moment(self.not_after)
    }

    /// When it came.
    pub fn obtained(&self) -> SystemTime {
        moment(self.obtained)
    }

    /// Can its CA be asked for renewal information about it?
    pub fn has_ari(&self) -> bool {
        !matches!(self.serial, Serial::None)
    }

    /// Its identifier for renewal information.
    pub fn ari(&self) -> Option<Arc<str>> {
        let serial = self.serial.text()?;
        Some(match &self.kind.issuer_key {
            Some(key) => format!("{key}.{serial}").into(),
            None => serial.as_ref().into(),
        })
    }

    /// Of the leaf.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// All of it.
    pub fn issued(&self) -> Issued {
        Issued {
            id: self.id(),
            draft: Draft {
                tenant: self.tenant,
                names: self.names.to_vec(),
                ca: self.kind.ca.clone(),
                profile: self.kind.profile.clone(),
                key_type: self.kind.key_type,
                renews: match &self.renews {
                    Renews::None => None,
                    Renews::Namesake(number) => Some(id(*number, self.names.first())),
                    Renews::Other(id) => Some(IssuanceId::clone(id)),
                },
            },
            not_before: self.not_before(),
            not_after: self.not_after(),
            obtained: self.obtained(),
            ari: self.ari(),
            issuer: Arc::clone(&self.kind.issuer),
            fingerprint: self.fingerprint,
        }
    }
}

impl Serial {
    fn pack(text: &str) -> Self {
        let Ok(decoded) = BASE64URL_NOPAD.decode(text.as_bytes()) else { return Self::Text(text.into()) };
        let mut octets = [0; SERIAL_LIMIT];
        match (octets.get_mut(..decoded.len()), u8::try_from(decoded.len())) {
            (Some(place), Ok(count)) => {
                place.copy_from_slice(&decoded);
                Self::Octets { count, octets }
            }
            _ => Self::Text(text.into()),
        }
    }

    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::None => None,
            Self::Octets { count, octets } => Some(BASE64URL_NOPAD.encode(&octets[..usize::from(*count)]).into()),
            Self::Text(text) => Some((&**text).into()),
        }
    }
}

impl Renews {
    fn pack(renews: Option<IssuanceId>, first: Option<&HostPattern>) -> Self {
        let Some(other) = renews else { return Self::None };
        match other.number() {
            Some(number) if id(number, first) == other => Self::Namesake(number),
            _ => Self::Other(Box::new(other)),
        }
    }
}

/// Nothing that the store has is without a name; if it were, it would have the id of nothing.
fn id(number: u64, first: Option<&HostPattern>) -> IssuanceId {
    first.map_or_else(|| IssuanceId::new(""), |first| IssuanceId::numbered(number, first))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::testing::host;

    fn issued(number: u64, names: &[&str], renews: Option<&str>, ari: Option<&str>) -> Issued {
        let names: Vec<HostPattern> = names.iter().map(|name| host(name)).collect();
        Issued {
            id: IssuanceId::numbered(number, &names[0]),
            draft: Draft {
                tenant: TenantId(7),
                names,
                ca: CaId::new("le").unwrap(),
                profile: Some("shortlived".to_owned()),
                key_type: KeyType::EcdsaP384,
                renews: renews.map(IssuanceId::new),
            },
            not_before: UNIX_EPOCH + Duration::from_secs(1_790_000_000),
            not_after: UNIX_EPOCH + Duration::from_secs(253_402_300_799), // RFC 5280 section 4.1.2.5: no end
            obtained: UNIX_EPOCH + Duration::from_secs(1_790_000_001),
            ari: ari.map(Arc::from),
            issuer: "E7".into(),
            fingerprint: Fingerprint::of(&number.to_be_bytes()),
        }
    }

    #[test]
    fn what_is_packed_is_all_there() {
        for (names, renews, ari, renewed) in [
            (&["a.test"][..], None, Some("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"), None),
            (&["*.a.test", "b.test"], Some("0000000003-_wildcard.a.test"), Some("key.serial.more"), Some(3)),
            (&["2001:db8::7"], Some("0000000003-a.test"), Some("AIdlQyE"), Some(3)),
            (&["192.0.2.7"], Some("of nothing"), None, None),
            (&["longest.test"], None, Some("key.____AAAAAAAAAAAAAAAAAAAAAAA"), None),
            (&["longer.test"], None, Some("key.AAAAAAAAAAAAAAAAAAAAAAAAAAAA"), None),
            (&["bits-left-over.test"], None, Some("key.AIdlQyF"), None),
            (&["none.test"], None, Some("."), None),
        ] {
            let issued = issued(12, names, renews, ari);
            let entry = Kinds::default().pack(issued.clone());
            assert_eq!((entry.issued(), entry.renews()), (issued.clone(), renewed), "{names:?}");
            assert_eq!(Entry::from(issued.clone()).issued(), issued);
            assert_eq!((entry.number(), entry.id(), entry.has_ari()), (12, issued.id, ari.is_some()));
        }
    }

    #[test]
    fn what_many_have_in_common_is_kept_once() {
        let mut kinds = Kinds::default();
        let one = kinds.pack(issued(1, &["a.test"], None, Some("key.1")));
        let two = kinds.pack(issued(2, &["b.test"], Some("0000000001-a.test"), Some("key.2")));
        let other = kinds.pack(issued(3, &["c.test"], None, Some("other.3")));
        assert!(Arc::ptr_eq(&one.kind, &two.kind) && !Arc::ptr_eq(&one.kind, &other.kind));
        assert_eq!(kinds.known.len(), 2);
        for number in 4..1_000 {
            drop(kinds.pack(issued(number, &["d.test"], None, Some(&format!("key{number}.1")))));
            assert!(kinds.known.len() <= SWEEP_MIN);
        }
        assert!(Arc::ptr_eq(&one.kind, &kinds.pack(issued(1_000, &["a.test"], None, Some("key.9"))).kind));
    }
}
