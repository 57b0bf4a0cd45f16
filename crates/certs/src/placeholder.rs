//! [`Placeholder`]: what a handshake is shown for a name that has no certificate yet: one self-signed certificate for all
//! of them, that says what it is. Who goes on in spite of it talks to the right gateway, but to nobody he could trust.
//!
//! It names no site: one for each would cost a signature for whoever asks, and there is nothing to be proved. It seals no
//! tickets: a session must not outlive it into the time of the real certificate. Not here: when it is shown (`identity`).

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256};
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::local_ca::{BACKDATED, SignError, common_name};

/// Short: nobody should come to rely on it.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
/// The common name, for whoever looks at it in a browser.
pub(crate) const SUBJECT: &str = "Placeholder: this site has no certificate yet";
/// The one name: it can never be asked for (RFC 6761 section 6.4), and covers no site by accident.
const NAME: &str = "placeholder.invalid";

/// One per vault, made at its first use.
#[derive(Default)]
pub(crate) struct Placeholder {
    made: ArcSwapOption<Made>,
    making: Mutex<()>,
}

struct Made {
    config: Arc<ServerConfig>,
    not_before: SystemTime,
    renew_after: SystemTime,
}

impl Placeholder {
    /// The configuration that shows it; signed anew when two thirds of its time are over.
    pub(crate) fn config(
        &self,
        template: &ServerConfig,
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Result<Arc<ServerConfig>, SignError> {
        if let Some(config) = self.fresh(now) {
            return Ok(config);
        }
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = self.fresh(now) {
            return Ok(config);
        }
        let (not_before, not_after) = validity(now);
        let config = Arc::new(config(template, provider, not_before, not_after)?);
        let renew_after = not_after - LIFETIME / 3;
        self.made.store(Some(Arc::new(Made { config: Arc::clone(&config), not_before, renew_after })));
        Ok(config)
    }

    fn fresh(&self, now: SystemTime) -> Option<Arc<ServerConfig>> {
        let made = self.made.load();
        let made = made.as_ref().filter(|made| made.not_before <= now && now < made.renew_after)?;
        Some(Arc::clone(&made.config))
    }
}

/// When one made now would count.
pub(crate) fn validity(now: SystemTime) -> (SystemTime, SystemTime) {
    (now.checked_sub(BACKDATED).unwrap_or(now), now + LIFETIME)
}

fn config(
    template: &ServerConfig,
    provider: &CryptoProvider,
    not_before: SystemTime,
    not_after: SystemTime,
) -> Result<ServerConfig, SignError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new([NAME.to_owned()])?;
    params.distinguished_name = common_name(SUBJECT);
    params.not_before = not_before.into();
    params.not_after = not_after.into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let certified = CertifiedKey::new(vec![certificate.into()], provider.key_provider.load_private_key(key)?);
    let mut config = template.clone();
    config.cert_resolver = Arc::new(SingleCertAndKey::from(certified));
    config.send_tls13_tickets = 0;
    Ok(config)
}

impl fmt::Debug for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Placeholder").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{testing::DAY, tls};

    #[test]
    fn it_is_made_once_and_again_before_it_ends() {
        let provider = tls::crypto_provider();
        let template = tls::server_template(&provider).unwrap();
        let (placeholder, now) = (Placeholder::default(), SystemTime::now());
        let at = |now| placeholder.config(&template, &provider, now).unwrap();
        let first = at(now);
        assert!(Arc::ptr_eq(&first, &at(now + 4 * DAY)));
        let second = at(now + 5 * DAY);
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(!Arc::ptr_eq(&second, &at(now)), "the clock was set back to before it began");
    }
}
