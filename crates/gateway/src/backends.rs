//! The border between tenants and backends as this gateway has it: built from the settings, the gateway's own addresses and
//! what the kernel can tell; and [`Denials`], what was kept from crossing it.
//!
//! Not here: what the border says of one address (`vestibule_proxy::border`), and who holds a socket (`vestibule_owner`).

use std::{net::SocketAddr, sync::Arc};

use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::{Scope, TenantId, UpstreamAddr};
use vestibule_proxy::{
    Border,
    border::{Allowance, Finding, OwnerCheck, Rules, Why},
};
use vestibule_site::{
    Site,
    site::{Action, Spanned},
};

use crate::{
    fault::chain,
    tenancy::{self, Tenancy},
};

mod denials;

pub(crate) use denials::{Counts, Denials};

/// The border of a gateway that runs as `gateway_uid` and listens at `own`.
pub(crate) fn border(
    tenancy: &Tenancy,
    check: OwnerCheck,
    own: Vec<SocketAddr>,
    gateway_uid: u32,
    report: impl Fn(&Finding<'_>) + Send + Sync + 'static,
) -> Border {
    let rules = tenancy.clone();
    let free = Arc::new(Allowance::Free);
    let allowance = move |tenant: TenantId| {
        // A gateway that does not run as root serves its own user, who can do by himself what it does.
        if tenant == TenantId::OPERATOR || (gateway_uid != 0 && tenant.0 == gateway_uid) {
            return Arc::clone(&free);
        }
        let rule = rules.rule(tenant);
        Arc::new(Allowance::Bound { tenant, owners: rule.owners.clone(), upstreams: rule.upstreams.clone() })
    };
    Border::new(Rules {
        check,
        refuse: tenancy.upstreams.refuse.clone(),
        own,
        allowance: Box::new(allowance),
        report: Box::new(report),
    })
}

/// What the settings ask for, and what this kernel allows: tried once, at the start. Where the kernel does not say who
/// holds a socket, tenants' TCP backends are refused, and the operator is told what to write; everything else goes on.
pub(crate) fn owner_check(tenancy: &Tenancy) -> OwnerCheck {
    let asked = match tenancy.upstreams.owner {
        tenancy::OwnerCheck::Off => return OwnerCheck::Off,
        tenancy::OwnerCheck::Warn => OwnerCheck::Warn,
        tenancy::OwnerCheck::Enforce => OwnerCheck::Enforce,
    };
    match (vestibule_owner::probe::probe(), asked) {
        (Ok(_), asked) => asked,
        (Err(error), OwnerCheck::Enforce) => {
            tracing::error!(
                error = chain(&error),
                "the kernel does not say whose process listens on a port, so TCP backends of tenants are refused; load the \
                 module tcp_diag, allow AF_NETLINK sockets, or, if all tenants trust each other, write \
                 `upstreams: {{owner: warn}}` in the settings"
            );
            OwnerCheck::Blind
        }
        (Err(error), _) => {
            tracing::warn!(error = chain(&error), "whose process listens on a port cannot be asked, and is not");
            OwnerCheck::Off
        }
    }
}

/// Upstreams of a site that its tenant can never be connected to. That they lead to the gateway itself is told elsewhere.
pub(crate) fn out_of_bounds(border: &Border, owner: TenantId, site: &Site) -> Vec<Diagnostic> {
    let groups = site.routes.iter().filter_map(|route| match &route.action {
        Action::Upstream(group) => Some(group),
        _ => None,
    });
    let forbidden = groups.flat_map(|group| &group.addrs).filter_map(|addr| match border.forbids(owner, &addr.value) {
        None | Some(Why::Gateway) => None,
        Some(why) => Some(forbidden(addr, why)),
    });
    forbidden.collect()
}

fn forbidden(addr: &Spanned<UpstreamAddr>, why: Why) -> Diagnostic {
    let help = match why {
        Why::NotListed => {
            "a site's backends are sockets of its own user on this machine; the operator opens other places with \
             `tenants: {USER: {upstreams: [\"HOST:PORT\"]}}` in the settings"
        }
        Why::RefusedByOperator => "the operator keeps this place from all sites: `upstreams.refuse` in the settings",
        Why::Never(Scope::LinkLocal | Scope::Metadata) => {
            "no setting opens it: write the port on which your own program listens"
        }
        Why::Never(_) | Why::Gateway => "write the port on which your own program listens",
    };
    Diagnostic::new(catalogue::UPSTREAM_OUT_OF_BOUNDS, format!("the upstream {} {why}", addr.value))
        .at(addr.span, "nothing would be sent there")
        .help(help)
}
