//! Registration and keys of accounts, over the library.
//!
//! The library makes account keys itself, and sends at once what it has signed with them. `sign_*` here sign only, in a talk
//! that withholds: the caller makes the key durable and then calls [`Talk::release`].

use instant_acme::{Account, ExternalAccountKey, Key, NewAccount};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::{super::fault::Fault, NONCE_ROUNDS, Talk, retrying};

/// External account binding (RFC 8555 section 7.3.4), read.
pub(crate) struct Binding {
    pub(crate) kid: String,
    pub(crate) mac_key: Vec<u8>,
}

/// What the CA gets to know of us.
pub(crate) struct Registration<'a> {
    pub(crate) contact: Option<&'a str>,
    pub(crate) binding: Option<&'a Binding>,
}

/// How often something that is withheld may be signed anew after a bad nonce.
pub(crate) const SIGNING_ROUNDS: usize = 3 * NONCE_ROUNDS;

/// A registration (RFC 8555 section 7.3), signed and withheld; its new key as PKCS #8.
pub(crate) async fn sign_registration(talk: &Talk, registration: &Registration<'_>) -> Result<Vec<u8>, Fault> {
    let contact: Vec<_> = registration.contact.into_iter().collect();
    let account = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let binding = registration.binding.map(|binding| ExternalAccountKey::new(binding.kid.clone(), &binding.mac_key));
    talk.withhold();
    let builder = Account::builder_with_http(talk.client());
    let signed = builder.create(&account, talk.directory_url().to_owned(), binding.as_ref()).await;
    let (_, credentials) = signed.inspect_err(|_| talk.send_again())?;
    Ok(credentials.private_key().secret_pkcs8_der().to_vec())
}

/// A change of key (RFC 8555 section 7.3.5), signed and withheld; the new key as PKCS #8.
pub(crate) async fn sign_key_change(talk: &Talk, url: &str, key: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut account = open(talk, url, key).await?;
    talk.withhold();
    let credentials = account.update_key().await.inspect_err(|_| talk.send_again())?;
    Ok(credentials.private_key().secret_pkcs8_der().to_vec())
}

/// The URL of the account that has this key (RFC 8555 section 7.3.1).
pub(crate) async fn url_of_key(talk: &Talk, key: &[u8]) -> Result<String, Fault> {
    let found = retrying(async || {
        let pkcs8 = PrivatePkcs8KeyDer::from(key.to_vec());
        let pair = (Key::from_pkcs8_der(pkcs8.clone_key())?, PrivateKeyDer::Pkcs8(pkcs8));
        Account::builder_with_http(talk.client()).from_key(pair, talk.directory_url().to_owned()).await
    });
    let (account, _) = found.await?;
    Ok(account.id().to_owned())
}

/// Tells the CA another contact (RFC 8555 section 7.3.2).
pub(crate) async fn update_contact(talk: &Talk, url: &str, key: &[u8], contact: Option<&str>) -> Result<(), Fault> {
    let contacts: Vec<_> = contact.into_iter().collect();
    let account = open(talk, url, key).await?;
    retrying(async || account.update_contacts(&contacts).await).await
}

async fn open(talk: &Talk, url: &str, key: &[u8]) -> Result<Account, Fault> {
    let builder = Account::builder_with_http(talk.client());
    Ok(builder.from_parts(url.to_owned(), PrivatePkcs8KeyDer::from(key), talk.directory_url().to_owned()).await?)
}
