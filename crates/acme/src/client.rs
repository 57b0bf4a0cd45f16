//! [`Client`]: one CA. Accounts, the walk of an order, renewal information, revocation; over our own transport, with
//! instant-acme behind a trait of ours.

use vestibule_certs::{
    Vault,
    store::{Issued, Pending, Store},
};

use crate::{
    config::CaConfig,
    dns::Dns,
    door::Door,
    failure::Failure,
    plan::{Obtained, Order, RenewalWindow},
};

/// What a client works with.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Where keys, orders and chains are made durable.
    pub store: Store,
    /// Makes configurations for `acme-tls/1`.
    pub vault: Vault,
    /// Where challenges are answered.
    pub door: Door,
    /// Look-ups and DNS-01.
    pub dns: Dns,
}

/// What a directory says of its CA.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Profiles offered, with their descriptions.
    pub profiles: Vec<(String, String)>,
    /// Does it have renewal information (RFC 9773)?
    pub has_renewal_info: bool,
    /// What a CAA record must name.
    pub caa_identities: Vec<String>,
    /// Terms of service.
    pub terms: Option<String>,
}

/// One CA.
#[derive(Debug)]
pub struct Client {
    _config: CaConfig,
    _tools: Tools,
}

impl Client {
    /// Asks nobody yet: the account is made, or recovered from its key, with the first order.
    pub fn new(_config: CaConfig, _tools: Tools) -> Result<Self, Failure> {
        todo!()
    }

    /// The directory, fetched anew when the last look is older than an hour.
    pub async fn directory(&self) -> Result<Directory, Failure> {
        todo!()
    }

    /// One order from its request to the committed issuance. Everything that costs something at the CA is durable before it
    /// is asked for (key and order URL before finalize), so that [`Client::resume`] goes on after a kill.
    pub async fn obtain(&self, _order: &Order) -> Result<Obtained, Failure> {
        todo!()
    }

    /// Goes on with an order of an earlier run: from its URL, or anew with the same key when it has none.
    pub async fn resume(&self, _pending: Pending, _order: &Order) -> Result<Obtained, Failure> {
        todo!()
    }

    /// Renewal information of a certificate by its identifier (RFC 9773 section 4.1).
    pub async fn renewal_info(&self, _certificate: &str) -> Result<RenewalWindow, Failure> {
        todo!()
    }

    /// Revokes an issuance (RFC 8555 section 7.6) with a reason code of RFC 5280 section 5.3.1.
    pub async fn revoke(&self, _issued: &Issued, _reason: u8) -> Result<(), Failure> {
        todo!()
    }

    /// Changes the account's key (RFC 8555 section 7.3.5); the new one is durable before the CA is asked, and a kill in
    /// between leaves the account usable.
    pub async fn roll_over(&self) -> Result<(), Failure> {
        todo!()
    }

    /// The account's URL, if there is one already.
    pub fn account(&self) -> Option<String> {
        todo!()
    }
}
