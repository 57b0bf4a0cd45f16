//! Where a look-up or a provider may lead us. What a tenant chose must not make the gateway talk to places that only the
//! gateway can reach: its own machine, the network behind it, the cloud's metadata.

use std::net::IpAddr;

use vestibule_names::{Scope, TenantId};

/// How far an address chosen by somebody may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The operator's: everywhere.
    Anywhere,
    /// A tenant's: only what is routed on the Internet.
    Internet,
}

impl Reach {
    /// That of a tenant. A gateway that does not run as root serves its own user, who can do by himself what it does.
    pub(crate) fn of(tenant: TenantId, gateway_uid: u32) -> Self {
        let is_operator = tenant == TenantId::OPERATOR || (gateway_uid != 0 && tenant.0 == gateway_uid);
        if is_operator { Self::Anywhere } else { Self::Internet }
    }

    /// May it be connected to?
    pub(crate) fn allows(self, address: IpAddr) -> bool {
        self == Self::Anywhere || is_global(address)
    }
}

/// Is it an address of the Internet?
pub(crate) fn is_global(address: IpAddr) -> bool {
    Scope::of(address) == Scope::Global
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_within_a_tenants_reach() {
        let inside = [
            "127.0.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "192.0.0.192",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001:db8::1",
            "3fff::1",
            "2001::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::1",
            "2002:a9fe:a9fe::1",
            "100::1",
        ];
        let outside = [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "223.255.255.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ];
        for text in inside {
            let address: IpAddr = text.parse().unwrap();
            assert!(!Reach::Internet.allows(address), "{text} must be out of reach");
            assert!(Reach::Anywhere.allows(address), "{text}");
        }
        for text in outside {
            assert!(Reach::Internet.allows(text.parse().unwrap()), "{text} must be within reach");
        }
    }

    #[test]
    fn the_operator_is_root_and_a_rootless_gateways_own_user() {
        let cases = [
            (0, 0, Reach::Anywhere),
            (0, 1000, Reach::Anywhere),
            (1000, 1000, Reach::Anywhere),
            (1000, 0, Reach::Internet),
            (1001, 1000, Reach::Internet),
        ];
        for (tenant, gateway, expected) in cases {
            assert_eq!(Reach::of(TenantId(tenant), gateway), expected, "{tenant} under {gateway}");
        }
    }
}
