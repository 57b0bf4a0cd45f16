//! DNS-01 by programs in lego's calling convention.

use std::time::Duration;

use vestibule_acme::{FailureKind, config::DnsProvider, dns::Way};
use vestibule_names::TenantId;

use crate::{Scene, host, is_gone, program};

const OPERATOR: TenantId = TenantId::OPERATOR;

#[tokio::test]
async fn a_program_is_called_as_lego_does() {
    let scene = Scene::new().await;
    scene.server.zone("example.com").add_text("_acme-challenge.blog.example.com", "VALUE");
    let provider = program(scene.script(""));
    let presented = scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap();
    scene.dns.withdraw(presented).await;
    assert_eq!(
        scene.calls(),
        ["present _acme-challenge.blog.example.com. VALUE", "cleanup _acme-challenge.blog.example.com. VALUE"]
    );
}

#[tokio::test]
async fn an_alias_is_followed_as_lego_does() {
    let scene = Scene::new().await;
    scene.server.zone("example.com").zone("proofs.example.net");
    scene.server.alias("_acme-challenge.blog.example.com", "one.proofs.example.net");
    scene.server.alias("one.proofs.example.net", "two.proofs.example.net");
    scene.server.add_text("two.proofs.example.net", "VALUE");
    let provider = program(scene.script(""));
    let presented = scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap();
    scene.dns.withdraw(presented).await;
    assert_eq!(scene.calls(), ["present two.proofs.example.net. VALUE", "cleanup two.proofs.example.net. VALUE"]);
}

#[tokio::test]
async fn a_program_sees_nothing_of_ours() {
    let scene = Scene::new().await;
    scene.server.zone("example.com").add_text("_acme-challenge.blog.example.com", "VALUE");
    let shown = scene.folder.path().join("environment");
    let provider = program(scene.script(&format!("env > {0}; cat >> {0}; echo end >> {0}", shown.display())));
    let presented = scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap();
    let text = std::fs::read_to_string(&shown).unwrap();
    let mut names: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    // The shell adds these by itself.
    names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
    names.sort_unstable();
    assert_eq!(names, ["HOME", "LANG", "PATH", "VESTIBULE_NAME"]);
    assert!(text.contains("VESTIBULE_NAME=blog.example.com\n") && text.ends_with("end\n"), "{text}");
    scene.dns.withdraw(presented).await;
}

#[tokio::test]
async fn a_failure_shows_what_the_program_said() {
    let scene = Scene::new().await;
    let cases = [
        ("echo no such zone; exit 3", "ended with exit status: 3, and said: no such zone"),
        ("echo no rights >&2; exit 1", "ended with exit status: 1, and said: no rights"),
        ("exit 1", "ended with exit status: 1, and said nothing"),
        ("printf '\\033[31mred\\000\\377\\n'; exit 1", "and said: \u{fffd}[31mred\u{fffd}\u{fffd}"),
        ("kill -9 $$", "ended with signal: 9 (SIGKILL), and said nothing"),
    ];
    for (body, expected) in cases {
        let provider = program(scene.script(body));
        let failure =
            scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Configuration, "{body}");
        assert!(failure.sentence.ends_with(expected), "{body}: {}", failure.sentence);
    }
}

#[tokio::test]
async fn endless_output_is_read_and_forgotten() {
    let scene = Scene::new().await;
    let provider = program(scene.script("head -c 3000000 /dev/zero | tr '\\0' x; exit 1"));
    let failure =
        scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap_err();
    assert!(failure.sentence.chars().count() < 1000 && failure.sentence.ends_with("xxx…"), "{}", failure.sentence);
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_everything_it_started() {
    let scene = Scene::new().await;
    let pids = scene.folder.path().join("pids");
    let script =
        scene.script(&format!("sleep 600 & echo $! > {0}; echo $$ >> {0}; echo waiting; wait", pids.display()));
    let provider = DnsProvider::Exec { program: script, timeout: Duration::from_secs(2) };
    let failure =
        scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap_err();
    assert!(
        failure.sentence.ends_with("did not end within 2 s and was killed, and said: waiting"),
        "{}",
        failure.sentence
    );
    for pid in std::fs::read_to_string(pids).unwrap().lines() {
        assert!(is_gone(pid).await, "process {pid} is still there");
    }
}

#[tokio::test]
async fn a_program_that_leaves_something_running_holds_nothing_up() {
    let scene = Scene::new().await;
    let pid = scene.folder.path().join("pid");
    scene.server.zone("example.com").add_text("_acme-challenge.blog.example.com", "VALUE");
    let provider =
        program(scene.script(&format!("[ $1 = cleanup ] || {{ sleep 600 & echo $! > {}; }}", pid.display())));
    let presented = scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap();
    scene.dns.withdraw(presented).await;
    let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
    rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn what_cannot_be_started_is_said() {
    let scene = Scene::new().await;
    let failure = scene
        .dns
        .present(Way::own(&program("/nowhere/at-all".into()), OPERATOR), &host("a.example.com"), "V")
        .await
        .unwrap_err();
    assert_eq!(failure.kind, FailureKind::Configuration);
    assert!(failure.sentence.contains("`/nowhere/at-all present`") && failure.sentence.contains("No such file"));
}

#[tokio::test]
async fn a_tenant_runs_no_programs() {
    let scene = Scene::new().await;
    let provider = program(scene.script(""));
    let tenant = TenantId(rustix::process::geteuid().as_raw() + 1);
    let failure = scene.dns.present(Way::own(&provider, tenant), &host("blog.example.com"), "VALUE").await.unwrap_err();
    assert_eq!(failure.sentence, "only the operator may name a DNS program");
    assert!(scene.calls().is_empty());
}

#[tokio::test]
async fn a_record_that_the_zone_never_shows_is_a_failure_and_is_taken_away() {
    let scene = Scene::new().await;
    scene.server.zone("example.com").add_text("_acme-challenge.blog.example.com", "another");
    let provider = program(scene.script(""));
    let dns = scene.dns.clone().with_propagation_limit(Duration::from_secs(1));
    let failure = dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::ValidationDns);
    assert!(failure.sentence.contains("name server 127.0.0.1 does not show it after 1 s"), "{}", failure.sentence);
    assert!(scene.calls()[1].starts_with("cleanup "), "{:?}", scene.calls());
}

#[tokio::test]
async fn without_a_zone_in_sight_the_resolvers_are_asked() {
    let scene = Scene::new().await;
    scene.server.add_text("_acme-challenge.blog.example.com", "VALUE");
    let provider = program(scene.script(""));
    let presented = scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap();
    scene.dns.withdraw(presented).await;
    assert_eq!(scene.calls().len(), 2);
}
