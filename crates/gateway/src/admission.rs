//! What a tenant may have, asked along the walks: [`greet`] before a handshake, [`admit`] before a request, and what becomes
//! of a request that was refused ([`hold_back`]). Who asks for nothing that exists has no tenant: such connections and
//! requests are bounded by the limits per client alone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use vestibule_proxy::Refusal;

use crate::{
    live::LiveSite,
    request::Walker,
    tenant::{Limit, Seat, Tenant},
    turnstile,
    worker::Worker,
};

/// A refusal for a tenant's limit goes out after this: who asks again at once, on connections that are open, is slowed
/// down to what costs little.
const REFUSAL_DELAY: Duration = Duration::from_millis(100);
/// Refusals of one tenant that are kept back at once. What is beyond that is refused at once, and its connection closed:
/// a new one costs the client more than us.
const DELAYED_LIMIT: u32 = 256;

/// A handshake of that site's tenant: its place, once its turn has come. The connection counts from here to its end.
pub(crate) async fn greet(worker: &Worker, site: &LiveSite) -> Result<Seat, Limit> {
    let tenant = &site.tenant;
    let admitted = tenant.begin_connection(worker.free_connections());
    let admitted = admitted.and_then(|seat| tenant.begin_handshake(Instant::now()).map(|()| seat));
    let seat = admitted.inspect_err(|limit| tenant.refuse(*limit))?;
    worker.turnstile().pass(tenant.id(), turnstile::HANDSHAKE).await;
    Ok(seat)
}

/// A request of that site's tenant that came at that moment: its place, once its turn has come.
pub(crate) async fn admit(walker: &Walker, site: &LiveSite, came: Instant) -> Result<Seat, Refusal> {
    let tenant = &site.tenant;
    walker.sit(tenant).map_err(Limit::refusal)?;
    let seat = tenant.begin_request(came).map_err(Limit::refusal)?;
    walker.worker().turnstile().pass(tenant.id(), turnstile::REQUEST).await;
    Ok(seat)
}

/// Counts a refusal for a tenant's limit, and keeps it back for a moment.
pub(crate) async fn hold_back(walker: &Walker, tenant: &Arc<Tenant>, limit: Limit) {
    tenant.refuse(limit);
    match tenant.begin_refusal(DELAYED_LIMIT) {
        Some(_seat) => tokio::time::sleep(REFUSAL_DELAY).await,
        None => walker.vitals().ask_close(),
    }
}
