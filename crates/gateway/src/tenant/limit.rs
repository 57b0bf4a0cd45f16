//! [`Limit`]: which of a tenant's limits refused something, as metrics and the log name it.

use vestibule_proxy::Refusal;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Limit {
    Connections,
    Requests,
    Rate,
    Handshakes,
    Tunnels,
    Upstreams,
    Buffers,
    /// What is left of the box is for tenants who have less.
    Share,
}

impl Limit {
    /// All of them, in the order of their numbers.
    pub(crate) const ALL: [Self; 8] = [
        Self::Connections,
        Self::Requests,
        Self::Rate,
        Self::Handshakes,
        Self::Tunnels,
        Self::Upstreams,
        Self::Buffers,
        Self::Share,
    ];

    /// As the settings name it, where they do.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Requests => "requests_in_flight",
            Self::Rate => "requests_per_second",
            Self::Handshakes => "handshakes_per_second",
            Self::Tunnels => "tunnels",
            Self::Upstreams => "upstream_connections",
            Self::Buffers => "buffered",
            Self::Share => "share",
        }
    }

    /// What a client is told who is past the handshake.
    pub(crate) fn refusal(self) -> Refusal {
        match self {
            Self::Connections | Self::Handshakes => Refusal::TenantConnections,
            Self::Requests => Refusal::TenantRequests,
            Self::Rate => Refusal::TenantRate,
            Self::Tunnels => Refusal::TenantTunnels,
            Self::Upstreams => Refusal::TenantUpstreams,
            Self::Buffers => Refusal::TenantBuffers,
            Self::Share => Refusal::TenantShare,
        }
    }

    /// The limit behind a refusal, if a tenant's is.
    pub(crate) fn behind(refusal: Refusal) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.refusal() == refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_refusals_know_each_other() {
        for (number, limit) in Limit::ALL.into_iter().enumerate() {
            assert_eq!(limit as usize, number);
            assert!(limit.refusal().is_tenants());
        }
        for refusal in Refusal::ALL {
            assert_eq!(Limit::behind(refusal).is_some(), refusal.is_tenants(), "{refusal:?}");
        }
    }
}
