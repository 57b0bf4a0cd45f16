//! Who may have a request served: its form, its signature, its nonce (RFC 8555 sections 6.1 to 6.5).

use http::{HeaderMap, header};

use super::{
    jws::{Jws, Key},
    reply::Problem,
    state::{State, Status},
};

/// Whose signature it is.
#[derive(Clone, Debug)]
pub(super) enum Signer {
    /// An account's, by `kid`.
    Account(usize),
    /// A key's, by `jwk`.
    Key(Key),
}

/// Which signers a resource takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Accounts,
    Keys,
    Either,
}

/// A request that got through.
#[derive(Debug)]
pub(super) struct Signed {
    pub(super) signer: Signer,
    pub(super) jws: Jws,
}

impl Signed {
    /// The account, where only accounts are taken.
    pub(super) fn account(&self) -> Result<usize, Problem> {
        match self.signer {
            Signer::Account(account) => Ok(account),
            Signer::Key(_) => Err(Problem::malformed("kid, not jwk")),
        }
    }

    /// POST-as-GET (RFC 8555 section 6.3)?
    pub(super) fn is_get(&self) -> bool {
        self.jws.payload.is_empty()
    }
}

impl State {
    pub(super) fn admit(
        &mut self,
        base: &str,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
        takes: Takes,
    ) -> Result<Signed, Problem> {
        if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/jose+json") {
            return Err(Problem::new(415, "malformed", "the content type is not application/jose+json"));
        }
        let jws = Jws::parse(body)?;
        if jws.header("url") != Some(&format!("{base}{path}")) {
            return Err(Problem::new(401, "unauthorized", "the url in the protected header is another one"));
        }
        let signer = self.signer(base, &jws, takes)?;
        let nonce = jws.header("nonce").ok_or_else(|| Problem::new(400, "badNonce", "no nonce"))?;
        if !self.nonces.spend(nonce) {
            return Err(Problem::new(400, "badNonce", "not a nonce of ours, or used"));
        }
        Ok(Signed { signer, jws })
    }

    fn signer(&self, base: &str, jws: &Jws, takes: Takes) -> Result<Signer, Problem> {
        match (jws.header("kid"), jws.protected.get("jwk"), takes) {
            (Some(_), Some(_), _) | (None, None, _) => Err(Problem::malformed("exactly one of kid and jwk")),
            (Some(_), None, Takes::Keys) => Err(Problem::malformed("jwk, not kid")),
            (None, Some(_), Takes::Accounts) => Err(Problem::malformed("kid, not jwk")),
            (Some(kid), None, _) => {
                let index = self.account_at(base, kid).ok_or_else(no_account)?;
                let account = &self.accounts[index];
                jws.verify(&account.key)?;
                match account.status {
                    Status::Valid => Ok(Signer::Account(index)),
                    other => Err(Problem::unauthorized(format!("the account is {}", other.word()))),
                }
            }
            (None, Some(jwk), _) => {
                let key = Key::from_jwk(jwk)?;
                jws.verify(&key)?;
                Ok(Signer::Key(key))
            }
        }
    }

    pub(super) fn account_at(&self, base: &str, url: &str) -> Option<usize> {
        let index: usize = url.strip_prefix(base)?.strip_prefix("/account/")?.parse().ok()?;
        self.accounts.get(index).is_some_and(|account| !account.key.is_nobodys()).then_some(index)
    }
}

pub(super) fn no_account() -> Problem {
    Problem::new(400, "accountDoesNotExist", "there is no such account")
}
