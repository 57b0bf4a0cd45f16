//! [`Told`]: an event in the form in which a program reads it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};
use vestibule_certs::store::Issued;
use vestibule_names::{HostPattern, TenantId};

use crate::{engine::Event, printable::printable};

/// Of a reason.
const REASON_LIMIT: usize = 1000;

/// Ready to be handed over.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) word: &'static str,
    /// Whose it is.
    pub(super) tenant: TenantId,
    pub(super) variables: Vec<(&'static str, String)>,
    pub(super) document: Vec<u8>,
}

/// Both forms grow together, so that neither says less.
struct Draft {
    variables: Vec<(&'static str, String)>,
    document: Map<String, Value>,
}

impl Told {
    pub(super) fn new(event: &Event) -> Self {
        let word = word(event);
        let mut draft = Draft { variables: Vec::new(), document: Map::new() };
        draft.text("VESTIBULE_EVENT", "event", word.to_owned());
        match event {
            Event::Obtained(issued) | Event::Renewed(issued) | Event::Revoked(issued) => draft.issued(issued),
            Event::Expiring { issued, why } => {
                draft.issued(issued);
                if let Some(why) = why {
                    draft.reason(why);
                }
            }
            Event::Failed { tenant, names, failure, next_attempt } => {
                draft.names(names);
                draft.tenant(*tenant);
                draft.reason(&failure.sentence);
                if let Some(next) = next_attempt {
                    draft.moment("VESTIBULE_NEXT_ATTEMPT", "next_attempt", (*next).into());
                }
            }
            Event::Quarantined { tenant, name, why } => {
                draft.names(std::slice::from_ref(name));
                draft.tenant(*tenant);
                draft.reason(why);
            }
        }
        let document = Value::Object(draft.document).to_string().into_bytes();
        Self { word, tenant: tenant(event), variables: draft.variables, document }
    }
}

fn word(event: &Event) -> &'static str {
    match event {
        Event::Obtained(_) => "obtained",
        Event::Renewed(_) => "renewed",
        Event::Failed { .. } => "failed",
        Event::Expiring { .. } => "expiring",
        Event::Quarantined { .. } => "quarantined",
        Event::Revoked(_) => "revoked",
    }
}

fn tenant(event: &Event) -> TenantId {
    match event {
        Event::Obtained(issued) | Event::Renewed(issued) | Event::Revoked(issued) => issued.draft.tenant,
        Event::Expiring { issued, .. } => issued.draft.tenant,
        Event::Failed { tenant, .. } | Event::Quarantined { tenant, .. } => *tenant,
    }
}

impl Draft {
    fn text(&mut self, variable: &'static str, key: &str, value: String) {
        self.document.insert(key.to_owned(), Value::String(value.clone()));
        self.variables.push((variable, value));
    }

    fn names(&mut self, names: &[HostPattern]) {
        let names: Vec<String> = names.iter().map(HostPattern::to_string).collect();
        self.variables.push(("VESTIBULE_NAMES", names.join(" ")));
        self.document.insert("names".to_owned(), names.into());
    }

    fn reason(&mut self, why: &str) {
        self.text("VESTIBULE_REASON", "reason", printable(why, REASON_LIMIT));
    }

    fn number(&mut self, variable: &'static str, key: &str, value: u64) {
        self.document.insert(key.to_owned(), value.into());
        self.variables.push((variable, value.to_string()));
    }

    fn moment(&mut self, variable: &'static str, key: &str, moment: SystemTime) {
        self.number(variable, key, moment.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
    }

    fn tenant(&mut self, tenant: TenantId) {
        self.number("VESTIBULE_TENANT", "tenant", tenant.0.into());
    }

    fn issued(&mut self, issued: &Issued) {
        self.names(&issued.draft.names);
        self.tenant(issued.draft.tenant);
        self.text("VESTIBULE_ISSUANCE", "issuance", issued.id.as_str().to_owned());
        self.text("VESTIBULE_CA", "ca", issued.draft.ca.as_str().to_owned());
        self.moment("VESTIBULE_NOT_AFTER", "not_after", issued.not_after);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Failure, FailureKind, Timestamp};
    use vestibule_certs::{
        Fingerprint,
        store::{CaId, Draft as IssuanceDraft, IssuanceId, KeyType},
    };

    fn issued() -> Issued {
        let names = ["*.example.com", "example.com"].map(|name| HostPattern::parse(name).unwrap()).to_vec();
        let draft = IssuanceDraft {
            tenant: TenantId(1000),
            names,
            ca: CaId::new("letsencrypt").unwrap(),
            profile: None,
            key_type: KeyType::EcdsaP256,
            renews: None,
        };
        Issued {
            id: IssuanceId::new("0000000012-example.com"),
            draft,
            not_before: Timestamp(0).into(),
            not_after: Timestamp(1_900_000_000_500).into(),
            obtained: Timestamp(0).into(),
            ari: None,
            issuer: "R11".into(),
            fingerprint: Fingerprint::default(),
        }
    }

    fn check(event: &Event, document: &str, variables: &[(&str, &str)]) {
        let told = Told::new(event);
        assert_eq!(String::from_utf8(told.document).unwrap(), document);
        let found: Vec<_> = told.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(found, variables);
    }

    #[test]
    fn a_certificate_is_told_with_all_that_finds_it() {
        check(
            &Event::Obtained(issued()),
            r#"{"event":"obtained","names":["*.example.com","example.com"],"tenant":1000,"issuance":"0000000012-example.com","ca":"letsencrypt","not_after":1900000000}"#,
            &[
                ("VESTIBULE_EVENT", "obtained"),
                ("VESTIBULE_NAMES", "*.example.com example.com"),
                ("VESTIBULE_TENANT", "1000"),
                ("VESTIBULE_ISSUANCE", "0000000012-example.com"),
                ("VESTIBULE_CA", "letsencrypt"),
                ("VESTIBULE_NOT_AFTER", "1900000000"),
            ],
        );
    }

    #[test]
    fn a_failure_is_told_with_its_reason_in_plain_text() {
        let failure = Failure {
            kind: FailureKind::Ca,
            sentence: "the CA said:\n\x1b[31m\"no\"\0".to_owned(),
            names: Vec::new(),
            retry_after: None,
            asked: crate::Asked::Ca,
        };
        let names = vec![HostPattern::parse("a.example.com").unwrap()];
        check(
            &Event::Failed { tenant: TenantId(7), names, failure, next_attempt: Some(Timestamp(61_000)) },
            r#"{"event":"failed","names":["a.example.com"],"tenant":7,"reason":"the CA said: �[31m\"no\"�","next_attempt":61}"#,
            &[
                ("VESTIBULE_EVENT", "failed"),
                ("VESTIBULE_NAMES", "a.example.com"),
                ("VESTIBULE_TENANT", "7"),
                ("VESTIBULE_REASON", "the CA said: \u{fffd}[31m\"no\"\u{fffd}"),
                ("VESTIBULE_NEXT_ATTEMPT", "61"),
            ],
        );
    }

    #[test]
    fn every_event_has_its_word() {
        let name = HostPattern::parse("a.example.com").unwrap();
        let events = [
            (Event::Renewed(issued()), "renewed"),
            (Event::Revoked(issued()), "revoked"),
            (Event::Expiring { issued: issued(), why: Some("the CA is down".to_owned()) }, "expiring"),
            (Event::Quarantined { tenant: TenantId(7), name, why: "it points elsewhere".to_owned() }, "quarantined"),
        ];
        for (event, word) in events {
            assert_eq!(Told::new(&event).variables[0], ("VESTIBULE_EVENT", word.to_owned()));
        }
    }
}
