//! Answers of a CA, made such that the library can read them: it refuses a whole document for one word it does not know,
//! and RFC 8555 section 7.1.6 and the registries of section 9.7 will go on growing.
//!
//! A status that is not known becomes one that keeps the order going (`pending`: look at what is open, then ask again); a
//! challenge that is not understood is left out; what nobody reads and could fail to parse is removed.

use serde_json::{Map, Value};

const ORDER: &[&str] = &["pending", "ready", "processing", "valid", "invalid"];
const AUTHORIZATION: &[&str] = &["pending", "valid", "invalid", "deactivated", "expired", "revoked"];
const CHALLENGE: &[&str] = &["pending", "processing", "valid", "invalid"];
/// Challenges of one authorization that are looked at.
const CHALLENGE_LIMIT: usize = 32;

/// The document in a form that the library reads. `replaces`: what the order was asked to replace; it is set, because the
/// library gives up an order that does not echo it (a MUST of RFC 9773 section 5 that is no reason to order again).
pub(super) fn normal(body: &[u8], replaces: Option<&str>) -> Option<Vec<u8>> {
    let mut document: Value = serde_json::from_slice(body).ok()?;
    let object = document.as_object_mut()?;
    if object.contains_key("finalize") {
        order(object, replaces);
    } else if object.contains_key("challenges") {
        authorization(object);
    } else if object.contains_key("url") && object.contains_key("type") {
        known_status(object, CHALLENGE, "processing");
        object.remove("error");
        object.entry("token").or_insert_with(|| "".into());
    }
    serde_json::to_vec(&document).ok()
}

fn order(object: &mut Map<String, Value>, replaces: Option<&str>) {
    known_status(object, ORDER, "pending");
    match replaces {
        Some(replaces) => object.insert("replaces".to_owned(), replaces.into()),
        None => object.remove("replaces"),
    };
    if !object.get("profile").is_some_and(Value::is_string) {
        object.remove("profile");
    }
    if !object.get("certificate").is_some_and(Value::is_string) {
        object.remove("certificate");
    }
    if object.get("status").and_then(Value::as_str) == Some("invalid") {
        object.entry("error").and_modify(readable_problem);
    } else {
        // An error that did not end the order does not end it here either.
        object.remove("error");
    }
}

fn authorization(object: &mut Map<String, Value>) {
    known_status(object, AUTHORIZATION, "pending");
    if !object.get("wildcard").is_some_and(Value::is_boolean) {
        object.remove("wildcard");
    }
    let Some(challenges) = object.get_mut("challenges").and_then(Value::as_array_mut) else {
        object.insert("challenges".to_owned(), Value::Array(Vec::new()));
        return;
    };
    challenges.retain(is_understood);
    challenges.truncate(CHALLENGE_LIMIT);
    for challenge in challenges.iter_mut().filter_map(Value::as_object_mut) {
        challenge.entry("error").and_modify(readable_problem);
    }
}

/// One that could be used: the fields of RFC 8555 section 8 are there, and the status is one that says something.
fn is_understood(challenge: &Value) -> bool {
    let text = |name: &str| challenge.get(name).and_then(Value::as_str);
    let token = challenge.get("token").is_none_or(Value::is_string);
    token && text("type").is_some() && text("url").is_some() && text("status").is_some_and(|s| CHALLENGE.contains(&s))
}

fn known_status(object: &mut Map<String, Value>, known: &[&str], otherwise: &str) {
    if !object.get("status").and_then(Value::as_str).is_some_and(|status| known.contains(&status)) {
        object.insert("status".to_owned(), otherwise.into());
    }
}

/// Keeps of a problem what the library can read; identifiers of types that it does not know are left out.
fn readable_problem(problem: &mut Value) {
    let Some(object) = problem.as_object_mut() else {
        *problem = Value::Null;
        return;
    };
    for text in ["type", "detail"] {
        if !object.get(text).is_some_and(Value::is_string) {
            object.remove(text);
        }
    }
    if object.get("status").and_then(Value::as_u64).is_none_or(|status| u16::try_from(status).is_err()) {
        object.remove("status");
    }
    let Some(parts) = object.get_mut("subproblems") else { return };
    if !parts.is_array() {
        *parts = Value::Array(Vec::new());
    }
    for part in parts.as_array_mut().into_iter().flatten() {
        readable_problem(part);
        let Some(part) = part.as_object_mut() else {
            *part = Value::Object(Map::new());
            continue;
        };
        if !part.get("identifier").is_some_and(is_known_identifier) {
            part.remove("identifier");
        }
    }
}

fn is_known_identifier(identifier: &Value) -> bool {
    let text = |name: &str| identifier.get(name).and_then(Value::as_str);
    match (text("type"), text("value")) {
        (Some("dns"), Some(_)) => true,
        (Some("ip"), Some(address)) => address.parse::<std::net::IpAddr>().is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use instant_acme::{AuthorizationState, AuthorizationStatus, Challenge, OrderState, OrderStatus};
    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    fn read<T: DeserializeOwned>(document: &Value, replaces: Option<&str>) -> T {
        let body = normal(&serde_json::to_vec(document).unwrap(), replaces).unwrap();
        serde_json::from_slice(&body).unwrap_or_else(|error| panic!("{error}: {document}"))
    }

    #[test]
    fn an_order_goes_on_whatever_words_it_has() {
        let base = json!({"status": "valid", "authorizations": [], "finalize": "https://ca.test/f"});
        let check = |change: Value, expected: OrderStatus| {
            let mut document = base.clone();
            document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            assert_eq!(read::<OrderState>(&document, None).status, expected, "{document}");
        };
        check(json!({}), OrderStatus::Valid);
        check(json!({"status": "reviewing"}), OrderStatus::Pending);
        check(json!({"status": 7}), OrderStatus::Pending);
        check(json!({"status": null, "new": {"a": []}}), OrderStatus::Pending);
        check(json!({"replaces": "no dot", "profile": 5, "certificate": 5}), OrderStatus::Valid);
        check(json!({"error": "text", "status": "invalid"}), OrderStatus::Invalid);
        check(json!({"error": {"type": "x"}}), OrderStatus::Valid);
        check(
            json!({"status": "invalid", "error": {"type": "x", "status": 100_000, "subproblems": [
                {"identifier": {"type": "future", "value": "x"}}, 5, {"identifier": {"type": "ip", "value": "x"}},
            ]}}),
            OrderStatus::Invalid,
        );
        check(json!({"status": "invalid", "error": {"subproblems": 5}}), OrderStatus::Invalid);
    }

    #[test]
    fn the_echo_of_replaces_is_not_insisted_on() {
        let document = json!({"status": "pending", "authorizations": [], "finalize": "https://ca.test/f"});
        let echo = read::<OrderState>(&document, Some("aki.serial")).replaces.unwrap();
        assert_eq!(echo.to_string(), "aki.serial");
    }

    #[test]
    fn challenges_that_are_not_understood_are_left_out() {
        let document = json!({
            "status": "brand-new", "identifier": {"type": "dns", "value": "a.test"}, "wildcard": "yes",
            "challenges": [
                {"type": "http-01", "url": "https://ca.test/1", "status": "pending", "token": "t", "extra": 1},
                {"type": "dns-01", "url": "https://ca.test/2", "status": "on-hold", "token": "t"},
                {"type": "future-02", "url": "https://ca.test/3", "status": "pending"},
                {"type": "tls-alpn-01", "status": "pending", "token": "t"},
                {"type": 5, "url": "https://ca.test/4", "status": "pending", "token": "t"},
                {"type": "tls-alpn-01", "url": "https://ca.test/5", "status": "invalid", "token": "t", "error": 5},
                "garbage",
            ],
        });
        let state = read::<AuthorizationState>(&document, None);
        assert_eq!(state.status, AuthorizationStatus::Pending);
        let urls: Vec<_> = state.challenges.iter().map(|challenge| challenge.url.as_str()).collect();
        assert_eq!(urls, ["https://ca.test/1", "https://ca.test/3", "https://ca.test/5"]);
    }

    #[test]
    fn a_challenge_that_was_answered_is_read_whatever_it_says() {
        let document = json!({"type": "http-01", "url": "https://ca.test/1", "status": "queued", "error": 5});
        read::<Challenge>(&document, None);
    }

    #[test]
    fn what_is_no_object_is_left_alone() {
        for body in ["", "[]", "<html>", "5", "null"] {
            assert_eq!(normal(body.as_bytes(), None), None, "{body}");
        }
    }
}
