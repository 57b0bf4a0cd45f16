//! The words of settings and site files about CAs → those of the engine. Both write them alike, so both are read here.
//!
//! Not here: defaults, and what is a site's or the settings' alone.

use vestibule_acme::config::{ChallengeKind, DnsProvider, Need, Profile};
use vestibule_certs::store::KeyType;
use vestibule_site::acme as written;

/// A challenge.
pub fn challenge(challenge: written::Challenge) -> ChallengeKind {
    match challenge {
        written::Challenge::Http01 => ChallengeKind::Http01,
        written::Challenge::TlsAlpn01 => ChallengeKind::TlsAlpn01,
        written::Challenge::Dns01 => ChallengeKind::Dns01,
    }
}

/// A profile.
pub fn profile(profile: &written::Profile) -> Profile {
    Profile { name: profile.name.clone(), need: if profile.required { Need::Required } else { Need::Preferred } }
}

/// A type of key.
pub fn key_type(key_type: written::KeyType) -> KeyType {
    match key_type {
        written::KeyType::EcdsaP256 => KeyType::EcdsaP256,
        written::KeyType::EcdsaP384 => KeyType::EcdsaP384,
        written::KeyType::Rsa2048 => KeyType::Rsa2048,
        written::KeyType::Rsa4096 => KeyType::Rsa4096,
    }
}

/// A way into DNS.
pub fn dns_provider(provider: &written::DnsProvider) -> DnsProvider {
    match provider.clone() {
        written::DnsProvider::Exec { program, timeout } => DnsProvider::Exec { program: program.value, timeout },
        written::DnsProvider::Rfc2136 { server, key_name, algorithm, key_file } => {
            DnsProvider::Rfc2136 { server, key_name, algorithm, key_file: key_file.value }
        }
        written::DnsProvider::AcmeDns { server, credentials_file } => {
            DnsProvider::AcmeDns { server, credentials_file: credentials_file.value }
        }
    }
}
