//! Keys and signing requests of orders, and the keys of certificates from elsewhere.

use rcgen::{
    CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256,
    RsaKeySize, SanType,
};
use vestibule_names::HostPattern;
use x509_parser::{certificate::X509Certificate, public_key::PublicKey};

use super::{KeyType, StoreError};
use crate::local_ca::alt_name;

/// A fresh key. RSA takes long: seconds, with bad luck.
pub(super) fn generate(key_type: KeyType) -> Result<KeyPair, StoreError> {
    let made = match key_type {
        KeyType::EcdsaP256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyType::EcdsaP384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        KeyType::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyType::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
    };
    made.map_err(|error| StoreError::Key(error.to_string()))
}

/// The signing request (RFC 2986), DER. Its names are in the extension only and its subject is empty: the common name
/// has no meaning (RFC 9525 section 6.1), takes 64 characters only, and some CAs refuse it.
pub(super) fn signing_request(key: &KeyPair, names: &[HostPattern]) -> Result<Vec<u8>, StoreError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = names.iter().map(alt_name).collect::<Result<Vec<SanType>, _>>().and_then(|names| {
        params.subject_alt_names = names;
        params.serialize_request(key)
    });
    request.map(|request| request.der().to_vec()).map_err(|error| StoreError::Key(error.to_string()))
}

/// The type of a certificate's key, or the nearest of ours: a renewal makes such a key.
pub(super) fn nearest_type(leaf: &X509Certificate<'_>) -> KeyType {
    match leaf.public_key().parsed() {
        Ok(PublicKey::RSA(key)) if key.key_size() <= 2048 => KeyType::Rsa2048,
        Ok(PublicKey::RSA(_)) => KeyType::Rsa4096,
        // An uncompressed point is one byte and two coordinates.
        Ok(PublicKey::EC(point)) if point.data().len() >= 97 => KeyType::EcdsaP384,
        _ => KeyType::EcdsaP256,
    }
}
