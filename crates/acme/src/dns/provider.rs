//! Putting a record in place by whatever provider there is, and the way back.

use std::{path::PathBuf, time::Duration};

use vestibule_names::TenantId;

use super::{Inner, acme_dns, exec, failed, no_time, reach::Reach, rfc2136, txt::Txt, way::Way};
use crate::{
    config::DnsProvider,
    failure::{Failure, FailureKind},
};

/// How a record is taken away again.
#[derive(Clone, Debug)]
pub(super) enum WayBack {
    Program {
        program: PathBuf,
        timeout: Duration,
        /// For whom it was run.
        tenant: TenantId,
    },
    Update(rfc2136::Updater),
    /// It goes by itself.
    None,
}

/// Puts the record in place.
pub(super) async fn put(inner: &Inner, way: &Way<'_>, txt: &Txt) -> Result<WayBack, Failure> {
    let whose = way.owner;
    let reach = Reach::of(whose, inner.gateway_uid);
    let tools = (&inner.vault, &inner.lookups);
    match way.provider {
        DnsProvider::Exec { .. } if reach != Reach::Anywhere => {
            Err(failed(FailureKind::Configuration, "only the operator may name a DNS program".to_owned()))
        }
        DnsProvider::Exec { program, timeout } => {
            let turn = inner.turns.turn(way.tenant, way.until).await.ok_or_else(|| no_time(&txt.host))?;
            exec::run(program, *timeout, exec::Action::Present, txt).await?;
            drop(turn);
            Ok(WayBack::Program { program: program.clone(), timeout: *timeout, tenant: way.tenant })
        }
        DnsProvider::Rfc2136 { server, key_name, algorithm, key_file } => {
            let access = rfc2136::Access { server: *server, key_name, algorithm, key_file };
            rfc2136::add(&access, tools, (whose, reach), txt).await.map(WayBack::Update)
        }
        DnsProvider::AcmeDns { server, credentials_file } => {
            let access = acme_dns::Access { server, credentials_file };
            acme_dns::set(&access, tools, (whose, reach), txt).await?;
            Ok(WayBack::None)
        }
    }
}

/// Takes it away.
pub(super) async fn take(inner: &Inner, back: &WayBack, txt: &Txt) -> Result<(), Failure> {
    match back {
        WayBack::Program { program, timeout, tenant } => {
            let _turn = inner.turns.turn(*tenant, None).await;
            exec::run(program, *timeout, exec::Action::Cleanup, txt).await
        }
        WayBack::Update(updater) => updater.remove(txt).await,
        WayBack::None => Ok(()),
    }
}
