//! [`Accounts`]: our account at one CA: made once, found again by its key, its key changed.
//!
//! Every key is durable before the CA hears of it, so that a kill at any point loses no account: after it, the key is asked
//! for its account (RFC 8555 section 7.3.1) before a new one is made. Whoever is here has agreed to the CA's terms: without
//! that the gateway has no [`super::Client`].
//!
//! An account that the CA does not know any more (it was restored from a backup, or is a test CA) is made anew once, with a
//! new key; one that the CA has deactivated is not: that was somebody's decision.

mod file;

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::{Mutex, PoisonError},
};

use data_encoding::BASE64URL_NOPAD;
use http::header;
use rustix::fs::{Mode, OFlags};
use vestibule_certs::store::Store;

use self::file::{Account, AccountFile, Secret};
use super::{
    classify::{Asking, Judge, storage},
    fault::Fault,
    instant::keys::{self, Binding, Registration, SIGNING_ROUNDS},
    talk::Talk,
    transport::Answer,
};
use crate::{
    config::{CaConfig, Eab},
    failure::{Failure, FailureKind, printable},
};

/// An HMAC key in base64 has some 90 bytes.
const HMAC_FILE_LIMIT: u64 = 4096;

/// What requests are signed as.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) url: String,
    key: Secret,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Accounts {
    store: Store,
    config: CaConfig,
    /// Held while the account is made or changed.
    change: tokio::sync::Mutex<()>,
    current: Mutex<Option<Member>>,
}

impl Member {
    /// PKCS #8.
    pub(super) fn key(&self) -> &[u8] {
        &self.key.0
    }
}

impl Accounts {
    pub(super) fn new(store: Store, config: CaConfig) -> Self {
        Self { store, config, change: tokio::sync::Mutex::default(), current: Mutex::default() }
    }

    /// The account's URL, as far as it is known without asking.
    pub(super) fn url(&self) -> Option<String> {
        let current = self.current().as_ref().map(|member| member.url.clone());
        current.or_else(|| self.read().ok()?.find(&self.config.directory)?.url.clone())
    }

    /// The account; made, or found by its key, if need be.
    pub(super) async fn member(&self, talk: &Talk) -> Result<Member, Failure> {
        let _changing = self.change.lock().await;
        if let Some(member) = self.current().clone() {
            return Ok(member);
        }
        let mut file = self.read()?;
        let member = match file.find(&self.config.directory).cloned() {
            None => self.register(talk, &mut file).await?,
            Some(account) => self.settle(talk, &mut file, account).await?,
        };
        *self.current() = Some(member.clone());
        Ok(member)
    }

    /// The CA does not know this account: look again, by its key, before a new one is made.
    pub(super) async fn doubt(&self, member: &Member) -> Result<(), Failure> {
        let _changing = self.change.lock().await;
        let mut file = self.read()?;
        let known = file.find(&self.config.directory).cloned();
        if let Some(account) = known.filter(|account| account.url.as_ref() == Some(&member.url)) {
            self.save(&mut file, Account { url: None, ..account })?;
        }
        *self.current() = None;
        Ok(())
    }

    /// Changes the key. Nothing may be signed with the old one meanwhile. Where there is no account, none is made for that.
    pub(super) async fn roll_over(&self, talk: &Talk) -> Result<(), Failure> {
        if self.read()?.find(&self.config.directory).is_none() {
            return Ok(());
        }
        let member = self.member(talk).await?;
        let _changing = self.change.lock().await;
        let mut file = self.read()?;
        let known = file.find(&self.config.directory).cloned();
        let account = known.ok_or_else(|| storage_lost(&self.config))?;
        for _ in 0..SIGNING_ROUNDS {
            let next =
                keys::sign_key_change(talk, &member.url, member.key()).await.map_err(|fault| self.judge(&fault))?;
            let next = Secret(next);
            self.save(&mut file, Account { next_key: Some(next.clone()), ..account.clone() })?;
            match talk.release().await {
                Ok(_) => {
                    self.save(&mut file, Account { key: next.clone(), next_key: None, ..account })?;
                    *self.current() = Some(Member { key: next, ..member });
                    return Ok(());
                }
                Err(fault) if fault.problem_type() == Some("badNonce") => {}
                Err(fault) if fault.is_passing() => {
                    // It may have arrived: the next use asks which key counts.
                    *self.current() = None;
                    return Err(self.judge(&fault));
                }
                Err(fault) => {
                    self.save(&mut file, account)?;
                    return Err(self.judge(&fault));
                }
            }
        }
        Err(self.too_many_nonces())
    }

    /// An account of which a key is known: which key counts, where is it, does the CA have our contact?
    async fn settle(&self, talk: &Talk, file: &mut AccountFile, mut account: Account) -> Result<Member, Failure> {
        if let Some(next) = account.next_key.take() {
            match keys::url_of_key(talk, &next.0).await {
                Ok(url) => account = Account { key: next, url: Some(url), ..account },
                Err(fault) if is_unknown(&fault) => {}
                Err(fault) => return Err(self.judge(&fault)),
            }
            self.save(file, account.clone())?;
        }
        if account.url.is_none() {
            match keys::url_of_key(talk, &account.key.0).await {
                Ok(url) => account.url = Some(url),
                Err(fault) if is_unknown(&fault) => return self.register(talk, file).await,
                Err(fault) => return Err(self.judge(&fault)),
            }
            self.save(file, account.clone())?;
        }
        let url = account.url.clone().ok_or_else(|| storage_lost(&self.config))?;
        let member = Member { url, key: account.key.clone() };
        self.update_contact(talk, file, account, &member).await?;
        tracing::info!(ca = %self.config.id, account = %printable(&member.url), "using this account");
        Ok(member)
    }

    /// A contact that cannot be told is no reason to order nothing.
    async fn update_contact(
        &self,
        talk: &Talk,
        file: &mut AccountFile,
        account: Account,
        member: &Member,
    ) -> Result<(), Failure> {
        let contact = self.contact();
        if account.contact == contact {
            return Ok(());
        }
        match keys::update_contact(talk, &member.url, member.key(), contact.as_deref()).await {
            Ok(()) => self.save(file, Account { contact, ..account }),
            Err(fault) => {
                tracing::warn!(ca = %self.config.id, %fault, "the CA did not take the account's new contact");
                Ok(())
            }
        }
    }

    async fn register(&self, talk: &Talk, file: &mut AccountFile) -> Result<Member, Failure> {
        let binding = self.config.eab.as_ref().map(read_binding).transpose()?;
        let contact = self.contact();
        let registration = Registration { contact: contact.as_deref(), binding: binding.as_ref() };
        for _ in 0..SIGNING_ROUNDS {
            let key = keys::sign_registration(talk, &registration).await.map_err(|fault| self.judge(&fault))?;
            let account = Account {
                directory: self.config.directory.clone(),
                url: None,
                key: Secret(key),
                next_key: None,
                contact: contact.clone(),
            };
            self.save(file, account.clone())?;
            match talk.release().await {
                Ok(answer) => {
                    let url = location(&answer).ok_or_else(|| self.judge(&no_location(&answer)))?;
                    self.save(file, Account { url: Some(url.clone()), ..account.clone() })?;
                    tracing::info!(ca = %self.config.id, account = %printable(&url), "made an account");
                    return Ok(Member { url, key: account.key });
                }
                Err(fault) if fault.problem_type() == Some("badNonce") => {}
                Err(fault) => return Err(self.judge(&fault)),
            }
        }
        Err(self.too_many_nonces())
    }

    fn contact(&self) -> Option<String> {
        let email = self.config.email.as_ref()?;
        Some(if email.starts_with("mailto:") { email.clone() } else { format!("mailto:{email}") })
    }

    /// A file that is damaged counts as none: a new account costs less than certificates that are not renewed.
    fn read(&self) -> Result<AccountFile, Failure> {
        let Some(bytes) = self.store.account(&self.config.id).map_err(|error| storage(&error))? else {
            return Ok(AccountFile::default());
        };
        Ok(AccountFile::read(&bytes).unwrap_or_else(|| {
            tracing::error!(ca = %self.config.id, "account.json is damaged: a new account takes its place");
            AccountFile::default()
        }))
    }

    fn save(&self, file: &mut AccountFile, account: Account) -> Result<(), Failure> {
        file.put(account);
        self.store.save_account(&self.config.id, &file.written()).map_err(|error| storage(&error))
    }

    fn judge(&self, fault: &Fault) -> Failure {
        Judge::new(&self.config).judge(fault, Asking::Account)
    }

    fn too_many_nonces(&self) -> Failure {
        Failure::new(
            FailureKind::Ca,
            format!("{} takes none of the nonces that it gives: it is asked again later", self.config.id),
        )
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Member>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_unknown(fault: &Fault) -> bool {
    fault.problem_type() == Some("accountDoesNotExist")
}

fn location(answer: &Answer) -> Option<String> {
    answer.headers.get(header::LOCATION)?.to_str().ok().map(str::to_owned)
}

fn no_location(answer: &Answer) -> Fault {
    let (status, retry_after) = (answer.status, answer.retry_after);
    Fault::Strange { status, what: "no address of the new account", retry_after }
}

fn storage_lost(config: &CaConfig) -> Failure {
    let sentence = format!("account.json of {} has lost the account that was just read from it", config.id);
    Failure::new(FailureKind::Storage, sentence)
}

/// Reads the HMAC key. CAs hand it out as base64url; some with padding, which does no harm.
fn read_binding(eab: &Eab) -> Result<Binding, Failure> {
    let bad = |what: String| {
        let sentence =
            format!("{what}: write into it the HMAC key that the CA gave for {}, in base64url", printable(&eab.kid));
        Failure::new(FailureKind::Configuration, sentence)
    };
    let path = eab.hmac_file.display();
    let read = read_key_file(&eab.hmac_file);
    let text =
        read.map_err(|error| bad(format!("the file {path} of the external account binding cannot be read ({error})")))?;
    match BASE64URL_NOPAD.decode(text.trim().trim_end_matches('=').as_bytes()) {
        Ok(mac_key) if !mac_key.is_empty() => Ok(Binding { kid: eab.kid.clone(), mac_key }),
        _ => Err(bad(format!("the file {path} of the external account binding holds no base64url"))),
    }
}

/// At once, or not at all: a pipe that nobody writes to would hold up the engine.
fn read_key_file(path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut text = String::new();
    file.take(HMAC_FILE_LIMIT).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_a_binding_is_read_or_the_file_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let eab = Eab { kid: "kid-1".to_owned(), hmac_file: dir.path().join("hmac") };
        let check = |content: &str, expected: Result<&[u8], &str>| {
            std::fs::write(&eab.hmac_file, content).unwrap();
            match (read_binding(&eab), expected) {
                (Ok(binding), Ok(key)) => assert_eq!(binding.mac_key, key, "{content}"),
                (Err(failure), Err(what)) => {
                    assert_eq!(failure.kind, FailureKind::Configuration);
                    let path = eab.hmac_file.to_str().unwrap();
                    assert!(failure.sentence.contains(path) && failure.sentence.contains(what), "{failure}");
                }
                (binding, expected) => panic!("{content}: {expected:?}, {:?}", binding.map(|binding| binding.mac_key)),
            }
        };
        check("_-8A\n", Ok(&[0xff, 0xef, 0x00]));
        check("_-8", Ok(&[0xff, 0xef]));
        check("_-8=", Ok(&[0xff, 0xef]));
        check("", Err("holds no base64url"));
        check("+/8A", Err("holds no base64url"));
        std::fs::remove_file(&eab.hmac_file).unwrap();
        let failure = read_binding(&eab).err().unwrap();
        assert!(failure.sentence.contains("cannot be read"), "{failure}");
        rustix::fs::mkfifoat(rustix::fs::CWD, &eab.hmac_file, Mode::RUSR | Mode::WUSR).unwrap();
        let failure = read_binding(&eab).err().unwrap();
        assert!(failure.sentence.contains("not a regular file"), "{failure}");
    }
}
