//! What the CA knows: accounts, orders, authorizations, certificates. All in memory, under one lock.

use std::{
    collections::{HashMap, HashSet},
    time::SystemTime,
};

use serde_json::{Value, json};
use vestibule_names::HostPattern;

use super::{
    Settings,
    clock::rfc3339,
    inject::{Faults, RetryAfter},
    jws::{self, Key},
    observe::{Certificate, Request},
    reply::identifier,
    rules::{OrderId, Rules},
    validate::Outcome,
};

/// The states of all objects (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Pending,
    Ready,
    Processing,
    Valid,
    Invalid,
    Deactivated,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Processing => "processing",
            Self::Valid => "valid",
            Self::Invalid => "invalid",
            Self::Deactivated => "deactivated",
        }
    }
}

#[derive(Debug)]
pub(super) struct Account {
    pub(super) key: Key,
    pub(super) status: Status,
    pub(super) contact: Value,
}

#[derive(Debug)]
pub(super) struct Order {
    pub(super) account: usize,
    pub(super) names: Vec<HostPattern>,
    pub(super) authorizations: Vec<usize>,
    pub(super) status: Status,
    pub(super) at: SystemTime,
    pub(super) expires: SystemTime,
    pub(super) replaces: Option<String>,
    pub(super) profile: Option<String>,
    /// How the limits know it.
    pub(super) rule: OrderId,
    pub(super) certificate: Option<usize>,
    /// While it is processing: polls until it is done, and what they are told.
    pub(super) polls: u32,
    pub(super) poll_after: RetryAfter,
}

#[derive(Debug)]
pub(super) struct Authorization {
    pub(super) account: usize,
    pub(super) name: HostPattern,
    pub(super) status: Status,
    pub(super) expires: SystemTime,
    pub(super) challenges: Vec<Challenge>,
}

#[derive(Debug)]
pub(super) struct Challenge {
    pub(super) kind: &'static str,
    pub(super) token: String,
    pub(super) status: Status,
    pub(super) error: Option<Value>,
}

/// A certificate with its chains.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) seen: Certificate,
    /// The default first.
    pub(super) chains: Vec<String>,
    pub(super) leaf: Vec<u8>,
    pub(super) account: usize,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) settings: Settings,
    pub(super) accounts: Vec<Account>,
    pub(super) orders: Vec<Order>,
    pub(super) authorizations: Vec<Authorization>,
    pub(super) certificates: Vec<Issued>,
    pub(super) rules: Rules,
    pub(super) faults: Faults,
    pub(super) nonces: Nonces,
    /// What validations of a name come to, ahead of everything else; the last one stays.
    pub(super) scripts: HashMap<String, Vec<Outcome>>,
    pub(super) txt: HashMap<String, HashSet<String>>,
    /// Renewal windows set by hand.
    pub(super) windows: HashMap<String, (SystemTime, SystemTime)>,
    pub(super) log: Vec<Request>,
}

impl State {
    pub(super) fn new(settings: Settings) -> Self {
        let rules = Rules::new(settings.limits.clone());
        Self {
            settings,
            accounts: Vec::new(),
            orders: Vec::new(),
            authorizations: Vec::new(),
            certificates: Vec::new(),
            rules,
            faults: Faults::default(),
            nonces: Nonces::default(),
            scripts: HashMap::new(),
            txt: HashMap::new(),
            windows: HashMap::new(),
            log: Vec::new(),
        }
    }

    pub(super) fn account_of(&self, key: &Key) -> Option<usize> {
        self.accounts.iter().position(|account| account.key == *key)
    }

    /// Orders that were left to themselves become invalid (RFC 8555 section 7.1.6).
    pub(super) fn sweep(&mut self, now: SystemTime) {
        for order in &mut self.orders {
            if matches!(order.status, Status::Pending | Status::Ready) && order.expires <= now {
                order.status = Status::Invalid;
                self.rules.give_up(order.rule);
            }
        }
    }
}

impl Order {
    pub(super) fn view(&self, base: &str, id: usize) -> Value {
        let names = self.names.iter().map(|name| identifier(&name.to_string()));
        let urls = self.authorizations.iter().map(|id| format!("{base}/authz/{id}"));
        let mut view = json!({
            "status": self.status.word(),
            "expires": rfc3339(self.expires),
            "identifiers": names.collect::<Vec<_>>(),
            "authorizations": urls.collect::<Vec<_>>(),
            "finalize": format!("{base}/order/{id}/finalize"),
        });
        if let Some(replaces) = &self.replaces {
            view["replaces"] = replaces.as_str().into();
        }
        if let Some(profile) = &self.profile {
            view["profile"] = profile.as_str().into();
        }
        if let (Some(certificate), Status::Valid) = (self.certificate, self.status) {
            view["certificate"] = format!("{base}/cert/{certificate}").into();
        }
        view
    }
}

impl Authorization {
    pub(super) fn view(&self, base: &str, id: usize) -> Value {
        let name = self.name.to_string();
        let challenges = self.challenges.iter().enumerate().map(|(index, challenge)| challenge.view(base, id, index));
        let mut view = json!({
            "identifier": identifier(name.trim_start_matches("*.")),
            "status": self.status.word(),
            "expires": rfc3339(self.expires),
            "challenges": challenges.collect::<Vec<_>>(),
        });
        if matches!(self.name, HostPattern::Wildcard(_)) {
            view["wildcard"] = true.into();
        }
        view
    }
}

impl Challenge {
    pub(super) fn view(&self, base: &str, authorization: usize, index: usize) -> Value {
        let mut view = json!({
            "type": self.kind,
            "url": format!("{base}/chall/{authorization}/{index}"),
            "status": self.status.word(),
            "token": self.token,
        });
        if let Some(error) = &self.error {
            view["error"] = error.clone();
        }
        view
    }
}

/// Nonces given out and not come back (RFC 8555 section 6.5).
#[derive(Debug, Default)]
pub(super) struct Nonces {
    open: HashSet<String>,
    /// Of 100 good ones, so many are refused.
    pub(super) bad_percent: u32,
    owed: u32,
}

impl Nonces {
    /// More open ones than any client holds: the old go.
    const LIMIT: usize = 100_000;

    pub(super) fn issue(&mut self) -> String {
        if self.open.len() >= Self::LIMIT {
            self.open.clear();
        }
        let nonce = random_text();
        self.open.insert(nonce.clone());
        nonce
    }

    /// Good, once. The refused ones are spread evenly, so that a test is the same each time.
    pub(super) fn spend(&mut self, nonce: &str) -> bool {
        if !self.open.remove(nonce) {
            return false;
        }
        self.owed += self.bad_percent;
        let refused = self.owed >= 100;
        self.owed -= if refused { 100 } else { 0 };
        !refused
    }
}

/// 128 bits, base64url.
pub(super) fn random_text() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    jws::encode(bytes)
}
