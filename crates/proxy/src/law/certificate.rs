//! What a backend is told of the client's certificate: `Client-Cert` (RFC 9440), by a site that asks for certificates.
//!
//! There the fields are the gateway's own, whoever forwarded the request (RFC 9440 section 2.4): a backend may believe them,
//! and their absence. `Client-Cert-Chain` is never written: intermediates come from the client, and a backend that wants to
//! judge a chain has to know them itself. A site that asks for none passes on what a trusted proxy says.

use http::{HeaderMap, HeaderName};

use crate::ClientCertificate;

const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// Writes or removes the fields.
pub(super) fn stamp(headers: &mut HeaderMap, certificate: ClientCertificate<'_>) {
    if certificate == ClientCertificate::NotAsked {
        return;
    }
    headers.remove(CLIENT_CERT_CHAIN);
    match certificate {
        ClientCertificate::Shown(field) => drop(headers.insert(CLIENT_CERT, field.clone())),
        ClientCertificate::NotAsked | ClientCertificate::NotShown => drop(headers.remove(CLIENT_CERT)),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_fields_are_the_gateways_where_it_asks_and_nobodys_else() {
        let ours = HeaderValue::from_static(":b3Vycw==:");
        let check = |certificate, expected: &[&str]| {
            let mut headers = HeaderMap::new();
            for (name, value) in [("client-cert", ":a:"), ("client-cert", ":b:"), ("client-cert-chain", ":c:")] {
                headers.append(name, HeaderValue::from_static(value));
            }
            stamp(&mut headers, certificate);
            let left: Vec<_> = headers.values().map(|value| value.to_str().unwrap()).collect();
            assert_eq!(left, expected, "{certificate:?}");
        };
        check(ClientCertificate::NotAsked, &[":a:", ":b:", ":c:"]);
        check(ClientCertificate::NotShown, &[]);
        check(ClientCertificate::Shown(&ours), &[":b3Vycw==:"]);
    }
}
