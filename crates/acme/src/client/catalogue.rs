//! [`Catalogue`]: a CA's directory (RFC 8555 section 7.1.1) as it was read: what we look at, and what the library gets.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{Directory, fault::Fault, transport::Answer};
use crate::failure::printable;

/// After this the directory is fetched anew.
pub(super) const LIFETIME: Duration = Duration::from_hours(1);
/// Profiles and CAA identities beyond this are not looked at.
const LIST_LIMIT: usize = 64;

/// See the module.
#[derive(Debug)]
pub(crate) struct Catalogue {
    /// For whoever asks.
    pub(super) directory: Directory,
    /// Where renewal information is (RFC 9773 section 4.1).
    pub(super) renewal_info: Option<String>,
    /// Where an account's key is changed.
    pub(super) has_key_change: bool,
    /// For the library: the same, without what it could stumble over.
    pub(super) body: Bytes,
    fetched: Instant,
}

impl Catalogue {
    /// From the answer to a GET of the directory.
    pub(super) fn read(answer: &Answer) -> Result<Self, Fault> {
        if !answer.status.is_success() {
            return Err(Fault::of(answer));
        }
        let strange = |what| Fault::Strange { status: answer.status, what, retry_after: answer.retry_after };
        let document = serde_json::from_slice::<Value>(&answer.body).ok();
        let Some(document) = document.as_ref().and_then(Value::as_object) else {
            return Err(strange("something that is no ACME directory"));
        };
        let url = |name: &str| document.get(name).and_then(Value::as_str);
        if ["newNonce", "newAccount", "newOrder"].iter().any(|name| url(name).is_none()) {
            return Err(strange("a directory that lacks newNonce, newAccount or newOrder"));
        }
        let urls = ["newNonce", "newAccount", "newOrder", "revokeCert", "keyChange", "renewalInfo"];
        let mut kept: Map<_, _> =
            urls.iter().filter_map(|name| Some(((*name).to_owned(), url(name)?.into()))).collect();
        let directory = read(document);
        kept.insert("meta".to_owned(), json!({"profiles": profiles(document)}));
        Ok(Self {
            directory,
            renewal_info: url("renewalInfo").map(str::to_owned),
            has_key_change: url("keyChange").is_some(),
            body: Value::Object(kept).to_string().into(),
            fetched: Instant::now(),
        })
    }

    /// Fetched a while ago: rather ask again.
    pub(super) fn is_old(&self) -> bool {
        self.fetched.elapsed() >= LIFETIME
    }

    /// Is the profile offered?
    pub(super) fn offers(&self, profile: &str) -> bool {
        self.directory.profiles.iter().any(|(name, _)| name == profile)
    }
}

fn read(document: &Map<String, Value>) -> Directory {
    let meta = |name: &str| document.get("meta").and_then(|meta| meta.get(name));
    let identities = meta("caaIdentities").and_then(Value::as_array).into_iter().flatten();
    Directory {
        profiles: profiles(document)
            .iter()
            .map(|(name, text)| (name.clone(), printable(text.as_str().unwrap_or_default())))
            .collect(),
        has_renewal_info: document.get("renewalInfo").is_some_and(Value::is_string),
        caa_identities: identities.filter_map(Value::as_str).map(printable).take(LIST_LIMIT).collect(),
        terms: meta("termsOfService").and_then(Value::as_str).map(printable),
    }
}

fn profiles(document: &Map<String, Value>) -> Map<String, Value> {
    let profiles = document.get("meta").and_then(|meta| meta.get("profiles")).and_then(Value::as_object);
    let text = |text: &Value| if text.is_string() { text.clone() } else { "".into() };
    profiles
        .into_iter()
        .flatten()
        .filter(|(name, _)| printable(name) == **name)
        .map(|(name, description)| (name.clone(), text(description)))
        .take(LIST_LIMIT)
        .collect()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn read(status: u16, body: &str) -> Result<Catalogue, String> {
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.to_owned().into(),
            retry_after: None,
            skew: None,
        };
        Catalogue::read(&answer).map_err(|fault| fault.to_string())
    }

    #[test]
    fn a_directory_is_read_with_what_it_has() {
        let found = read(
            200,
            r#"{"newNonce": "https://ca.test/n", "newAccount": "https://ca.test/a", "newOrder": "https://ca.test/o",
                "newAuthz": 5, "renewalInfo": "https://ca.test/r", "x": {}, "meta": {
                "profiles": {"classic": "https://ca.test/p", "odd": 5, "evil\u001b": "x"},
                "caaIdentities": ["ca.test", 5], "termsOfService": "https://ca.test/terms"}}"#,
        )
        .unwrap();
        let profiles = [("classic", "https://ca.test/p"), ("odd", "")];
        assert_eq!(found.directory.profiles, profiles.map(|(name, text)| (name.to_owned(), text.to_owned())));
        assert_eq!(found.directory.caa_identities, ["ca.test"]);
        assert_eq!(found.directory.terms.as_deref(), Some("https://ca.test/terms"));
        assert!(found.directory.has_renewal_info && found.offers("odd") && !found.offers("evil"));
        assert!(!found.has_key_change && !found.is_old());
        let kept: Value = serde_json::from_slice(&found.body).unwrap();
        assert_eq!(kept["meta"]["profiles"], json!({"classic": "https://ca.test/p", "odd": ""}));
        assert_eq!(kept.get("newAuthz"), None);
    }

    #[test]
    fn what_is_no_directory_is_told() {
        for (status, body, expected) in [
            (200, "<html>hello</html>", "HTTP status 200 with something that is no ACME directory"),
            (200, "[]", "HTTP status 200 with something that is no ACME directory"),
            (200, "{}", "HTTP status 200 with a directory that lacks newNonce, newAccount or newOrder"),
            (302, "", "HTTP status 302 with a redirect, which is not followed"),
            (404, "<html>", "HTTP status 404 with something that is no problem document"),
            (503, "", "HTTP status 503 with nothing else"),
            (500, r#"{"type": "urn:ietf:params:acme:error:serverInternal", "detail": "oh"}"#, "serverInternal: oh"),
        ] {
            assert_eq!(read(status, body).unwrap_err(), expected, "{status} {body}");
        }
    }
}
