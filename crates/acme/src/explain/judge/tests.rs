use std::net::IpAddr;

use vestibule_certs::store::CaId;
use vestibule_names::{SiteId, TenantId};

use super::*;
use crate::{
    FailureKind,
    client::Directory,
    dns::{Facts, Resolution},
};

const NOW: Timestamp = Timestamp(1_900_000_000_000);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn minutes(count: u64) -> Timestamp {
    NOW.after(std::time::Duration::from_secs(count * 60))
}

fn status(name: &str, state: NameState) -> NameStatus {
    NameStatus {
        name: HostPattern::parse(name).unwrap(),
        site: SiteId::new("blog.yaml"),
        tenant: TenantId(1000),
        state,
        issuance: None,
        not_after: None,
        renew_at: None,
        next_attempt: None,
        failure: None,
        failures: 0,
    }
}

/// A name of a tenant that waits for its first order, with every challenge allowed.
fn subject(name: &str) -> Subject {
    let directory = Directory { caa_identities: vec!["letsencrypt.org".to_owned()], ..Directory::default() };
    Subject {
        name: HostPattern::parse(name).unwrap(),
        status: Some(status(name, NameState::Waiting)),
        challenges: vec![ChallengeKind::TlsAlpn01, ChallengeKind::Http01],
        provider: Provider::Missing,
        public_addresses: vec![ip("192.0.2.7"), ip("2001:db8::7")],
        ca: CaId::new("letsencrypt").unwrap(),
        directory: Ok(directory),
        account: Some("https://ca.example/acct/1".to_owned()),
        limit: None,
        now: NOW,
    }
}

fn points_to(addresses: &[&str]) -> Facts {
    let mut facts = Facts { resolution: Resolution::Found, ..Facts::default() };
    for address in addresses {
        match ip(address) {
            IpAddr::V4(v4) => facts.v4.push(v4),
            IpAddr::V6(v6) => facts.v6.push(v6),
        }
    }
    facts
}

fn seen(facts: Facts, reached: Reached) -> Findings {
    let probes: Vec<_> =
        facts.addresses().into_iter().map(|address| Probe { address, reached: reached.clone() }).collect();
    Findings { facts: Some(facts), http: probes.clone(), tls: probes }
}

fn lines(explanation: &Explanation) -> String {
    let step = |step: &Step| format!("{} {:?}: {}\n", step.subject, step.standing, step.sentence);
    explanation.steps.iter().map(step).collect::<String>() + &explanation.verdict
}

fn step(explanation: &Explanation, subject: &str) -> (Standing, String) {
    let found = explanation.steps.iter().find(|step| step.subject == subject);
    found
        .map(|step| (step.standing, step.sentence.clone()))
        .unwrap_or_else(|| panic!("no step {subject}: {explanation:?}"))
}

#[test]
fn a_name_for_which_all_is_well() {
    let mut facts = points_to(&["192.0.2.7", "2001:db8::7"]);
    facts.aliases = vec!["box.example.com".to_owned()];
    let explanation = judge(&subject("blog.example.com"), &seen(facts, Reached::Expected));
    assert_eq!(
        lines(&explanation),
        "claim Good: blog.example.com is held by the site blog.yaml of uid 1000\n\
         dns Good: blog.example.com points here: 192.0.2.7 (through box.example.com)\n\
         ipv6 Good: its AAAA record points here too: 2001:db8::7\n\
         caa Good: no CAA record keeps a CA away\n\
         port 80 Good: this gateway answers there, as http-01 needs it\n\
         port 443 Good: TLS answers there, as tls-alpn-01 needs it\n\
         ca Good: the CA letsencrypt answers\n\
         nothing stands in the way of blog.example.com: it is tried as soon as it is its turn"
    );
}

#[test]
fn a_name_that_fails_shows_all_that_is_wrong_and_the_first_thing_to_do() {
    let mut subject = subject("blog.example.com");
    let failed = status("blog.example.com", NameState::Quarantined);
    let why = "the CA saw another server\x1b[0m".to_owned();
    subject.status = Some(NameStatus {
        failure: Some((FailureKind::ValidationUnauthorized, why, NOW.before(std::time::Duration::from_secs(7200)))),
        failures: 5,
        next_attempt: Some(minutes(90)),
        ..failed
    });
    subject.directory = Err("it does not answer".to_owned());
    subject.limit = Some("5 failed authorizations per hour".to_owned());
    let facts = points_to(&["198.51.100.1", "2001:db8::66"]);
    let explanation = judge(&subject, &seen(facts, Reached::Stranger("HTTP/1.1 200 OK".to_owned())));
    assert_eq!(
        lines(&explanation),
        "claim Good: blog.example.com is held by the site blog.yaml of uid 1000\n\
         dns Bad: blog.example.com points to 198.51.100.1, which is not this gateway: point an A record of blog.example.com to \
         192.0.2.7\n\
         ipv6 Bad: its AAAA record points to 2001:db8::66, which is not this gateway, and CAs prefer IPv6: take the AAAA \
         record of blog.example.com away, or point it to 2001:db8::7\n\
         caa Good: no CAA record keeps a CA away\n\
         port 80 Unclear: something else answers at 198.51.100.1 (HTTP/1.1 200 OK), such as another server or a proxy \
         in front of this gateway; from the Internet it may look different, and http-01 needs this gateway there\n\
         port 443 Unclear: something else answers at 198.51.100.1 (HTTP/1.1 200 OK), such as another server or a proxy \
         in front of this gateway; from the Internet it may look different, and tls-alpn-01 needs TLS there\n\
         ca Bad: the CA letsencrypt cannot be asked: it does not answer; it is tried again by itself\n\
         limits Unclear: it waits for a limit: 5 failed authorizations per hour, and is tried in 90 min\n\
         last attempt Unclear: 5 attempts in a row failed, the last one 2 h ago: the CA saw another server\u{fffd}[0m; next \
         attempt in 90 min\n\
         blog.example.com points to 198.51.100.1, which is not this gateway: point an A record of blog.example.com to 192.0.2.7"
    );
}

#[test]
fn the_address_says_what_to_write_into_dns() {
    use Standing::{Bad, Good, Unclear};
    let without =
        |resolution, problem: &str| Facts { resolution, problem: Some(problem.to_owned()), ..Facts::default() };
    let both: &[&str] = &["192.0.2.7", "2001:db8::7"];
    let six: &[&str] = &["2001:db8::7"];
    let cases: [(Facts, &[&str], Standing, &str); 9] = [
        (
            without(Resolution::Absent, "it does not exist (NXDOMAIN)"),
            both,
            Bad,
            "point an A record of blog.example.com to 192.0.2.7",
        ),
        (
            without(Resolution::Absent, "it has no such records"),
            six,
            Bad,
            "point an AAAA record of blog.example.com to 2001:db8::7",
        ),
        (
            without(Resolution::Absent, "it has no such records"),
            &[],
            Bad,
            "point an A record of blog.example.com to this machine's public address",
        ),
        (
            without(Resolution::Failing, "its DNS servers fail (SERVFAIL)"),
            both,
            Bad,
            "mend them, or the delegation to them, where the domain is held",
        ),
        (
            without(Resolution::Unknown, "no DNS server answered in time"),
            both,
            Unclear,
            "no DNS server answered in time",
        ),
        (
            points_to(&["192.0.2.7", "198.51.100.1"]),
            both,
            Unclear,
            "points here and to 198.51.100.1 as well: a CA may ask there; take those records away",
        ),
        (points_to(&["198.51.100.1"]), &[], Unclear, "write `public_addresses` under `acme` in the settings"),
        (points_to(&["2001:db8::66"]), six, Bad, "point an AAAA record of blog.example.com to 2001:db8::7"),
        (points_to(&["2001:db8::7"]), both, Good, "points here: 2001:db8::7"),
    ];
    for (facts, ours, standing, end) in cases {
        let mut subject = subject("blog.example.com");
        subject.public_addresses = ours.iter().map(|text| ip(text)).collect();
        let explanation = judge(&subject, &seen(facts, Reached::Silent));
        let (found, sentence) = step(&explanation, "dns");
        assert_eq!(found, standing, "{sentence}");
        assert!(sentence.ends_with(end), "{sentence}");
        if standing == Bad {
            assert_eq!(explanation.verdict, sentence);
        }
    }
}

#[test]
fn a_gateway_that_knows_no_addresses_knows_its_own_answer() {
    let mut subject = subject("blog.example.com");
    subject.public_addresses.clear();
    let facts = points_to(&["198.51.100.1", "2001:db8::66"]);
    let mut findings = seen(facts, Reached::Expected);
    assert_eq!(step(&judge(&subject, &findings), "dns").0, Standing::Good);
    assert_eq!(step(&judge(&subject, &findings), "ipv6").0, Standing::Good);
    // The trap: IPv4 is here, and IPv6 leads nowhere.
    findings.http[1].reached = Reached::Silent;
    let (standing, sentence) = step(&judge(&subject, &findings), "ipv6");
    assert_eq!(standing, Standing::Unclear);
    assert!(sentence.ends_with("take the AAAA record of blog.example.com away"), "{sentence}");
}

#[test]
fn an_alias_is_mended_where_it_leads() {
    let mut facts = points_to(&["198.51.100.1"]);
    facts.aliases = vec!["a.example.net".to_owned(), "b.example.net".to_owned()];
    let (_, sentence) = step(&judge(&subject("blog.example.com"), &seen(facts, Reached::Silent)), "dns");
    assert!(sentence.ends_with("point an A record of b.example.net to 192.0.2.7"), "{sentence}");
}

/// Tags and values.
type Records<'a> = &'a [(&'a str, &'a str)];

fn caa(name: &str, records: Records<'_>) -> (Standing, String) {
    let mut facts = points_to(&["192.0.2.7"]);
    facts.caa = records.iter().map(|(tag, value)| ((*tag).to_owned(), (*value).to_owned())).collect();
    facts.caa_at = Some("example.com".to_owned());
    step(&judge(&subject(name), &seen(facts, Reached::Expected)), "caa")
}

#[test]
fn caa_records_are_read_as_cas_read_them() {
    use Standing::{Bad, Good, Unclear};
    let add = "add `example.com. CAA 0 issue \"letsencrypt.org\"`";
    let wild = "add `example.com. CAA 0 issuewild \"letsencrypt.org\"`";
    let host = "blog.example.com";
    let cases: [(&str, Records<'_>, Standing, &str); 15] = [
        (host, &[("issue", "letsencrypt.org")], Good, "allow letsencrypt.org"),
        (host, &[("issue", " LetsEncrypt.org. ; a=b")], Good, "allow letsencrypt.org"),
        (host, &[("issue", "other.example"), ("issue", "letsencrypt.org")], Good, "allow letsencrypt.org"),
        (host, &[("iodef", "mailto:a@example.com")], Good, "keeps a CA away"),
        (host, &[("issuewild", "other.example")], Good, "keeps a CA away"),
        (host, &[("issue", "other.example"), ("issue", "third.example")], Bad, add),
        (host, &[("issue", ";")], Bad, add),
        (host, &[("issue", "")], Bad, add),
        ("*.example.com", &[("issue", "letsencrypt.org")], Good, "allow letsencrypt.org"),
        ("*.example.com", &[("issue", "letsencrypt.org"), ("issuewild", ";")], Bad, wild),
        (host, &[("issue", "letsencrypt.org; accounturi=https://ca.example/acct/1")], Good, "allow letsencrypt.org"),
        (host, &[("issue", "letsencrypt.org; accounturi=https://ca.example/acct/2")], Bad, add),
        (host, &[("issue", "letsencrypt.org; validationmethods=dns-01,http-01")], Good, "allow letsencrypt.org"),
        (host, &[("issue", "letsencrypt.org;validationmethods=dns-01")], Bad, add),
        (host, &[("issue", "letsencrypt.org; accounturi")], Bad, add),
    ];
    for (name, records, standing, end) in cases {
        let (found, sentence) = caa(name, records);
        assert_eq!(found, standing, "{records:?}: {sentence}");
        assert!(sentence.ends_with(end), "{records:?}: {sentence}");
    }
    let mut unknown = subject(host);
    unknown.directory = Ok(Directory::default());
    let mut facts = points_to(&["192.0.2.7"]);
    facts.caa = vec![("issue".to_owned(), "other.example".to_owned())];
    facts.caa_at = Some("example.com".to_owned());
    assert_eq!(step(&judge(&unknown, &seen(facts, Reached::Expected)), "caa").0, Unclear);
}

#[test]
fn caa_records_that_stop_every_ca() {
    let mut facts = points_to(&["192.0.2.7"]);
    facts.caa_problem = Some("its DNS servers fail (SERVFAIL)".to_owned());
    let (standing, sentence) = step(&judge(&subject("blog.example.com"), &seen(facts, Reached::Expected)), "caa");
    assert!(standing == Standing::Bad && sentence.contains("SERVFAIL"), "{sentence}");
    let mut facts = points_to(&["192.0.2.7"]);
    facts.caa = vec![("odd".to_owned(), String::new())];
    (facts.caa_critical, facts.caa_at) = (vec!["odd".to_owned()], Some("example.com".to_owned()));
    let (standing, sentence) = step(&judge(&subject("blog.example.com"), &seen(facts, Reached::Expected)), "caa");
    assert!(standing == Standing::Bad && sentence.ends_with("no CA knows its tag `odd`: take it away"), "{sentence}");
}

#[test]
fn wildcards_and_txt_records_need_a_provider() {
    let only_dns = |name: &str, provider| {
        let mut subject = subject(name);
        (subject.challenges, subject.provider) = (vec![ChallengeKind::Dns01], provider);
        judge(&subject, &Findings { facts: Some(points_to(&["198.51.100.1"])), ..Findings::default() })
    };
    let missing = only_dns("*.example.com", Provider::Missing);
    assert!(missing.verdict.ends_with("or list the hosts one by one"), "{}", missing.verdict);
    let mut unwanted = subject("*.example.com");
    unwanted.status = None;
    let unwanted = judge(&unwanted, &Findings::default());
    assert_eq!(unwanted.verdict, step(&unwanted, "dns").1, "it is why the engine is not told of it");
    let missing = only_dns("blog.example.com", Provider::Missing);
    assert!(missing.verdict.ends_with("write `dns` under its `tls`"), "{}", missing.verdict);
    for name in ["*.example.com", "blog.example.com"] {
        let explanation = only_dns(name, Provider::Present);
        assert_eq!(step(&explanation, "dns").0, Standing::Good);
        assert!(explanation.verdict.starts_with("nothing stands in the way"), "{}", explanation.verdict);
    }
}

#[test]
fn an_address_is_asked_nothing_of_dns() {
    let probes = vec![Probe { address: ip("192.0.2.7"), reached: Reached::Expected }];
    let explanation = judge(&subject("192.0.2.7"), &Findings { facts: None, http: probes.clone(), tls: probes });
    let subjects: Vec<_> = explanation.steps.iter().map(|step| step.subject).collect();
    assert_eq!(subjects, ["claim", "dns", "port 80", "port 443", "ca"]);
}

#[test]
fn a_port_that_no_challenge_needs_is_not_tried_and_says_so() {
    let check = |challenges: &[ChallengeKind], expected: &[(&str, &str)]| {
        let mut subject = subject("blog.example.com");
        subject.challenges = challenges.to_vec();
        let explanation = judge(&subject, &Findings { facts: Some(points_to(&["192.0.2.7"])), ..Findings::default() });
        let ports = explanation.steps.iter().filter(|step| step.subject.starts_with("port"));
        let told: Vec<_> = ports.map(|step| (step.subject, step.sentence.as_str())).collect();
        assert_eq!(told, expected);
    };
    let clear = |used: &str| format!("not tried: this name is proved by {used}, and only http-01 needs port 80");
    let secure = |used: &str| format!("not tried: this name is proved by {used}, and only tls-alpn-01 needs port 443");
    let only = [ChallengeKind::Dns01];
    check(&only, &[("port 80", &clear("dns-01")), ("port 443", &secure("dns-01"))]);
    check(&[ChallengeKind::TlsAlpn01, ChallengeKind::Dns01], &[("port 80", &clear("tls-alpn-01 or dns-01"))]);
    check(&[ChallengeKind::Http01], &[("port 443", &secure("http-01"))]);
}

#[test]
fn what_fails_from_here_is_never_more_than_a_doubt() {
    for reached in [
        Reached::Stranger("SSH-2.0".to_owned()),
        Reached::Closed("connection refused".to_owned()),
        Reached::Silent,
        Reached::Private,
    ] {
        let explanation = judge(&subject("blog.example.com"), &seen(points_to(&["192.0.2.7"]), reached.clone()));
        assert_eq!(step(&explanation, "port 80").0, Standing::Unclear, "{reached:?}");
        assert_eq!(step(&explanation, "port 443").0, Standing::Unclear, "{reached:?}");
        assert!(explanation.verdict.starts_with("nothing is in the way of blog.example.com for sure"));
    }
}

fn failed(kind: FailureKind, why: &str, state: NameState) -> Subject {
    let mut subject = subject("blog.example.com");
    let at = NOW.before(std::time::Duration::from_secs(600));
    let known = status("blog.example.com", state);
    let failure = Some((kind, why.to_owned(), at));
    subject.status = Some(NameStatus { failure, failures: 1, next_attempt: Some(minutes(5)), ..known });
    subject
}

#[test]
fn the_cas_own_word_comes_before_doubts_from_here() {
    use FailureKind as K;
    let own = "ca cannot connect to blog.example.com (timeout): open port 80 to the Internet";
    let six = "ca cannot connect to blog.example.com (2001:db8::66: refused): mend its AAAA record";
    let eab = "ca refuses what the settings ask for (no such kid): check `eab.kid` and the HMAC key";
    let cases = [
        (K::ValidationConnection, own, NameState::Waiting, own, "seen from here: nothing answers at 192.0.2.7"),
        (
            K::ValidationConnection,
            six,
            NameState::Waiting,
            six,
            "seen from here: its AAAA record points to 2001:db8::66",
        ),
        (
            K::Ca,
            "ca has a problem of its own (503)",
            NameState::Waiting,
            "ca has a problem",
            "(503); next attempt in 5 min",
        ),
        (K::Configuration, eab, NameState::Waiting, "the last attempt failed 10 min ago", eab),
        (K::ValidationConnection, own, NameState::Ordering, "nothing is to be done: an order for", "is in flight"),
    ];
    for (kind, why, state, start, part) in cases {
        let mut subject = failed(kind, why, state);
        subject.public_addresses.clear();
        let mut findings = seen(points_to(&["192.0.2.7", "2001:db8::66"]), Reached::Silent);
        findings.tls.clear();
        let verdict = judge(&subject, &findings).verdict;
        assert!(verdict.starts_with(start) && verdict.contains(part), "{verdict}");
        assert_eq!(verdict.contains("nothing answers"), part.contains("nothing answers"), "{verdict}");
    }
}

#[test]
fn a_name_that_waits_for_its_turn_has_no_last_attempt() {
    let subject = failed(FailureKind::Limit, "waits for the CA, which is down", NameState::Waiting);
    let explanation = judge(&subject, &seen(points_to(&["192.0.2.7"]), Reached::Expected));
    assert!(!explanation.steps.iter().any(|step| step.subject == "last attempt"), "{explanation:?}");
}

#[test]
fn the_verdict_follows_the_state() {
    let end = Timestamp(1_900_086_400_000);
    let cases = [
        (
            NameState::Valid,
            "nothing is to be done: blog.example.com has a certificate until Mon, 18 Mar 2030 17:46:40 GMT",
        ),
        (
            NameState::Renewing,
            "nothing is to be done: blog.example.com has a certificate until Mon, 18 Mar 2030 17:46:40 GMT, and is being renewed",
        ),
        (NameState::Ordering, "nothing is to be done: an order for blog.example.com is in flight"),
        (NameState::Waiting, "nothing stands in the way of blog.example.com: it is tried in 30 min"),
        (NameState::Expired, "nothing stands in the way of blog.example.com: it is tried in 30 min"),
    ];
    for (state, expected) in cases {
        let mut subject = subject("blog.example.com");
        let known = status("blog.example.com", state);
        subject.status = Some(NameStatus { not_after: Some(end), next_attempt: Some(minutes(30)), ..known });
        let explanation = judge(&subject, &seen(points_to(&["192.0.2.7"]), Reached::Expected));
        assert_eq!(explanation.verdict, expected);
    }
    let mut subject = subject("blog.example.com");
    subject.status = None;
    let explanation = judge(&subject, &seen(points_to(&["192.0.2.7"]), Reached::Expected));
    assert!(explanation.verdict.starts_with("no site wants a certificate of a CA for blog.example.com"));
}
