//! Accounts: made, found, changed, ended; their keys changed (RFC 8555 sections 7.3 to 7.3.6).

use std::net::IpAddr;

use http::header;
use serde_json::{Value, json};

use super::{
    Shared,
    gate::{Signed, Signer, no_account},
    jws::{Jws, Key},
    reply::{Problem, Reply},
    state::{Account, State, Status},
};

impl Shared {
    pub(super) fn new_account(&self, state: &mut State, signed: &Signed, from: IpAddr) -> Result<Reply, Problem> {
        let Signer::Key(key) = &signed.signer else { return Err(Problem::malformed("jwk, not kid")) };
        let request = signed.jws.object()?;
        if let Some(index) = state.account_of(key) {
            if state.accounts[index].status != Status::Valid {
                return Err(Problem::unauthorized("the account is deactivated"));
            }
            return Ok(self.account_reply(200, state, index));
        }
        if request["onlyReturnExisting"] == true {
            return Err(no_account());
        }
        if request["termsOfServiceAgreed"] != true {
            return Err(Problem::malformed("the terms of service are not agreed to"));
        }
        let contact = contact(&request)?;
        self.check_binding(state, &request, key)?;
        let taken = state.rules.new_account(self.clock.since_epoch(), &from.to_string());
        taken.map_err(|refusal| self.refusal(refusal))?;
        state.accounts.push(Account { key: key.clone(), status: Status::Valid, contact });
        Ok(self.account_reply(201, state, state.accounts.len() - 1))
    }

    fn account_reply(&self, status: u16, state: &State, index: usize) -> Reply {
        let account = &state.accounts[index];
        let url = format!("{}/account/{index}", self.base);
        let view = json!({
            "status": account.status.word(), "contact": account.contact, "orders": format!("{url}/orders"),
        });
        Reply::json(status, &view).header(header::LOCATION, &url)
    }

    /// RFC 8555 section 7.3.4.
    fn check_binding(&self, state: &State, request: &Value, key: &Key) -> Result<(), Problem> {
        if state.settings.eab.is_empty() {
            return Ok(());
        }
        let Some(binding) = request.get("externalAccountBinding") else {
            return Err(Problem::new(403, "externalAccountRequired", "an external account must be bound"));
        };
        let binding = Jws::from_value(binding)?;
        let secret = binding.header("kid").and_then(|kid| state.settings.eab.get(kid));
        binding.verify_hmac(secret.ok_or_else(|| Problem::unauthorized("no such external account"))?)?;
        let to = Key::from_jwk(&binding.object()?)?;
        if to != *key || binding.header("url") != Some(&format!("{}/new-account", self.base)) {
            return Err(Problem::malformed("the external account is bound to something else"));
        }
        Ok(())
    }

    /// The account's own URL: looked at, its contact changed, deactivated.
    pub(super) fn account(&self, state: &mut State, signed: &Signed, index: usize) -> Result<Reply, Problem> {
        if signed.account()? != index {
            return Err(Problem::unauthorized("another account"));
        }
        if !signed.is_get() {
            let request = signed.jws.object()?;
            match request["status"].as_str() {
                Some("deactivated") => state.accounts[index].status = Status::Deactivated,
                Some("valid") | None => {}
                Some(_) => return Err(Problem::malformed("no such change of status")),
            }
            if request.get("contact").is_some() {
                state.accounts[index].contact = contact(&request)?;
            }
        }
        Ok(self.account_reply(200, state, index))
    }

    /// RFC 8555 section 7.3.5.
    pub(super) fn key_change(&self, state: &mut State, signed: &Signed) -> Result<Reply, Problem> {
        let index = signed.account()?;
        let inner = Jws::from_value(&signed.jws.object()?)?;
        let key = Key::from_jwk(&inner.protected["jwk"])?;
        inner.verify(&key)?;
        if inner.header("nonce").is_some() || inner.header("url") != signed.jws.header("url") {
            return Err(Problem::malformed("the inner header has a nonce, or another url"));
        }
        let request = inner.object()?;
        if request["account"].as_str() != Some(&format!("{}/account/{index}", self.base)) {
            return Err(Problem::malformed("another account"));
        }
        if Key::from_jwk(&request["oldKey"])? != state.accounts[index].key {
            return Err(Problem::malformed("oldKey is not the account's key"));
        }
        if let Some(other) = state.account_of(&key) {
            return Err(Problem::new(409, "malformed", "the key is another account's")
                .at(format!("{}/account/{other}", self.base)));
        }
        state.accounts[index].key = key;
        Ok(self.account_reply(200, state, index))
    }
}

fn contact(request: &Value) -> Result<Value, Problem> {
    let contact = request.get("contact").cloned().unwrap_or_else(|| json!([]));
    let urls = contact.as_array().ok_or_else(|| Problem::malformed("contact is no list"))?;
    let bad = |url: &&Value| !url.as_str().is_some_and(|url| url.starts_with("mailto:") && url.contains('@'));
    match urls.iter().find(bad) {
        Some(url) if url.as_str().is_some_and(|url| !url.starts_with("mailto:")) => {
            Err(Problem::new(400, "unsupportedContact", "only mailto"))
        }
        Some(url) => Err(Problem::new(400, "invalidContact", format!("{url} is no address"))),
        None => Ok(contact),
    }
}
