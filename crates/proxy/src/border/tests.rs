//! The border as a table: who is led where by which spelling.

use vestibule_names::Hostname;

use super::*;

const A: TenantId = TenantId(1001);

fn places(texts: &[&str]) -> Vec<Destination> {
    texts.iter().map(|text| Destination::parse(text).unwrap()).collect()
}

fn border(refuse: &[&str], own: &[&str]) -> Border {
    Border::new(Rules {
        check: OwnerCheck::Enforce,
        refuse: places(refuse),
        own: own.iter().map(|text| text.parse().unwrap()).collect(),
        allowance: Box::new(|tenant| match tenant {
            TenantId::OPERATOR => Arc::new(Allowance::Free),
            tenant => Arc::new(Allowance::Bound { tenant, owners: Vec::new(), upstreams: Vec::new() }),
        }),
        report: Box::new(|_| {}),
    })
}

fn bound(upstreams: &[&str]) -> Allowance {
    Allowance::Bound { tenant: A, owners: vec![TenantId(33)], upstreams: places(upstreams) }
}

/// By address, or by a name that led to it.
fn judge(border: &Border, allowance: &Allowance, name: Option<&str>, addr: &str) -> Verdict {
    let addr: SocketAddr = addr.parse().unwrap();
    let target = match name {
        None => UpstreamTarget::Address(addr),
        Some(name) => UpstreamTarget::Name(Hostname::parse(name).unwrap(), addr.port()),
    };
    border.judge(allowance, &target, addr)
}

#[test]
fn a_tenant_is_led_to_its_own_loopback_and_nowhere_else() {
    use Scope::{LinkLocal, Metadata, Multicast, Reserved, Unspecified};
    let never = |scope| Verdict::Denied(Why::Never(scope));
    let (gateway, refused) = (Verdict::Denied(Why::Gateway), Verdict::Denied(Why::RefusedByOperator));
    let border = border(
        &["*:6379", "127.0.0.1:9000-9099", "db.internal:5432"],
        &["0.0.0.0:443", "[::]:80", "127.0.0.1:2019", "[::1]:2020"],
    );
    let nothing_listed = bound(&[]);
    let table = [
        (None, "127.0.0.1:5000", Verdict::Owned),
        (None, "127.8.9.10:5000", Verdict::Owned),
        (None, "[::1]:5000", Verdict::Owned),
        (None, "[::ffff:127.0.0.1]:5000", Verdict::Owned),
        (Some("localhost"), "127.0.0.1:5000", Verdict::Owned),
        (Some("rebound.example"), "127.0.0.1:5000", Verdict::Owned),
        // the gateway, however it is written
        (None, "127.0.0.1:443", gateway.clone()),
        (None, "127.0.0.9:443", gateway.clone()),
        (None, "[::ffff:127.0.0.1]:443", gateway.clone()),
        (None, "[::1]:80", gateway.clone()),
        (None, "127.0.0.1:80", gateway.clone()),
        (None, "127.0.0.1:2019", gateway.clone()),
        (None, "[::1]:2020", gateway.clone()),
        (None, "[::1]:2019", Verdict::Owned),
        (None, "0.0.0.0:2019", gateway.clone()),
        (Some("rebound.example"), "127.0.0.1:2019", gateway),
        // the operator's services
        (None, "127.0.0.1:6379", refused.clone()),
        (None, "[::1]:6379", refused.clone()),
        (None, "[::ffff:127.0.0.1]:9050", refused.clone()),
        (None, "127.0.0.1:9100", Verdict::Owned),
        (Some("rebound.example"), "127.0.0.1:9000", refused.clone()),
        (Some("db.internal"), "127.0.0.1:5432", refused),
        // what is nobody's backend, by address and by a name that leads there
        (None, "0.0.0.0:5000", never(Unspecified)),
        (None, "0.1.2.3:5000", never(Unspecified)),
        (None, "[::]:5000", never(Unspecified)),
        (None, "169.254.169.254:80", Verdict::Denied(Why::Never(LinkLocal))),
        (Some("rebound.example"), "169.254.169.254:8080", never(LinkLocal)),
        (None, "[::ffff:169.254.169.254]:8080", never(LinkLocal)),
        (None, "[fe80::1]:5000", never(LinkLocal)),
        (None, "[fd00:ec2::254]:8080", never(Metadata)),
        (None, "100.100.100.200:8080", never(Metadata)),
        (None, "168.63.129.16:8080", never(Metadata)),
        (None, "224.0.0.1:5000", never(Multicast)),
        (None, "255.255.255.255:5000", never(Multicast)),
        (None, "[ff02::1]:5000", never(Multicast)),
        (None, "[64:ff9b::a9fe:a9fe]:8080", never(Reserved)),
        (None, "[64:ff9b::7f00:1]:8080", never(Reserved)),
        (None, "[2002:7f00:1::1]:8080", never(Reserved)),
        (None, "[2002:a9fe:a9fe::1]:8080", never(Reserved)),
        (None, "[::7f00:1]:8080", never(Reserved)),
        (None, "240.0.0.1:5000", never(Reserved)),
        // other hosts
        (None, "10.0.0.5:5000", Verdict::Denied(Why::NotListed)),
        (None, "192.168.1.1:5000", Verdict::Denied(Why::NotListed)),
        (None, "93.184.216.34:5000", Verdict::Denied(Why::NotListed)),
        (None, "[2606:4700::1111]:5000", Verdict::Denied(Why::NotListed)),
        (None, "[fc00::1]:5000", Verdict::Denied(Why::NotListed)),
        (Some("api.example"), "93.184.216.34:5000", Verdict::Denied(Why::NotListed)),
    ];
    for (name, addr, expected) in table {
        assert_eq!(judge(&border, &nothing_listed, name, addr), expected, "{name:?} {addr}");
        assert_eq!(judge(&border, &Allowance::Free, name, addr), Verdict::Free, "the operator is free: {addr}");
    }
}

#[test]
fn what_is_listed_opens_what_it_says_and_no_neighbour() {
    let border = border(&["10.0.0.9:*"], &["0.0.0.0:443"]);
    let table = [
        (&["10.0.0.5:80"][..], None, "10.0.0.5:80", Verdict::Free),
        (&["10.0.0.5:80"], None, "10.0.0.5:81", Verdict::Denied(Why::NotListed)),
        (&["10.0.0.0/8:*"], None, "10.0.0.5:80", Verdict::OwnedIfLocal),
        (&["10.0.0.0/8:*"], None, "10.0.0.9:80", Verdict::Denied(Why::RefusedByOperator)),
        (&["10.0.0.0/8:*"], Some("any.example"), "10.0.0.5:80", Verdict::OwnedIfLocal),
        (&["api.example:443"], Some("api.example"), "93.184.216.34:443", Verdict::OwnedIfLocal),
        (&["api.example:443"], Some("other.example"), "93.184.216.34:443", Verdict::Denied(Why::NotListed)),
        // a name that is taken over opens neither the loopback nor the metadata
        (&["api.example:5000"], Some("api.example"), "127.0.0.1:5000", Verdict::Owned),
        (&["api.example:80"], Some("api.example"), "169.254.169.254:80", Verdict::Denied(Why::Never(Scope::LinkLocal))),
        // a wide list opens no neighbour's port, the loopback itself does when it is meant
        (&["*:*"], None, "127.0.0.1:5000", Verdict::Owned),
        (&["0.0.0.0/0:*"], None, "127.0.0.1:5000", Verdict::Owned),
        (&["127.0.0.1:5000"], None, "127.0.0.1:5000", Verdict::Free),
        (&["127.0.0.1:5000"], Some("localhost"), "127.0.0.1:5000", Verdict::Free),
        (&["127.0.0.0/8:5000-5009"], None, "127.0.0.7:5001", Verdict::Free),
        (&["[::1]:5000"], None, "[::1]:5000", Verdict::Free),
        (&["169.254.169.254:80"], None, "169.254.169.254:80", Verdict::Denied(Why::Never(Scope::LinkLocal))),
        (&["127.0.0.1:443"], None, "127.0.0.1:443", Verdict::Denied(Why::Gateway)),
    ];
    for (listed, name, addr, expected) in table {
        assert_eq!(judge(&border, &bound(listed), name, addr), expected, "{listed:?} {name:?} {addr}");
    }
}

#[test]
fn sockets_of_the_tenant_and_of_listed_users_are_accepted() {
    let allowance = bound(&["unix:/run/shared"]);
    for (uid, accepted) in [(1001, true), (33, true), (0, false), (1002, false), (u32::MAX, false)] {
        assert_eq!(allowance.accepts(uid), accepted, "{uid}");
    }
    let nobody = Allowance::Bound { tenant: TenantId(65_534), owners: Vec::new(), upstreams: Vec::new() };
    assert!(!nobody.accepts(65_534), "the kernel says so of everybody whom it cannot name");
    assert!(allowance.lists_path(Path::new("/run/shared/a.sock")) && !allowance.lists_path(Path::new("/run/a.sock")));
}

#[test]
fn an_address_of_this_machine_leads_to_a_listener_on_all_addresses() {
    let border = border(&[], &["0.0.0.0:443", "127.0.0.1:2019"]);
    for (addr, own) in [("10.0.0.5:443", true), ("10.0.0.5:2019", false), ("10.0.0.5:444", false)] {
        assert_eq!(border.is_own(addr.parse().unwrap()), own, "{addr}");
    }
}

#[test]
fn what_can_never_work_is_known_from_the_file() {
    let border = border(&["db.internal:5432", "unix:/run/docker.sock"], &["0.0.0.0:443"]);
    let table = [
        ("127.0.0.1:5000", None),
        ("rebound.example:5000", None),
        ("unix:/run/app.sock", None),
        ("https://127.0.0.1", Some(Why::Gateway)),
        ("10.0.0.5:5000", Some(Why::NotListed)),
        ("169.254.169.254:80", Some(Why::Never(Scope::LinkLocal))),
        ("db.internal:5432", Some(Why::RefusedByOperator)),
        ("unix:/run/docker.sock", Some(Why::RefusedByOperator)),
    ];
    for (text, expected) in table {
        let upstream = UpstreamAddr::parse(text).unwrap();
        assert_eq!(border.forbids(A, &upstream), expected, "{text}");
        assert_eq!(border.forbids(TenantId::OPERATOR, &upstream), None, "{text}");
    }
}
