use std::{collections::BTreeMap, path::PathBuf};

use vestibule_names::{RoutePath, UpstreamAddr};
use vestibule_site::site::{Headers, Limits, Prefix, RedirectToHttps, Timeouts};

use super::*;

fn at<T>(value: T) -> Spanned<T> {
    Spanned { value, span: Span { start: 7, end: 9 } }
}

fn pattern(name: &str) -> HostPattern {
    HostPattern::parse(name).unwrap()
}

fn upstream(addr: &str) -> site::Action {
    let addrs = vec![at(UpstreamAddr::parse(addr).unwrap())];
    site::Action::Upstream(site::UpstreamGroup { addrs, tls: site::UpstreamTls::default() })
}

fn redirect(to: &str, status: u16) -> site::Action {
    site::Action::Redirect(site::Redirect { to: at(to.to_owned()), status })
}

fn respond(status: u16, content_type: &str) -> site::Action {
    let (body, content_type) = ("hello".to_owned(), content_type.to_owned());
    site::Action::Respond(site::Respond { status, body, content_type })
}

fn route(path: &str, action: site::Action) -> site::Route {
    let path = at(RoutePath::parse(path).unwrap());
    site::Route { path, action, prefix: Prefix::Keep, headers: Headers::default() }
}

fn site(hosts: &[&str], routes: Vec<site::Route>) -> Site {
    Site {
        hosts: hosts.iter().map(|host| at(pattern(host))).collect(),
        routes,
        tls: at(Tls::Auto),
        client_ca: None,
        acme: vestibule_site::acme::SiteAcme::default(),
        redirect_to_https: RedirectToHttps::Yes,
        canonical: None,
        headers: Headers::default(),
        timeouts: Timeouts::default(),
        limits: Limits::default(),
    }
}

fn compile_all(site: &Site) -> Compiled {
    let granted: Vec<_> = site.hosts.iter().map(|host| host.value.clone()).collect();
    compile(site, SiteId::new("a.yaml"), TenantId(1000), &granted)
}

fn set(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// One route alone must be refused with this code.
fn check_refused(route: site::Route, code: vestibule_diagnostics::Code) {
    let compiled = compile_all(&site(&["a.test"], vec![route]));
    assert!(compiled.vhost.is_none());
    let codes: Vec<_> = compiled.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, [code]);
    assert!(compiled.diagnostics[0].primary.is_some());
}

#[test]
fn a_site_becomes_a_vhost() {
    let routes = vec![
        route("/", upstream("127.0.0.1:5000")),
        route("/api", upstream("127.0.0.1:5000")),
        route("/other", upstream("127.0.0.1:5001")),
        route("/old", redirect("/new{path}", 308)),
        route("/hello", respond(200, "text/plain")),
    ];
    let mut site = site(&["a.test", "*.a.test", "lost.test"], routes);
    site.canonical = Some(at(Hostname::parse("www.a.test").unwrap()));
    site.tls.value = Tls::Files { chain: at(PathBuf::from("/c.pem")), key: at(PathBuf::from("/k.pem")) };
    let granted = [pattern("a.test"), pattern("*.a.test")];
    let compiled = compile(&site, SiteId::new("a.yaml"), TenantId(1000), &granted);
    assert_eq!(compiled.diagnostics, []);
    let vhost = compiled.vhost.unwrap();
    assert_eq!(*vhost.hosts, granted);
    let files = CertificateFiles { chain: PathBuf::from("/c.pem"), key: PathBuf::from("/k.pem") };
    assert_eq!(vhost.tls, TlsPolicy::Files(Box::new(files)));
    assert_eq!(vhost.canonical().unwrap().as_str(), "www.a.test");
    assert!(vhost.serves("x.a.test") && !vhost.serves("lost.test"));

    let group = |path: &str| match &vhost.route(path).unwrap().action {
        Action::Upstream(group) => Arc::clone(group),
        other => panic!("{other:?}"),
    };
    assert!(Arc::ptr_eq(&group("/"), &group("/api/x")), "equal groups are one");
    assert_eq!(*group("/other").addrs, [UpstreamAddr::parse("127.0.0.1:5001").unwrap()]);
    assert!(matches!(&vhost.route("/hello").unwrap().action, Action::Respond(r) if &*r.body == "hello"));
    assert!(matches!(&vhost.route("/old/x").unwrap().action, Action::Redirect(r) if r.status == 308));
    let candidates: Vec<_> = vhost.candidates("/api/x").iter().map(|r| r.path.as_str()).collect();
    assert_eq!(candidates, ["/api", "/"]);
    assert_eq!(vhost.routes().len(), 5);
}

#[test]
fn the_route_wins_over_the_site_header_by_header() {
    let mut site = site(
        &["a.test"],
        vec![route("/", upstream("5000")), route("/r", upstream("5000")), route("/s", upstream("5000"))],
    );
    site.headers = Headers {
        request_set: set(&[("x-a", "site"), ("x-b", "site"), ("x-c", "site")]),
        request_remove: names(&["x-d", "x-e"]),
        response_set: set(&[("server", "none")]),
        response_remove: names(&["x-powered-by"]),
    };
    site.routes[1].headers = Headers {
        request_set: set(&[("x-b", "route"), ("x-d", "route"), ("x-f", "both")]),
        request_remove: names(&["x-c", "x-f"]),
        response_set: BTreeMap::new(),
        response_remove: names(&["server"]),
    };
    let vhost = compile_all(&site).vhost.unwrap();
    let merged = vhost.route("/r").unwrap().headers();
    let text = |set: &[(http::HeaderName, HeaderValue)]| {
        set.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(text(&merged.request_set), ["x-a=site", "x-b=route", "x-d=route", "x-f=both"]);
    assert_eq!(merged.request_remove, ["x-c", "x-e"]);
    assert_eq!(text(&merged.response_set), [""; 0]);
    assert_eq!(merged.response_remove, ["server", "x-powered-by"]);
    let plain = |path| vhost.route(path).unwrap().headers.as_ref().unwrap();
    assert_eq!(text(&plain("/").request_set), ["x-a=site", "x-b=site", "x-c=site"]);
    assert!(Arc::ptr_eq(plain("/"), plain("/s")), "routes without headers share the site's");
}

#[test]
fn what_the_grammar_let_through_is_refused() {
    check_refused(route("/", redirect("https://{path}", 308)), catalogue::BAD_REDIRECT);
    check_refused(route("/", redirect("/x", 200)), catalogue::OUT_OF_RANGE);
    check_refused(route("/", respond(100, "text/plain")), catalogue::OUT_OF_RANGE);
    check_refused(route("/", respond(200, "text/plain\r\nx: y")), catalogue::BAD_VALUE);
    let none = site::UpstreamGroup { addrs: Vec::new(), tls: site::UpstreamTls::default() };
    check_refused(route("/", site::Action::Upstream(none)), catalogue::NO_ACTION);
    for (name, value) in [("a b", "x"), ("", "x"), ("x-a", "a\r\nb"), ("x-a", "\0")] {
        let mut bad = route("/", upstream("5000"));
        bad.headers.response_set = set(&[(name, value)]);
        check_refused(bad, catalogue::BAD_VALUE);
    }
    let twice = vec![route("/a", upstream("5000")), route("/a", upstream("5001"))];
    let compiled = compile_all(&site(&["a.test"], twice));
    assert_eq!(compiled.diagnostics[0].code, catalogue::DUPLICATE_ROUTE);
}

#[test]
fn a_small_file_cannot_become_a_large_vhost() {
    let own = |n: usize| {
        let mut route = route(&format!("/r{n}"), upstream("5000"));
        route.headers.request_set = set(&[("x-route", "1")]);
        route
    };
    let mut site = site(&["a.test"], (0..1_000).map(own).collect());
    let many: Vec<String> = (0..1_000).map(|n| format!("x-{n}")).collect();
    site.headers.request_remove = many;
    let compiled = compile_all(&site);
    assert!(compiled.vhost.is_none());
    assert_eq!(compiled.diagnostics.iter().map(|d| d.code).collect::<Vec<_>>(), [catalogue::OUT_OF_RANGE]);
}

#[test]
fn nobody_is_sent_to_a_canonical_host_that_another_site_holds() {
    let check = |canonical: &str, granted: &[&str], kept: bool| {
        let mut site = site(&["a.test", "www.a.test", "*.a.test"], vec![route("/", upstream("5000"))]);
        site.canonical = Some(at(Hostname::parse(canonical).unwrap()));
        let granted: Vec<_> = granted.iter().map(|host| pattern(host)).collect();
        let compiled = compile(&site, SiteId::new("a.yaml"), TenantId(1000), &granted);
        let vhost = compiled.vhost.expect("a lost canonical host is a warning");
        assert_eq!(vhost.canonical().is_some(), kept, "{canonical} {granted:?}");
        assert_eq!(compiled.diagnostics.is_empty(), kept);
    };
    check("a.test", &["a.test", "www.a.test"], true);
    check("a.test", &["www.a.test", "*.a.test"], false);
    check("www.a.test", &["a.test", "*.a.test"], false);
    check("b.a.test", &["a.test", "*.a.test"], true);
    check("a.test", &[], false);
}

#[test]
fn a_site_that_asks_for_client_certificates_has_tls() {
    let mut asking = site(&["a.test"], vec![route("/", respond(200, "text/plain"))]);
    let (file, certificate) = (at("/ca.pem".into()), vestibule_site::site::ClientCertificate::Optional);
    asking.client_ca = Some(site::ClientCa { file, certificate });
    let vhost = compile_all(&asking).vhost.unwrap();
    assert_eq!(vhost.client_ca(), Some(&ClientCa { file: "/ca.pem".into(), certificate }));
    assert_eq!(vhost.keeping(|_| true).client_ca(), vhost.client_ca());
    asking.tls = at(Tls::Off);
    let refused = compile_all(&asking);
    assert!(refused.vhost.is_none() && refused.diagnostics.len() == 1, "{refused:?}");
}
