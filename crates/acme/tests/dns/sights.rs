//! The second look: resolvers that remember what is no longer true, and the servers of zones that know better, or worse.

use hickory_proto::{op::ResponseCode, rr::RecordType};
use vestibule_acme::plan::Pointing;

use crate::{
    Scene, ip, pattern,
    server::{Mood, Server},
};

const OURS: &str = "192.0.2.7";
const OTHERS: &str = "198.51.100.1";

/// A resolver that remembers, and the authority over `example.com`, both on loopback.
async fn scene() -> (Scene, Server) {
    let (scene, authority) = (Scene::new().await, Server::start().await);
    scene.server.zone("example.com");
    authority.zone("example.com");
    (scene, authority)
}

#[tokio::test]
async fn a_stale_no_of_the_resolver_is_not_believed() {
    let (scene, authority) = scene().await;
    let dns = scene.with_authority(&authority).with_sights_anywhere();
    scene.server.address_of("moved.example.com", OTHERS).address_of("elsewhere.example.net", OURS);
    scene.server.mood("failed.example.com", RecordType::A, Mood::Code(ResponseCode::ServFail));
    scene.server.mood("failed.example.com", RecordType::AAAA, Mood::Code(ResponseCode::ServFail));
    authority.address_of("new.example.com", OURS).address_of("six.example.com", "2001:db8::7");
    authority.address_of("moved.example.com", OURS).address_of("failed.example.com", OURS);
    authority.alias("alias.example.com", "new.example.com").alias("out.example.com", "elsewhere.example.net");
    authority.alias("circle.example.com", "circle.example.com");
    authority.address_of("both.example.com", OTHERS).address_of("both.example.com", "2001:db8::7");
    authority.address_of("theirs.example.com", OTHERS);
    let ours = [ip(OURS), ip("2001:db8::7")];
    use Pointing::{Here, NotHere};
    for (name, expected) in [
        ("new.example.com", Here),
        ("six.example.com", Here),
        ("moved.example.com", Here),
        ("failed.example.com", Here),
        ("alias.example.com", Here),
        ("out.example.com", Here),
        ("both.example.com", Here),
        ("theirs.example.com", NotHere),
        ("circle.example.com", NotHere),
        ("none.example.com", NotHere),
        ("none.example.org", NotHere),
    ] {
        let sight = dns.sight(&pattern(name), &ours).await;
        assert_eq!(sight.pointing, expected, "{name}");
        assert!(sight.pointing != Here || sight.addresses != 0, "{name}");
    }
    // Without addresses of ours the fingerprint tells that somebody has mended something.
    let sight = dns.sight(&pattern("theirs.example.com"), &[]).await;
    assert_eq!(sight.pointing, Pointing::Unknown);
    assert_ne!(sight.addresses, 0);
}

#[tokio::test]
async fn an_answer_that_is_good_is_not_asked_for_twice() {
    let (scene, authority) = scene().await;
    let dns = scene.with_authority(&authority).with_sights_anywhere();
    scene.server.address_of("here.example.com", OURS).address_of("wild.example.com", OTHERS);
    for (name, asked) in [
        ("here.example.com", "here.example.com"),
        ("*.wild.example.com", "vestibule-probe.wild.example.com"),
        ("name.test", "name.test"),
    ] {
        dns.sight(&pattern(name), &[ip(OURS)]).await;
        assert_eq!(authority.questions(asked, RecordType::A), 0, "{name}");
    }
    dns.sight(&pattern("none.example.com"), &[ip(OURS)]).await;
    assert_eq!(authority.questions("none.example.com", RecordType::A), 1);
}

#[tokio::test]
async fn nobody_chooses_whom_the_gateway_talks_to_behind_its_walls() {
    let (scene, authority) = scene().await;
    let dns = scene.with_authority(&authority);
    authority.address_of("new.example.com", OURS);
    assert_eq!(dns.sight(&pattern("new.example.com"), &[ip(OURS)]).await.pointing, Pointing::NotHere);
    assert_eq!(authority.questions("new.example.com", RecordType::A), 0);
}

#[tokio::test]
async fn registries_are_not_asked_for_addresses() {
    let (scene, authority) = scene().await;
    let dns = scene.with_authority(&authority).with_sights_anywhere();
    scene.server.zone("org");
    authority.zone("org").address_of("new.org", OURS);
    assert_eq!(dns.sight(&pattern("new.org"), &[ip(OURS)]).await.pointing, Pointing::NotHere);
    assert_eq!(authority.questions("new.org", RecordType::A), 0);
}

#[tokio::test]
async fn the_first_answer_stands_where_the_authority_says_nothing() {
    let (scene, authority) = scene().await;
    let dns = scene.with_authority(&authority).with_sights_anywhere();
    for (name, mood) in [
        ("silent.example.com", Mood::Silent),
        ("garbage.example.com", Mood::Garbage),
        ("refused.example.com", Mood::Code(ResponseCode::Refused)),
    ] {
        scene.server.address_of(name, OTHERS);
        authority.mood(name, RecordType::A, mood);
    }
    let first = dns.sight(&pattern("refused.example.com"), &[ip(OURS)]).await;
    assert_eq!(first.pointing, Pointing::NotHere);
    tokio::time::pause();
    for name in ["silent.example.com", "garbage.example.com"] {
        let started = tokio::time::Instant::now();
        assert_eq!(dns.sight(&pattern(name), &[ip(OURS)]).await, first, "{name}");
        // The engine gives a look up after ten seconds.
        assert!(started.elapsed() < std::time::Duration::from_secs(10), "{name}");
    }
}
