//! What the scanners find in the scan's own set-up rather than in the gateway. Each has its reason, and one that is no longer
//! found must go.

use super::Finding;
use crate::Outcome;

/// What testssl.sh says every time.
const ALWAYS: &[(&str, &str)] = &[
    ("engine_problem", "of the OpenSSL that it runs with: Debian's has no GOST"),
    (
        "cert_revocation",
        "the local CA publishes no list and answers no OCSP; a public CA's certificate says where it does",
    ),
    ("HSTS", "what a site promises about itself is its owner's to say"),
    ("security_headers", "the same"),
];
/// What it says now and then.
const SOMETIMES: &[(&str, &str)] = &[(
    "sessionresumption_ticket",
    "with TLS 1.3 a ticket comes after the handshake, and its client does not always wait for it",
)];

/// No finding but these, and all of these.
pub(super) fn judge(found: &[Finding]) -> Outcome {
    let is_known = |finding: &&Finding| ALWAYS.iter().chain(SOMETIMES).any(|(id, _)| *id == finding.id);
    let mut wrong: Vec<String> = found
        .iter()
        .filter(|finding| !is_known(finding))
        .map(|finding| format!("{} finds {}: {}", finding.scanner, finding.id, finding.text))
        .collect();
    let gone = ALWAYS.iter().filter(|(id, _)| !found.iter().any(|finding| finding.id == *id));
    wrong.extend(gone.map(|(id, _)| format!("{id} is expected, and not found any more")));
    for (id, why) in ALWAYS {
        println!("expected: {id}: {why}");
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ids: &[&str]) -> Vec<Finding> {
        let finding = |id: &&str| Finding { scanner: "testssl.sh", id: (*id).to_owned(), text: "LOW".to_owned() };
        ids.iter().map(finding).collect()
    }

    #[test]
    fn what_is_found_is_what_is_expected_no_more_and_no_less() {
        let always: Vec<&str> = ALWAYS.iter().map(|(id, _)| *id).collect();
        assert!(judge(&found(&always)).is_ok());
        assert!(judge(&found(&[&always[..], &["sessionresumption_ticket"]].concat())).is_ok());
        assert!(judge(&found(&[&always[..], &["ROBOT"]].concat())).unwrap_err().to_string().contains("finds ROBOT"));
        assert!(judge(&found(&always[1..])).unwrap_err().to_string().contains("engine_problem is expected"));
    }
}
