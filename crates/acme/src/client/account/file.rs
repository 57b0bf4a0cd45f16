//! `account.json`: what is known of our accounts at one CA, as it is kept.
//!
//! An account belongs to a directory. When the settings name another one, a new account is made beside the old one, which
//! is found again should they change back.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

/// Accounts of earlier directories that are kept.
const EARLIER_LIMIT: usize = 8;

/// The whole file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct AccountFile {
    /// The one used last comes first.
    #[serde(default)]
    accounts: Vec<Account>,
}

/// One account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    /// Whose directory.
    pub(super) directory: String,
    /// Unknown while nobody knows whether the registration has arrived: the key then finds it.
    pub(super) url: Option<String>,
    /// PKCS #8.
    pub(super) key: Secret,
    /// The key that is to follow, while nobody knows whether the CA has taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next_key: Option<Secret>,
    /// What the CA was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) contact: Option<String>,
}

/// Bytes that no log may have.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Secret(pub(super) Vec<u8>);

impl AccountFile {
    /// `None` for what is damaged.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    pub(super) fn written(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("strings and lists of strings are always JSON")
    }

    /// The account for a directory.
    pub(super) fn find(&self, directory: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.directory == directory)
    }

    /// Takes the place of the account for its directory.
    pub(super) fn put(&mut self, account: Account) {
        self.accounts.retain(|other| other.directory != account.directory);
        self.accounts.insert(0, account);
        self.accounts.truncate(1 + EARLIER_LIMIT);
    }
}

impl TryFrom<String> for Secret {
    type Error = data_encoding::DecodeError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        BASE64URL_NOPAD.decode(text.as_bytes()).map(Self)
    }
}

impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        BASE64URL_NOPAD.encode(&secret.0)
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(directory: &str, key: u8) -> Account {
        let url = Some(format!("{directory}/{key}"));
        Account { directory: directory.to_owned(), url, key: Secret(vec![key; 40]), next_key: None, contact: None }
    }

    #[test]
    fn an_account_is_found_by_its_directory_again() {
        let mut file = AccountFile::default();
        file.put(account("https://a.test", 1));
        file.put(account("https://b.test", 2));
        file.put(account("https://b.test", 3));
        let read = AccountFile::read(&file.written()).unwrap();
        assert_eq!(read.find("https://a.test"), Some(&account("https://a.test", 1)));
        assert_eq!(read.find("https://b.test"), Some(&account("https://b.test", 3)));
        assert_eq!(read.find("https://c.test"), None);
        for n in 0..100 {
            file.put(account(&format!("https://{n}.test"), n));
        }
        assert_eq!(file.accounts.len(), 1 + EARLIER_LIMIT);
    }

    #[test]
    fn damage_is_seen_and_a_key_is_never_shown() {
        for damaged in ["", "{", "[]x", r#"{"accounts": [{"directory": "x", "url": null, "key": "!"}]}"#] {
            assert!(AccountFile::read(damaged.as_bytes()).is_none(), "{damaged}");
        }
        assert!(!format!("{:?}", account("https://a.test", 7)).contains('7'.to_string().repeat(2).as_str()));
    }
}
