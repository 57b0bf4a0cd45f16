//! The fixtures themselves: they start, answer, and fail as told.

use std::time::Duration;

use super::*;

#[tokio::test]
async fn pebble_starts_with_everything_set() {
    let dns = ChallTestServer::start().await;
    let builder = Pebble::builder()
        .nameserver(dns.dns())
        .bad_nonces(30)
        .authz_reuse(100)
        .strictness(Strictness::Strict)
        .validity(Duration::from_secs(3600))
        .alternate_roots(2)
        .chain_length(2)
        .eab("kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W")
        .block("blocked.test");
    let directory = builder.directory();
    let mut pebble = builder.start(80, 443).await;
    assert_eq!(pebble.directory(), directory);
    let roots = pebble.issuing_roots().await;
    assert_eq!(roots.matches("BEGIN CERTIFICATE").count(), 3, "{roots}");
    assert_eq!(pebble.status_of("0123").await, None);
    assert_eq!((pebble.orders(), pebble.issued()), (0, 0));
    let directory = pebble.ask(pebble.builder.api(), "/dir").await.unwrap().json();
    assert_eq!(directory["meta"]["externalAccountRequired"], true);

    pebble.stop();
    assert!(pebble.ask(pebble.builder.api(), "/dir").await.is_none());
    pebble.start_again().await;
    assert_ne!(pebble.issuing_roots().await, roots, "roots are made anew");
    assert_eq!(pebble.directory(), pebble.builder.directory());
}

#[test]
fn a_pebble_that_waits_for_itself_is_known_by_its_stacks() {
    let stack = |calls: &[&str]| {
        let calls = calls.iter().map(|call| format!("{call}(0xc0001, {{0x1, 0x2}})\n\t./file.go:7 +0x1d\n"));
        format!("goroutine 7 [semacquire]:\n{}", calls.collect::<String>())
    };
    let show = "github.com/letsencrypt/pebble/wfe.(*WebFrontEndImpl).orderForDisplay";
    let (lock, serve) = ("sync.(*RWMutex).RLock", "net/http.HandlerFunc.ServeHTTP");
    let traces = [
        ([stack(&["runtime.gopark", serve]), stack(&["runtime.gopark", lock, show, serve])], true),
        ([stack(&[lock, serve]), stack(&["runtime.gopark", show, serve])], false),
    ];
    for (stacks, is_locked_out) in traces {
        assert_eq!(locked_out(&stacks.join("\n")), is_locked_out, "{stacks:?}");
    }
}

#[tokio::test]
async fn a_pebble_that_is_well_is_not_taken_for_one_that_waits_for_itself() {
    let mut pebble = Pebble::builder().start(80, 443).await;
    assert!(!pebble.ends_locked_out().await);
    assert!(pebble.log().contains("SIGQUIT") && pebble.log().contains("letsencrypt/pebble"), "{}", pebble.log());
}

#[tokio::test]
async fn the_name_server_takes_what_it_is_told() {
    let dns = ChallTestServer::start().await;
    dns.default_ipv4("127.0.0.1").await;
    dns.default_ipv6("").await;
    dns.add_a("a.test", &["127.0.0.1", "127.0.0.2"]).await;
    dns.clear_a("a.test").await;
    dns.add_aaaa("a.test", &["::1"]).await;
    dns.clear_aaaa("a.test").await;
    dns.add_caa("a.test", &[("issue", "letsencrypt.org")]).await;
    dns.clear_caa("a.test").await;
    dns.set_cname("b.test", "a.test").await;
    dns.clear_cname("b.test").await;
    dns.set_txt("_acme-challenge.a.test", "value").await;
    dns.clear_txt("_acme-challenge.a.test").await;
    dns.servfail("a.test").await;
    dns.clear_servfail("a.test").await;
    assert_eq!(dns.asked("a.test").await, Vec::<u64>::new());
}
