//! DNS-01 by dynamic update, against the server in the test, which checks signatures and can be told to lie.

use std::{
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use data_encoding::BASE64;
use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RecordType, TSigner, rdata::tsig::TsigAlgorithm},
};
use vestibule_acme::{FailureKind, config::DnsProvider, dns::Way};
use vestibule_names::TenantId;

use crate::{
    Scene, host,
    server::{Mood, Server},
};

const OPERATOR: TenantId = TenantId::OPERATOR;
const AT: &str = "_acme-challenge.blog.example.com";

fn signer(algorithm: TsigAlgorithm, secret: &[u8]) -> TSigner {
    TSigner::new(secret.to_vec(), algorithm, Name::from_ascii("gateway.").unwrap(), 300).unwrap()
}

fn key_file(folder: &Path, text: &str, mode: u32) -> PathBuf {
    let path = folder.join("key");
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn provider(server: SocketAddr, algorithm: &str, key_file: PathBuf) -> DnsProvider {
    DnsProvider::Rfc2136 { server, key_name: "Gateway".to_owned(), algorithm: algorithm.to_owned(), key_file }
}

impl Scene {
    /// A server with a zone and a key, and the provider that fits.
    async fn with_updates() -> (Self, DnsProvider) {
        let scene = Self::new().await;
        scene.server.zone("example.com").key(signer(TsigAlgorithm::HmacSha256, b"secret"));
        let file = key_file(scene.folder.path(), &format!("{}\n", BASE64.encode(b"secret")), 0o600);
        let provider = provider(scene.server.address(), "hmac-sha256", file);
        (scene, provider)
    }

    async fn refusal(&self, provider: &DnsProvider) -> (FailureKind, String) {
        let failure =
            self.dns.present(Way::own(provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap_err();
        (failure.kind, failure.sentence)
    }
}

#[tokio::test]
async fn values_stand_side_by_side_and_go_one_by_one() {
    for (algorithm, name) in [
        (TsigAlgorithm::HmacSha256, "hmac-sha256"),
        (TsigAlgorithm::HmacSha384, "hmac-sha384"),
        (TsigAlgorithm::HmacSha512, "HMAC-SHA512"),
    ] {
        let (scene, provider) = Scene::with_updates().await;
        scene.server.key(signer(algorithm, b"secret")).add_text(AT, "somebody else's");
        let DnsProvider::Rfc2136 { server, key_file, .. } = provider else { unreachable!() };
        let provider = self::provider(server, name, key_file);
        let first = scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "one").await.unwrap();
        let second = scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "two").await.unwrap();
        assert_eq!(scene.server.texts(AT), ["somebody else's", "one", "two"], "{name}");
        scene.dns.withdraw(first).await;
        assert_eq!(scene.server.texts(AT), ["somebody else's", "two"]);
        scene.dns.withdraw(second).await;
        assert_eq!(scene.server.texts(AT), ["somebody else's"]);
    }
}

#[tokio::test]
async fn an_alias_is_followed_into_its_own_zone() {
    let (scene, provider) = Scene::with_updates().await;
    scene.server.zone("proofs.example.net").alias(AT, "blog.proofs.example.net");
    let presented = scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap();
    assert_eq!(scene.server.texts("blog.proofs.example.net"), ["VALUE"]);
    scene.dns.withdraw(presented).await;
    assert!(scene.server.texts("blog.proofs.example.net").is_empty());
}

#[tokio::test]
async fn an_alias_to_a_name_that_no_host_has_is_refused() {
    let (scene, provider) = Scene::with_updates().await;
    let targets: [&[u8]; 6] = [b"$(reboot)", b"-rf", b"a b", b"a;b", b"a.b", b"\xff\n"];
    for (number, target) in targets.into_iter().enumerate() {
        scene.server.odd_alias(&format!("_acme-challenge.n{number}.example.com"), &[target, b"example", b"com"]);
        let name = host(&format!("n{number}.example.com"));
        let failure = scene.dns.present(Way::own(&provider, OPERATOR), &name, "VALUE").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::ValidationDns, "{target:?}");
        assert!(failure.sentence.ends_with("which is no name for a TXT record"), "{target:?}: {}", failure.sentence);
        assert!(!failure.sentence.contains('\n'));
    }
    assert_eq!(scene.server.updates(), 0);
}

#[tokio::test]
async fn truncated_answers_are_asked_for_again_by_tcp() {
    let (scene, provider) = Scene::with_updates().await;
    scene.server.truncate_udp();
    let presented = scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap();
    assert_eq!(scene.server.texts(AT), ["VALUE"]);
    scene.dns.withdraw(presented).await;
}

#[tokio::test]
async fn a_wrong_key_is_said_to_be_one() {
    let (scene, provider) = Scene::with_updates().await;
    scene.server.key(signer(TsigAlgorithm::HmacSha256, b"another"));
    let (kind, sentence) = scene.refusal(&provider).await;
    assert_eq!(kind, FailureKind::Configuration);
    assert!(sentence.ends_with("the secret of the key gateway is another one there (BADSIG)"), "{sentence}");
    assert!(scene.server.texts(AT).is_empty());
}

#[tokio::test]
async fn an_answer_without_the_right_signature_does_not_count() {
    for forged in [None, Some(signer(TsigAlgorithm::HmacSha256, b"forger"))] {
        let (scene, provider) = Scene::with_updates().await;
        scene.server.sign_with(forged);
        let (kind, sentence) = scene.refusal(&provider).await;
        assert_eq!(kind, FailureKind::Configuration);
        assert!(sentence.contains("is not signed with the key gateway"), "{sentence}");
    }
}

#[tokio::test]
async fn a_server_without_the_zone_is_said_to_be_one() {
    let scene = Scene::new().await;
    let file = key_file(scene.folder.path(), &BASE64.encode(b"secret"), 0o600);
    let (kind, sentence) = scene.refusal(&provider(scene.server.address(), "hmac-sha256", file)).await;
    assert_eq!(kind, FailureKind::Configuration);
    assert!(sentence.contains("has no zone for _acme-challenge.blog.example.com"), "{sentence}");
}

#[tokio::test]
async fn a_server_that_answers_only_updates_leaves_the_zone_to_the_resolvers() {
    let (scene, _) = Scene::with_updates().await;
    let primary = Server::start().await;
    primary.zone("example.com").key(signer(TsigAlgorithm::HmacSha256, b"secret"));
    primary.mood(AT, RecordType::SOA, Mood::Code(ResponseCode::Refused));
    // Its secondary is what the world sees.
    scene.server.add_text(AT, "VALUE");
    let file = key_file(scene.folder.path(), &BASE64.encode(b"secret"), 0o600);
    let provider = provider(primary.address(), "hmac-sha256", file);
    let presented = scene.dns.present(Way::own(&provider, OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap();
    assert_eq!(primary.texts(AT), ["VALUE"]);
    scene.dns.withdraw(presented).await;
    assert!(primary.texts(AT).is_empty());
}

#[tokio::test]
async fn keys_that_cannot_be_used_are_said_with_what_to_do() {
    let (scene, _) = Scene::with_updates().await;
    let cases = [
        ("hmac-sha256", "c2VjcmV0", 0o644, "chmod 600"),
        ("hmac-sha256", "not base64!", 0o600, "must be base64"),
        ("hmac-sha256", "\n", 0o600, "must be base64"),
        ("hmac-md5", "c2VjcmV0", 0o600, "write hmac-sha256, hmac-sha384 or hmac-sha512"),
    ];
    for (algorithm, text, mode, expected) in cases {
        let file = key_file(scene.folder.path(), text, mode);
        let (kind, sentence) = scene.refusal(&provider(scene.server.address(), algorithm, file)).await;
        assert_eq!(kind, FailureKind::Configuration);
        assert!(sentence.contains(expected), "{sentence}");
    }
    let gone = scene.refusal(&provider(scene.server.address(), "hmac-sha256", "/nowhere/key".into())).await;
    assert!(gone.1.ends_with("/nowhere/key cannot be used: it does not exist"), "{}", gone.1);
    assert_eq!(scene.server.updates(), 0);
}

#[tokio::test]
async fn a_tenant_does_not_lead_us_inside() {
    let (scene, _) = Scene::with_updates().await;
    let file = key_file(scene.folder.path(), "c2VjcmV0", 0o600);
    let tenant = TenantId(rustix::process::geteuid().as_raw() + 4242);
    for server in
        ["127.0.0.1:53", "10.0.0.1:53", "169.254.169.254:53", "[::1]:53", "[::ffff:127.0.0.1]:53", "1.1.1.1:5353"]
    {
        let provider = provider(server.parse().unwrap(), "hmac-sha256", file.clone());
        let failure =
            scene.dns.present(Way::own(&provider, tenant), &host("blog.example.com"), "VALUE").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Configuration);
        assert!(failure.sentence.contains("may not be used by a site"), "{server}: {}", failure.sentence);
    }
    // A place that it may use, but with a key that is not its own: nothing is sent.
    let provider = provider("1.1.1.1:53".parse().unwrap(), "hmac-sha256", file);
    let failure = scene.dns.present(Way::own(&provider, tenant), &host("blog.example.com"), "VALUE").await.unwrap_err();
    assert!(failure.sentence.contains("it is not a file of uid"), "{}", failure.sentence);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be_so() {
    let scene = Scene::new().await;
    let file = key_file(scene.folder.path(), "c2VjcmV0", 0o600);
    // A port that was free a moment ago: nobody answers there.
    let closed = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let (kind, sentence) = scene.refusal(&provider(closed, "hmac-sha256", file)).await;
    assert_eq!(kind, FailureKind::ValidationDns);
    assert!(sentence.contains("cannot be asked for an update") && sentence.contains("refused"), "{sentence}");
}
