//! [`Caller`]: who asks, as the kernel knows it (SO_PEERCRED of the accepted socket), and so what is shown. There is no
//! other proof of who asks, and no question without one.

use vestibule_names::TenantId;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Root, or the user as whom the gateway runs: everything.
    Operator,
    /// Any other user: what is their own.
    Tenant(TenantId),
}

impl Caller {
    /// Of the user on the other end of a socket, for a gateway that runs as `own`.
    pub(crate) fn of(uid: u32, own: u32) -> Self {
        if uid == TenantId::OPERATOR.0 || uid == own { Self::Operator } else { Self::Tenant(TenantId(uid)) }
    }

    /// May the caller see what belongs to that tenant?
    pub(crate) fn may_see(self, owner: TenantId) -> bool {
        match self {
            Self::Operator => true,
            Self::Tenant(tenant) => tenant == owner,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_is_root_and_the_gateways_own_user() {
        for (uid, own, operator) in [(0, 0, true), (0, 999, true), (999, 999, true), (1001, 999, false)] {
            assert_eq!(Caller::of(uid, own) == Caller::Operator, operator, "{uid} at a gateway of {own}");
        }
        let ann = Caller::Tenant(TenantId(1001));
        assert!(ann.may_see(TenantId(1001)) && !ann.may_see(TenantId(1002)) && !ann.may_see(TenantId::OPERATOR));
    }
}
