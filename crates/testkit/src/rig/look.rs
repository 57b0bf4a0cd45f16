//! What a rig's gateway shows to clients that trust pebble only.

use std::io;

use super::AcmeRig;
use crate::certificate::Shown;

impl AcmeRig {
    /// [`Gateway::shown`](crate::Gateway::shown).
    ///
    /// # Errors
    /// Whatever the client takes offence at.
    pub async fn shown(&self, host: &str) -> io::Result<Shown> {
        self.gateway.shown(&self.trust, host).await
    }

    /// Waits until a handshake shows what is wanted.
    pub async fn wait_shown(&self, host: &str, what: &str, wanted: impl Fn(&Shown) -> bool) -> Shown {
        self.gateway.wait_shown(&self.trust, host, what, wanted).await
    }

    /// Waits for a certificate of pebble's.
    pub async fn certified(&self, host: &str) -> Shown {
        self.wait_shown(host, "a certificate", |_| true).await
    }
}
