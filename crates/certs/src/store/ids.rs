//! [`IssuanceId`], [`CaId`], [`KeyType`]: names that become folders and labels, so that nothing else can.

use std::{cmp::Ordering, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use vestibule_names::HostPattern;

use crate::local_ca::written;

/// Digits of a number at least, so that a listing of the folder is in order of time.
const NUMBER_WIDTH: usize = 10;
/// A number of more digits does not fit a `u64` in every case.
const NUMBER_WIDTH_LIMIT: usize = 19;
/// More characters of a name are cut away: a file system's name has 255 bytes, and the number makes it unique already.
const NAME_LIMIT: usize = 200;

/// The directory's name: a growing number, then the first name for people. Latest is greatest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IssuanceId(Arc<str>);

/// Names a CA: lower case letters, digits and hyphens; a folder's name and a metric's label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaId(Arc<str>);

/// The type of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyType {
    /// The default.
    #[default]
    EcdsaP256,
    /// ECDSA P-384.
    EcdsaP384,
    /// For clients that know nothing else.
    Rsa2048,
    /// Slow to sign with.
    Rsa4096,
}

impl IssuanceId {
    /// The text, as in paths and commands.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From a text that [`IssuanceId::as_str`] gave. Any other text makes an id of nothing: the store only ever opens
    /// directories that it has found itself, and compares ids with their names.
    pub fn new(text: &str) -> Self {
        Self(Arc::from(text))
    }

    /// The id of the issuance with this number, whose first name this is.
    pub fn numbered(number: u64, first: &HostPattern) -> Self {
        let name = match first {
            HostPattern::Wildcard(suffix) => format!("_wildcard.{suffix}"),
            other => written(other).replace(':', "_"),
        };
        let name = name.get(..NAME_LIMIT).unwrap_or(&name);
        Self(Arc::from(format!("{number:0NUMBER_WIDTH$}-{name}")))
    }

    /// The number, when the text has the form of a directory's name. No such text leads out of a folder or hides in it:
    /// it begins with a digit and has no slash.
    pub fn number(&self) -> Option<u64> {
        let (number, name) = self.0.split_once('-')?;
        let fits = (NUMBER_WIDTH..=NUMBER_WIDTH_LIMIT).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && (1..=NAME_LIMIT).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte));
        if fits { number.parse().ok() } else { None }
    }
}

/// By number; texts that are no directory's name come first.
impl Ord for IssuanceId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.number().cmp(&other.number()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for IssuanceId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl CaId {
    /// From lower case letters, digits and hyphens, 1 to 63 of them; `None` for anything else.
    pub fn new(text: &str) -> Option<Self> {
        let fits = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        fits.then(|| Self(Arc::from(text)))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IssuanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::host;

    #[test]
    fn ids_are_safe_names_of_directories() {
        let long = format!("{}.test", ["a".repeat(63).as_str(); 3].join("."));
        for (name, expected) in [
            ("a.test", "0000000012-a.test"),
            ("*.a.test", "0000000012-_wildcard.a.test"),
            ("192.0.2.7", "0000000012-192.0.2.7"),
            ("2001:db8::7", "0000000012-2001_db8__7"),
            (&long, &format!("0000000012-{long}")),
        ] {
            let id = IssuanceId::numbered(12, &host(name));
            assert_eq!(id.as_str(), expected);
            assert_eq!(id.number(), Some(12));
        }
        let longest = format!("{0}.{0}.{0}.{1}", "a".repeat(63), "b".repeat(61));
        let id = IssuanceId::numbered(12, &host(&longest));
        assert!(id.as_str().len() < 255 && id.number() == Some(12), "{id}");
    }

    #[test]
    fn other_texts_name_no_directory() {
        for text in [
            "",
            "x",
            "0000000012",
            "0000000012-",
            "12-a.test",
            "../0000000012-a",
            "0000000012-../../etc",
            "0000000012-a/b",
            "0000000012-A",
            "0000000012-a\0",
            ".0000000012-a",
            "00000000000000000012-a",
            "+000000012-a",
        ] {
            assert_eq!(IssuanceId::new(text).number(), None, "{text:?}");
        }
    }

    #[test]
    fn the_latest_is_the_greatest() {
        let id = |number| IssuanceId::numbered(number, &host("a.test"));
        assert!(id(9) < id(10) && id(9_999_999_999) < id(10_000_000_000));
        assert!(IssuanceId::new("junk") < id(0));
        assert!(IssuanceId::numbered(2, &host("a.test")) < IssuanceId::numbered(2, &host("b.test")));
    }
}
