//! Site files of tenants who want what is not theirs. They need several users, so that most is left out without root.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _};

use vestibule_testkit::{
    ScriptedOrigin, SimulatedRig, Site, ca::Validation, eventually, origin::always, process::root_or_note,
};

use super::{ANN, BOB, drop_as};

/// Every name that was ever ordered.
fn ordered(rig: &SimulatedRig) -> Vec<String> {
    rig.ca.orders().into_iter().flat_map(|order| order.names).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_of_another_is_never_ordered() {
    if !root_or_note("site files of two users") {
        return;
    }
    let mut rig = SimulatedRig::builder().start().await;
    drop_as(&rig, ANN, "ann.yaml", &Site::new("shop.example.net").respond("ann"));
    rig.served("shop.example.net", "ann").await;
    // Before hers in the alphabet, and with names around it.
    let wants = Site::new("shop.example.net, bobs.example.org, *.example.net").respond("bob");
    drop_as(&rig, BOB, "aaa.yaml", &wants);
    rig.served("bobs.example.org", "bob").await;
    for _ in 0..3 {
        rig.gateway.kill();
        rig.gateway.restart().await;
        rig.served("bobs.example.org", "bob").await;
        rig.served("shop.example.net", "ann").await;
    }
    let row = rig.gateway.row("aaa.yaml").await.unwrap();
    assert_eq!(row["state"], "partial", "{row}");
    let orders = rig.ca.orders();
    let with_hers: Vec<_> =
        orders.iter().filter(|order| order.names.contains(&"shop.example.net".to_owned())).collect();
    assert!(matches!(with_hers[..], [only] if only.names.len() == 1), "{orders:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenant_runs_no_program_as_the_gateway() {
    if !root_or_note("a site file of a tenant") {
        return;
    }
    let rig = SimulatedRig::builder().start().await;
    let (program, proof) = (rig.gateway.dir().join("hook"), rig.gateway.dir().join("proof"));
    fs::write(&program, format!("#!/bin/sh\necho \"$@\" >> {}\n", proof.display())).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let dns = format!("tls: {{challenge: dns-01, dns: {{exec: \"{}\"}}}}", program.display());
    drop_as(&rig, ANN, "ann.yaml", &Site::new("ann.example.net, *.ann.example.net").respond("ann").line(&dns));
    let row = rig.gateway.wait_state("ann.yaml", "broken").await;
    assert!(row["reports"].as_array().unwrap().iter().any(|report| report["code"] == "V0509"), "{row}");
    // Somebody else's site goes through meanwhile: the engine had its turn.
    drop_as(&rig, BOB, "bob.yaml", &Site::new("bob.example.org").respond("bob"));
    rig.served("bob.example.org", "bob").await;
    assert!(!proof.exists() && !ordered(&rig).iter().any(|name| name.ends_with("ann.example.net")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tenants_provider_leads_to_no_private_place() {
    if !root_or_note("a site file of a tenant") {
        return;
    }
    let inside = ScriptedOrigin::start(always("{}")).await;
    // Updates go by UDP first.
    let datagrams = std::net::UdpSocket::bind(inside.to_string()).unwrap();
    datagrams.set_nonblocking(true).unwrap();
    let rig = SimulatedRig::builder().start().await;
    let secret = rig.gateway.dir().join("secret");
    fs::write(&secret, "c2VjcmV0").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::chown(&secret, Some(ANN), Some(ANN)).unwrap();
    let secret = secret.display();
    let update =
        |server: &str| format!("rfc2136: {{server: \"{server}\", key_name: k.example.net, key_file: \"{secret}\"}}");
    let post = |server: &str| format!("acme_dns: {{server: \"{server}\", credentials_file: \"{secret}\"}}");
    let providers = [
        update(&inside.to_string()),
        update("127.0.0.1:53"),
        update("169.254.169.254"),
        update("[::1]:53"),
        update("[::ffff:127.0.0.1]:53"),
        post(&format!("http://{inside}")),
        post(&format!("https://{inside}")),
        post("https://169.254.169.254"),
        post("http://169.254.169.254/latest/meta-data"),
    ];
    for (number, provider) in providers.iter().enumerate() {
        let host = format!("n{number}.example{number}.net");
        let site = Site::new(&host).respond("ann").line(&format!("tls: {{challenge: dns-01, dns: {{{provider}}}}}"));
        drop_as(&rig, ANN, &format!("n{number}.yaml"), &site);
    }
    for (number, provider) in providers.iter().enumerate() {
        let (host, file) = (format!("n{number}.example{number}.net"), format!("n{number}.yaml"));
        // In the file, or at the first use.
        let refused = || async {
            let row = rig.gateway.row(&file).await?;
            let told = rig.standing(&host).await.is_some_and(|standing| standing["failure"].is_string());
            (row["state"] == "broken" || told).then_some(())
        };
        eventually(&format!("{provider} to be refused"), refused).await;
    }
    assert_eq!(inside.connections(), 0);
    assert!(datagrams.recv_from(&mut [0; 512]).is_err(), "nothing came");
    assert!(rig.ca.certificates().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_sites_of_one_keep_nobody_else_waiting() {
    const FLOOD: usize = 2_000;
    /// In flight, or begun between the file's drop and its turn.
    const FEW: usize = 40;
    if !root_or_note("site files of two users") {
        return;
    }
    let rig = SimulatedRig::builder().within_limits().start().await;
    rig.ca.validate(Validation::Trusting);
    for number in 0..FLOOD {
        let site = Site::new(&format!("s{number}.flood{}.net", number % 500)).respond("ann");
        drop_as(&rig, ANN, &format!("s{number}.yaml"), &site);
    }
    eventually("the flood's first orders", || async { (!rig.ca.orders().is_empty()).then_some(()) }).await;
    let before = rig.ca.orders().len();
    drop_as(&rig, BOB, "bob.yaml", &Site::new("bob.example.org").respond("bob"));
    let his = || async { ordered(&rig).iter().any(|name| name == "bob.example.org").then_some(()) };
    eventually("Bob's order", his).await;
    let orders = rig.ca.orders();
    let place = orders.iter().position(|order| order.names == ["bob.example.org"]).unwrap();
    let visited = || async { rig.visit("bob.example.org").await.filter(|text| text == "bob") };
    eventually("Bob to be served", visited).await;
    assert!(place <= before + FEW, "{place} after {before}");
    assert!(rig.ca.violations().is_empty(), "{:?}", rig.ca.violations());
    let names: BTreeSet<_> = ordered(&rig).into_iter().collect();
    assert!(names.len() > 1, "the flood goes on too");
}
