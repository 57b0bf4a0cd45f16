//! Step 2 of the walk: whose proofs are those that the CA has already?
//!
//! Authorizations are the account's (RFC 8555 section 7.1.4), and all tenants have one account: who claims a name that
//! another gave up would get a certificate for it without having proved anything. So a valid authorization is used only by
//! the tenant that is known to have answered for it; any other is deactivated (section 7.5.2), its order is given up, and the
//! planner places a new one, in which the name has to be proved. A name of which nobody knows who proved it (the order was
//! placed before, the journal is lost) is nobody's: that costs one more proof.
//!
//! The operator's own sites use whatever the account has: it is the operator's. Some CAs know whole domains as proved, by
//! contract, and ask for nothing.
//!
//! Not here: what is remembered, and for how long ([`vestibule_certs::store::Proof`]).

use vestibule_certs::store::Proof;
use vestibule_names::{HostPattern, TenantId};

use super::{
    classify::storage,
    fault::Fault,
    protocol::{Authorization, Placed, Standing, Status},
    walk::{Stop, Walk},
};
use crate::failure::{Failure, FailureKind, printable};

impl Walk<'_> {
    /// An order that was finalized has been through this.
    pub(super) async fn trust(&mut self, placed: &mut impl Placed) -> Result<(), Stop> {
        if !matches!(placed.status(), Status::Pending | Status::Ready) {
            return Ok(());
        }
        let authorizations = self.authorizations(placed).await?;
        let mut strange = Vec::new();
        for (index, authorization) in authorizations.iter().enumerate() {
            match authorization.standing {
                Standing::Proved if !self.is_own(authorization)? => strange.push((index, authorization.name.clone())),
                // Withdrawn for another tenant, perhaps, while this order lay on disk.
                Standing::Over => return Err(Stop::dead(self.gone())),
                Standing::Open | Standing::Proved | Standing::Failed(_) => {}
            }
        }
        self.disown(placed, &strange).await
    }

    /// The CA is about to be told to look for these. Returns those of which an earlier attempt may have told it.
    pub(super) async fn answer_for(
        &mut self,
        placed: &mut impl Placed,
        proofs: &[(usize, Proof)],
    ) -> Result<Vec<HostPattern>, Stop> {
        let (store, order) = (&self.client.tools.store, self.order);
        let ours: Vec<_> = proofs.iter().map(|(_, proof)| proof.clone()).collect();
        let noted = store.note_proofs(&order.ca, order.tenant, &ours, std::time::SystemTime::now());
        let noted = noted.map_err(|error| Stop::resumable(storage(&error)))?;
        let strange = proofs.iter().filter(|(_, proof)| noted.taken.contains(&proof.name));
        let strange: Vec<_> = strange.map(|(index, proof)| (*index, proof.name.clone())).collect();
        self.disown(placed, &strange).await.map(|()| noted.again)
    }

    fn is_own(&self, authorization: &Authorization) -> Result<bool, Stop> {
        let (store, order) = (&self.client.tools.store, self.order);
        if order.tenant == TenantId::OPERATOR {
            return Ok(true);
        }
        let known = store.is_proof_of(&order.ca, order.tenant, &authorization.proof());
        known.map_err(|error| Stop::resumable(storage(&error)))
    }

    /// Withdraws these, and with them the order.
    async fn disown(&mut self, placed: &mut impl Placed, strange: &[(usize, HostPattern)]) -> Result<(), Stop> {
        for (index, name) in strange {
            let mut faults = 0;
            while let Err(fault) = placed.deactivate(*index).await {
                if fault.is_passing() {
                    self.bear(&fault, &mut faults).await?;
                    continue;
                }
                // Also of what it has done, some CA's answer may make no sense.
                match self.look(placed, *index).await?.standing {
                    Standing::Open | Standing::Proved => return Err(Stop::dead(self.cannot_disown(name, &fault))),
                    Standing::Failed(_) | Standing::Over => break,
                }
            }
            tracing::info!(ca = %self.order.ca, %name, tenant = self.order.tenant.0, "a proof of others is withdrawn");
        }
        let Some((_, first)) = strange.first() else { return Ok(()) };
        let ca = &self.order.ca;
        let sentence = format!(
            "{ca} remembers a proof of {first} that is not known to be this tenant's: it has been withdrawn, and the name \
             is ordered anew and proved"
        );
        Err(Stop::dead(Failure::new(FailureKind::Gone, sentence)))
    }

    fn cannot_disown(&self, name: &HostPattern, fault: &Fault) -> Failure {
        let (ca, why) = (&self.order.ca, printable(&fault.to_string()));
        let sentence = format!(
            "{ca} takes {name} for proved, which this tenant is not known to have done, and does not withdraw that ({why}): \
             such a proof is never used; wait until it has run out there, or use another CA"
        );
        Failure::new(FailureKind::Configuration, sentence)
    }
}

impl Authorization {
    pub(super) fn proof(&self) -> Proof {
        Proof { name: self.name.clone(), authorization: self.url.clone() }
    }
}
