//! What look-ups say of names, and of servers that lie, fail or keep silent.

use hickory_proto::{op::ResponseCode, rr::RecordType};
use vestibule_acme::plan::Pointing;

use crate::{Scene, host, ip, pattern, server::Mood};

#[tokio::test]
async fn facts_hold_addresses_aliases_and_the_nearest_caa() {
    let scene = Scene::new().await;
    let server = &scene.server;
    server.zone("example.com").alias("blog.example.com", "box.example.com");
    server.address_of("box.example.com", "192.0.2.7").address_of("box.example.com", "2001:db8::7");
    server.caa("example.com", 0, "issue", b"ca.example; accounturi=https://ca.example/1").caa(
        "example.com",
        128,
        "odd",
        b"",
    );
    let facts = scene.dns.facts(&host("blog.example.com")).await;
    assert_eq!(facts.addresses(), [ip("192.0.2.7"), ip("2001:db8::7")]);
    assert_eq!(facts.aliases, ["box.example.com"]);
    let caa = |tag: &str, value: &str| (tag.to_owned(), value.to_owned());
    assert_eq!(facts.caa, [caa("issue", "ca.example; accounturi=https://ca.example/1"), caa("odd", "")]);
    assert_eq!(facts.caa_critical, ["odd"]);
    assert_eq!(facts.caa_at.as_deref(), Some("example.com"));
    assert_eq!((facts.problem, facts.caa_problem), (None, None));
}

#[tokio::test]
async fn a_caa_record_of_the_name_itself_hides_those_above() {
    let scene = Scene::new().await;
    scene.server.zone("example.com").address_of("a.b.example.com", "192.0.2.7");
    scene.server.caa("example.com", 0, "issue", b"above.example").caa("b.example.com", 0, "ISSUE", b"near.example");
    let facts = scene.dns.facts(&host("a.b.example.com")).await;
    assert_eq!(facts.caa, [("issue".to_owned(), "near.example".to_owned())]);
    assert_eq!(facts.caa_at.as_deref(), Some("b.example.com"));
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_words() {
    let scene = Scene::new().await;
    let server = &scene.server;
    server.zone("example.com").address_of("half.example.com", "192.0.2.7").address_of("caa.example.com", "192.0.2.7");
    server.add_text("text.example.com", "no address").alias("dangling.example.com", "gone.example.com");
    for (name, of, code) in [
        ("fails.example.com", RecordType::A, ResponseCode::ServFail),
        ("fails.example.com", RecordType::AAAA, ResponseCode::ServFail),
        ("half.example.com", RecordType::AAAA, ResponseCode::ServFail),
        ("caa.example.com", RecordType::CAA, ResponseCode::ServFail),
        ("refuses.example.com", RecordType::A, ResponseCode::Refused),
    ] {
        server.mood(name, of, Mood::Code(code));
    }
    let cases = [
        ("none.example.com", Some("it does not exist (NXDOMAIN)")),
        ("dangling.example.com", Some("it does not exist (NXDOMAIN)")),
        ("text.example.com", Some("it has no such records")),
        ("fails.example.com", Some("its DNS servers fail (SERVFAIL)")),
        ("refuses.example.com", Some("its DNS servers fail (REFUSED)")),
        ("half.example.com", Some("AAAA records: its DNS servers fail (SERVFAIL)")),
        ("caa.example.com", None),
    ];
    for (name, problem) in cases {
        let facts = scene.dns.facts(&host(name)).await;
        assert_eq!(facts.problem.as_deref(), problem, "{name}");
    }
    let facts = scene.dns.facts(&host("caa.example.com")).await;
    assert_eq!(facts.caa_problem.as_deref(), Some("its DNS servers fail (SERVFAIL)"));
}

#[tokio::test]
async fn a_sight_says_where_a_name_points() {
    let scene = Scene::new().await;
    let server = &scene.server;
    server
        .zone("example.com")
        .address_of("here.example.com", "192.0.2.7")
        .address_of("there.example.com", "198.51.100.1");
    server.address_of("both.example.com", "198.51.100.1").address_of("both.example.com", "2001:db8::7");
    server.address_of("vestibule-probe.wild.example.com", "192.0.2.7");
    server.mood("fails.example.com", RecordType::A, Mood::Code(ResponseCode::ServFail));
    server.mood("fails.example.com", RecordType::AAAA, Mood::Code(ResponseCode::ServFail));
    let ours = [ip("192.0.2.7"), ip("2001:db8::7")];
    use Pointing::{Here, NotHere, Unknown};
    let cases = [
        ("here.example.com", Here, Unknown),
        ("there.example.com", NotHere, Unknown),
        ("both.example.com", Here, Unknown),
        ("none.example.com", NotHere, NotHere),
        ("fails.example.com", NotHere, NotHere),
        ("*.wild.example.com", Here, Unknown),
        ("*.example.com", Unknown, Unknown),
        ("192.0.2.99", Here, Here),
        ("2001:db8::99", Here, Here),
    ];
    for (name, knowing, not_knowing) in cases {
        let sight = scene.dns.sight(&pattern(name), &ours).await;
        assert_eq!(sight.pointing, knowing, "{name}");
        assert_eq!(scene.dns.sight(&pattern(name), &[]).await.pointing, not_knowing, "{name} without public addresses");
        let resolves = !name.starts_with("none") && !name.starts_with("fails") && name != "*.example.com";
        assert_eq!(sight.addresses != 0, resolves, "{name}");
    }
}

#[tokio::test]
async fn the_fingerprint_of_addresses_knows_no_order() {
    let scene = Scene::new().await;
    let server = &scene.server;
    server.address_of("a.example.com", "192.0.2.1").address_of("a.example.com", "192.0.2.2");
    server.address_of("b.example.com", "192.0.2.2").address_of("b.example.com", "192.0.2.1");
    server.address_of("c.example.com", "192.0.2.1");
    let mut prints = Vec::new();
    for name in ["a.example.com", "b.example.com", "c.example.com"] {
        prints.push(scene.dns.sight(&pattern(name), &[]).await.addresses);
    }
    assert_eq!(prints[0], prints[1]);
    assert_ne!(prints[0], prints[2]);
    // It is compared with what earlier versions wrote down.
    assert_eq!(prints[2], 0x492d_47c0_4621_4554);
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_ends_in_a_timeout_and_blames_nobody() {
    let scene = Scene::new().await;
    for of in [RecordType::A, RecordType::AAAA, RecordType::CAA] {
        scene.server.mood("silent.example.com", of, Mood::Silent);
    }
    assert_eq!(scene.dns.sight(&pattern("silent.example.com"), &[ip("192.0.2.7")]).await.pointing, Pointing::Unknown);
    let facts = scene.dns.facts(&host("silent.example.com")).await;
    assert_eq!(facts.problem.as_deref(), Some("no DNS server answered in time"));
    assert_eq!(facts.caa_problem.as_deref(), Some("no DNS server answered in time"));
}

#[tokio::test]
async fn huge_and_truncated_answers_are_taken_by_tcp_and_cut() {
    let scene = Scene::new().await;
    scene.server.truncate_udp();
    for number in 0..2000_u32 {
        let [.., high, low] = number.to_be_bytes();
        scene.server.address_of("huge.example.com", &format!("198.18.{high}.{low}"));
    }
    for _ in 0..100 {
        scene.server.caa("huge.example.com", 0, "issue", &[b'\x1b'; 500]);
    }
    let facts = scene.dns.facts(&host("huge.example.com")).await;
    assert_eq!(facts.v4.len(), 32);
    assert!(facts.caa.len() <= 32);
    let (_, value) = &facts.caa[0];
    assert!(value.chars().count() <= 257 && !value.contains('\x1b'), "{value}");
}

#[tokio::test]
async fn a_circle_of_aliases_ends() {
    let scene = Scene::new().await;
    scene.server.alias("a.example.com", "b.example.com").alias("b.example.com", "a.example.com");
    let facts = scene.dns.facts(&host("a.example.com")).await;
    assert!(facts.addresses().is_empty() && facts.problem.is_some() && facts.aliases.len() <= 32, "{facts:?}");
}

#[tokio::test(start_paused = true)]
async fn garbage_is_no_answer() {
    let scene = Scene::new().await;
    for of in [RecordType::A, RecordType::AAAA, RecordType::CAA] {
        scene.server.mood("garbage.example.com", of, Mood::Garbage);
    }
    let facts = scene.dns.facts(&host("garbage.example.com")).await;
    assert!(facts.addresses().is_empty() && facts.problem.is_some(), "{facts:?}");
}

#[tokio::test]
async fn a_name_that_fills_dns_has_no_room_for_a_probe() {
    let scene = Scene::new().await;
    let long = format!("{}.{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61));
    assert_eq!(scene.dns.sight(&pattern(&format!("*.{long}")), &[]).await.pointing, Pointing::Unknown);
    assert!(scene.dns.facts(&host(&long)).await.problem.is_some());
}
