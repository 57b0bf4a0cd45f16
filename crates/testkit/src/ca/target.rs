//! [`Target`]: what a path is about.

use super::inject::Endpoint;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Directory,
    NewNonce,
    NewAccount,
    Account(usize),
    KeyChange,
    NewOrder,
    Order(usize),
    Finalize(usize),
    Authorization(usize),
    /// The authorization, and which of its challenges.
    Challenge(usize, usize),
    /// The certificate, and which of its chains.
    Certificate(usize, usize),
    Revoke,
    RenewalInfo(String),
    Terms,
    Unknown,
}

impl Target {
    pub(super) fn parse(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let number = |text: &str| text.parse::<usize>().ok();
        let found = match parts.as_slice() {
            ["directory"] => Some(Self::Directory),
            ["new-nonce"] => Some(Self::NewNonce),
            ["new-account"] => Some(Self::NewAccount),
            ["key-change"] => Some(Self::KeyChange),
            ["new-order"] => Some(Self::NewOrder),
            ["revoke"] => Some(Self::Revoke),
            ["terms"] => Some(Self::Terms),
            ["renewal-info", id] => Some(Self::RenewalInfo((*id).to_owned())),
            ["account", id] => number(id).map(Self::Account),
            ["order", id] => number(id).map(Self::Order),
            ["order", id, "finalize"] => number(id).map(Self::Finalize),
            ["authz", id] => number(id).map(Self::Authorization),
            ["chall", id, index] => number(id).zip(number(index)).map(|(id, index)| Self::Challenge(id, index)),
            ["cert", id] => number(id).map(|id| Self::Certificate(id, 0)),
            ["cert", id, chain] => number(id).zip(number(chain)).map(|(id, chain)| Self::Certificate(id, chain)),
            _ => None,
        };
        found.unwrap_or(Self::Unknown)
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Directory => Endpoint::Directory,
            Self::NewNonce => Endpoint::NewNonce,
            Self::NewAccount => Endpoint::NewAccount,
            Self::Account(_) => Endpoint::Account,
            Self::KeyChange => Endpoint::KeyChange,
            Self::NewOrder => Endpoint::NewOrder,
            Self::Order(_) => Endpoint::Order,
            Self::Finalize(_) => Endpoint::Finalize,
            Self::Authorization(_) => Endpoint::Authorization,
            Self::Challenge(..) => Endpoint::Challenge,
            Self::Certificate(..) => Endpoint::Certificate,
            Self::Revoke => Endpoint::Revoke,
            Self::RenewalInfo(_) => Endpoint::RenewalInfo,
            Self::Terms | Self::Unknown => Endpoint::Elsewhere,
        }
    }
}
