//! Explanations of names as DNS shows them. What is judged of what was seen is tested beside the code.

use hickory_proto::{op::ResponseCode, rr::RecordType};
use vestibule_acme::{
    Timestamp,
    client::Directory,
    config::ChallengeKind,
    explain::{Explanation, Provider, Standing, Subject, look},
};
use vestibule_certs::store::CaId;

use crate::{Scene, ip, pattern, server::Mood};

fn subject(name: &str) -> Subject {
    Subject {
        name: pattern(name),
        status: None,
        challenges: vec![ChallengeKind::Http01, ChallengeKind::TlsAlpn01],
        provider: Provider::Missing,
        public_addresses: vec![ip("192.0.2.7")],
        ca: CaId::new("letsencrypt").unwrap(),
        directory: Ok(Directory { caa_identities: vec!["letsencrypt.org".to_owned()], ..Directory::default() }),
        account: None,
        limit: None,
        now: Timestamp(0),
    }
}

fn lines(explanation: &Explanation, subjects: &[&str]) -> Vec<String> {
    let shown = explanation.steps.iter().filter(|step| subjects.contains(&step.subject));
    shown.map(|step| format!("{} {:?}: {}", step.subject, step.standing, step.sentence)).collect()
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_told_its_record() {
    let scene = Scene::new().await;
    scene.server.zone("example.com").caa("example.com", 0, "issue", b"other.example");
    let explanation = look(&scene.dns, &subject("blog.example.com")).await;
    assert_eq!(
        lines(&explanation, &["dns", "caa", "port 80", "port 443"]),
        [
            "dns Bad: blog.example.com does not resolve: it does not exist (NXDOMAIN); point an A record of \
             blog.example.com to 192.0.2.7",
            "caa Bad: the CAA records at example.com allow only other.example: add `example.com. CAA 0 issue \
             \"letsencrypt.org\"`",
        ]
    );
}

#[tokio::test]
async fn private_addresses_of_others_are_not_tried() {
    let scene = Scene::new().await;
    scene
        .server
        .zone("example.com")
        .address_of("blog.example.com", "10.1.2.3")
        .address_of("blog.example.com", "fd00::1");
    let explanation = look(&scene.dns, &subject("blog.example.com")).await;
    for port in ["port 80", "port 443"] {
        let step = explanation.steps.iter().find(|step| step.subject == port).unwrap();
        assert_eq!(step.standing, Standing::Unclear);
        assert!(step.sentence.starts_with("10.1.2.3 is a private address, which is not tried from here"), "{step:?}");
    }
}

#[tokio::test]
async fn servers_that_fail_are_told_from_names_that_are_missing() {
    let scene = Scene::new().await;
    for of in [RecordType::A, RecordType::AAAA, RecordType::CAA] {
        scene.server.mood("blog.example.com", of, Mood::Code(ResponseCode::ServFail));
    }
    let explanation = look(&scene.dns, &subject("blog.example.com")).await;
    let [dns, caa] = &lines(&explanation, &["dns", "caa"])[..] else { panic!("{explanation:?}") };
    assert!(dns.starts_with("dns Bad: blog.example.com does not resolve: its DNS servers fail (SERVFAIL)"), "{dns}");
    assert!(caa.starts_with("caa Bad: the CAA records of blog.example.com cannot be looked up"), "{caa}");
}

#[tokio::test]
async fn a_wildcard_is_looked_up_for_its_caa_records_only() {
    let scene = Scene::new().await;
    scene.server.zone("example.com").caa("example.com", 0, "issuewild", b";");
    let mut wanted = subject("*.example.com");
    (wanted.challenges, wanted.provider) = (vec![ChallengeKind::Dns01], Provider::Present);
    let explanation = look(&scene.dns, &wanted).await;
    assert_eq!(
        lines(&explanation, &["dns", "ipv6", "caa", "port 80", "port 443"]),
        [
            "dns Good: *.example.com is proved by a TXT record, and needs no address",
            "caa Bad: the CAA records at example.com allow no CA at all: add `example.com. CAA 0 issuewild \
             \"letsencrypt.org\"`",
        ]
    );
}
