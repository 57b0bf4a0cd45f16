//! [`Txt`]: the record that proves a name (RFC 8555 section 8.4).

use hickory_proto::{ProtoError, rr::Name};
use vestibule_names::Hostname;

use super::lookup::shown;

/// One value at one name.
#[derive(Clone, Debug)]
pub(super) struct Txt {
    /// The name that is proved.
    pub(super) host: Hostname,
    /// Where the CA looks: `_acme-challenge.HOST`.
    pub(super) asked: Name,
    /// Where the record must stand: what `asked` leads to after CNAMEs.
    pub(super) target: Name,
    /// Base64url of a digest.
    pub(super) value: String,
}

impl Txt {
    /// Not yet looked up: the target is the name itself.
    pub(super) fn new(host: &Hostname, value: &str) -> Result<Self, ProtoError> {
        let asked = Name::from_ascii(format!("_acme-challenge.{host}."))?;
        Ok(Self { host: host.clone(), target: asked.clone(), asked, value: value.to_owned() })
    }

    /// For people: where the record stands.
    pub(super) fn shown(&self) -> String {
        shown(&self.target)
    }

    /// Is the target a name as hosts have it? Labels may hold any octet, and whoever owns an alias chooses them: a script
    /// that is handed `$(reboot).example.com` or `-rf.example.com` was hardly written for that.
    pub(super) fn is_plain(&self) -> bool {
        let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
        self.target.iter().all(|label| label.iter().all(is_plain) && label.first() != Some(&b'-'))
    }
}
