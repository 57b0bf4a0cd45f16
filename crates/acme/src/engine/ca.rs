//! [`Ca`]: one CA as the engine sees it. [`Client`] is the real one; tests script another.

use vestibule_certs::store::{Issued, Pending};

use crate::{
    Client, Failure,
    client::Directory,
    plan::{Obtained, Order, RenewalWindow},
};

/// What the engine asks of a CA. Every future may be dropped at any point: what must survive that is in the store.
pub trait Ca: 'static {
    /// See [`Client::directory`].
    fn directory(&self) -> impl Future<Output = Result<Directory, Failure>>;
    /// See [`Client::obtain`].
    fn obtain(&self, order: &Order) -> impl Future<Output = Result<Obtained, Failure>>;
    /// See [`Client::resume`].
    fn resume(&self, pending: Pending, order: &Order) -> impl Future<Output = Result<Obtained, Failure>>;
    /// See [`Client::renewal_info`].
    fn renewal_info(&self, certificate: &str) -> impl Future<Output = Result<RenewalWindow, Failure>>;
    /// See [`Client::revoke`].
    fn revoke(&self, issued: &Issued, reason: u8) -> impl Future<Output = Result<(), Failure>>;
    /// See [`Client::roll_over`].
    fn roll_over(&self) -> impl Future<Output = Result<(), Failure>>;
    /// See [`Client::account`].
    fn account(&self) -> Option<String>;
}

impl Ca for Client {
    async fn directory(&self) -> Result<Directory, Failure> {
        Self::directory(self).await
    }

    async fn obtain(&self, order: &Order) -> Result<Obtained, Failure> {
        Self::obtain(self, order).await
    }

    async fn resume(&self, pending: Pending, order: &Order) -> Result<Obtained, Failure> {
        Self::resume(self, pending, order).await
    }

    async fn renewal_info(&self, certificate: &str) -> Result<RenewalWindow, Failure> {
        Self::renewal_info(self, certificate).await
    }

    async fn revoke(&self, issued: &Issued, reason: u8) -> Result<(), Failure> {
        Self::revoke(self, issued, reason).await
    }

    async fn roll_over(&self) -> Result<(), Failure> {
        Self::roll_over(self).await
    }

    fn account(&self) -> Option<String> {
        Self::account(self)
    }
}
