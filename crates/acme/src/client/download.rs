//! Step 5 of the walk: the chain, and of several the preferred one (RFC 8555 section 7.4.2).

use vestibule_certs::CertificateFacts;

use super::{
    protocol::Placed,
    walk::{Stop, Walk},
};

/// Other chains that are looked at; CAs have two or three.
const ALTERNATE_LIMIT: usize = 8;

impl Walk<'_> {
    pub(super) async fn download(&mut self, placed: &mut impl Placed) -> Result<Vec<u8>, Stop> {
        let mut faults = 0;
        let chain = loop {
            match placed.chain().await {
                Ok(chain) => break chain,
                Err(fault) => self.bear(&fault, &mut faults).await?,
            }
        };
        let Some(preferred) = &self.client.config.preferred_chain else { return Ok(chain.pem) };
        if is_of(&chain.pem, preferred) {
            return Ok(chain.pem);
        }
        for url in chain.alternates.iter().take(ALTERNATE_LIMIT) {
            match placed.alternate(url).await {
                Ok(pem) if is_of(&pem, preferred) => return Ok(pem),
                Ok(_) => {}
                // The default chain is good as well.
                Err(fault) => tracing::warn!(ca = %self.order.ca, %fault, "another chain could not be had"),
            }
        }
        tracing::warn!(ca = %self.order.ca, preferred, "the CA has no chain of this issuer: its default one is taken");
        Ok(chain.pem)
    }
}

/// Has one of its certificates an issuer of that name?
fn is_of(chain_pem: &[u8], issuer: &str) -> bool {
    CertificateFacts::issuers(chain_pem).iter().any(|name| name == issuer)
}
