//! Renewal information (RFC 9773) and revocation (RFC 8555 section 7.6).

use std::time::SystemTime;

use serde_json::json;
use x509_parser::parse_x509_certificate;

use super::{
    Shared,
    clock::rfc3339,
    gate::{Signed, Signer},
    inject::RetryAfter,
    jws,
    observe::Certificate,
    reply::{Problem, Reply},
    state::State,
};

/// RFC 5280 section 5.3.1, those that a subscriber may give (as Let's Encrypt takes them).
const REASONS: &[u64] = &[0, 1, 3, 4, 5];

impl Shared {
    pub(super) fn renewal_info(&self, state: &State, id: &str) -> Result<Reply, Problem> {
        let issued = state.certificates.iter().find(|issued| issued.seen.id == id).ok_or_else(Problem::missing)?;
        let (start, end) = state.windows.get(id).copied().unwrap_or_else(|| self.window_of(&issued.seen));
        let view = json!({ "suggestedWindow": { "start": rfc3339(start), "end": rfc3339(end) } });
        let again = RetryAfter::Seconds(state.settings.ask_again.as_secs());
        Ok(Reply::json(200, &view).retry_after(&self.clock, again))
    }

    /// Two thirds into its life, for a fiftieth of it; at once for what was revoked.
    fn window_of(&self, certificate: &Certificate) -> (SystemTime, SystemTime) {
        let life = certificate.not_after.duration_since(certificate.not_before).unwrap_or_default();
        if certificate.revoked.is_some() {
            let now = self.clock.now();
            return (now - life / 50, now);
        }
        let start = certificate.not_before + life / 3 * 2;
        (start, start + life / 50)
    }

    pub(super) fn revoke(&self, state: &mut State, signed: &Signed) -> Result<Reply, Problem> {
        let request = signed.jws.object()?;
        let der = request["certificate"].as_str().and_then(jws::decode);
        let der = der.ok_or_else(|| Problem::malformed("no certificate"))?;
        let issued = state.certificates.iter_mut().find(|issued| issued.leaf == der);
        let issued = issued.ok_or_else(|| Problem::new(404, "malformed", "not a certificate of ours"))?;
        let may = match &signed.signer {
            Signer::Account(account) => *account == issued.account,
            Signer::Key(key) => is_key_of(&der, key.point()),
        };
        if !may {
            return Err(Problem::unauthorized("neither the account's certificate nor the certificate's key"));
        }
        let reason = request["reason"].as_u64().unwrap_or(0);
        if !REASONS.contains(&reason) {
            return Err(Problem::new(400, "badRevocationReason", format!("no {reason} here")));
        }
        if issued.seen.revoked.is_some() {
            return Err(Problem::new(400, "alreadyRevoked", "once is enough"));
        }
        issued.seen.revoked = Some(reason);
        Ok(Reply::empty(200))
    }
}

fn is_key_of(certificate: &[u8], point: &[u8]) -> bool {
    parse_x509_certificate(certificate)
        .is_ok_and(|(_, certificate)| certificate.public_key().subject_public_key.data.as_ref() == point)
}
