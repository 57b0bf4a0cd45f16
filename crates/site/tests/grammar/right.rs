//! What is right is understood, with every default filled in.

use std::time::Duration;

use vestibule_names::ByteSize;
use vestibule_site::{
    Settings, Site, parse_settings, parse_site,
    settings::{AccessLog, LogFormat},
    site::{Action, ClientCertificate, Prefix, RedirectToHttps, Tls},
};

fn site(text: &str) -> Site {
    let parsed = parse_site(text.as_bytes());
    assert!(parsed.diagnostics.is_empty(), "{}", super::messages("x", text.as_bytes(), &parsed.diagnostics));
    parsed.value.unwrap()
}

fn settings(text: &str) -> Settings {
    let parsed = parse_settings(text.as_bytes());
    assert!(parsed.diagnostics.is_empty(), "{}", super::messages("x", text.as_bytes(), &parsed.diagnostics));
    parsed.value.unwrap()
}

/// Where each route leads, in words.
fn routes(site: &Site) -> Vec<String> {
    let action = |action: &Action| match action {
        Action::Upstream(group) => group.addrs.iter().map(|addr| addr.value.to_string()).collect::<Vec<_>>().join(" "),
        Action::Redirect(redirect) => format!("{} {}", redirect.status, redirect.to.value),
        Action::Respond(respond) => format!("{} {} {}", respond.status, respond.content_type, respond.body),
    };
    site.routes.iter().map(|route| format!("{} -> {}", route.path.value, action(&route.action))).collect()
}

#[test]
fn two_lines_are_a_site() {
    let site = site("hosts: blog.example.com\nupstream: 127.0.0.1:5000\n");
    assert_eq!(site.hosts[0].value.to_string(), "blog.example.com");
    assert_eq!((site.hosts[0].span.start, site.hosts[0].span.end), (7, 23));
    assert_eq!(routes(&site), ["/ -> 127.0.0.1:5000"]);
    assert_eq!(site.tls.value, Tls::Auto);
    assert_eq!(site.redirect_to_https, RedirectToHttps::Yes);
    assert!(site.canonical.is_none());
}

#[test]
fn every_way_to_write_an_action() {
    for (text, expected) in [
        ("upstream: 5000", "/ -> 127.0.0.1:5000"),
        ("upstream: \"5000\"", "/ -> 127.0.0.1:5000"),
        ("upstream: [5000, \"unix:/run/a.sock\", \"[::1]:5002\"]", "/ -> 127.0.0.1:5000 unix:/run/a.sock [::1]:5002"),
        ("upstream:\n- 5000\n- https://api.internal", "/ -> 127.0.0.1:5000 https://api.internal"),
        ("redirect: https://b.test{path}", "/ -> 308 https://b.test{path}"),
        ("redirect: {to: /x/y, status: 302}\nroutes: {/x: 5000}", "/ -> 302 /x/y"),
        ("redirect: http://{host}:8080{path}{query}", "/ -> 308 http://{host}:8080{path}{query}"),
        ("respond: hello", "/ -> 200 text/plain; charset=utf-8 hello"),
        ("respond: true", "/ -> 200 text/plain; charset=utf-8 true"),
        ("respond: {status: 404}", "/ -> 404 text/plain; charset=utf-8 "),
        ("respond: {body: '{}', content_type: application/json}", "/ -> 200 application/json {}"),
        ("routes:\n  /api/: 5001", "/api -> 127.0.0.1:5001"),
        ("routes:\n  /api:\n    upstream: [5001]", "/api -> 127.0.0.1:5001"),
    ] {
        assert_eq!(routes(&site(&format!("hosts: a.test\n{text}\n")))[0], expected, "{text}");
    }
}

#[test]
fn the_root_comes_before_the_routes() {
    let site = site("hosts: a.test\nroutes:\n  /b: {upstream: 5001, strip_prefix: true}\n  /a: 5002\nrespond: root\n");
    assert_eq!(
        routes(&site),
        ["/ -> 200 text/plain; charset=utf-8 root", "/b -> 127.0.0.1:5001", "/a -> 127.0.0.1:5002"]
    );
    assert_eq!(
        site.routes.iter().map(|route| route.prefix).collect::<Vec<_>>(),
        [Prefix::Keep, Prefix::Strip, Prefix::Keep]
    );
}

#[test]
fn routes_inherit_how_upstreams_are_verified() {
    let site = site(
        "hosts: a.test\nupstream_tls: {server_name: one.internal}\nroutes:\n  /a: https://10.0.0.1\n  /b:\n    \
         upstream: https://10.0.0.2\n    upstream_tls: {ca: /ca.pem}\n  /c:\n    upstream: https://10.0.0.3\n",
    );
    let names: Vec<_> = site
        .routes
        .iter()
        .map(|route| match &route.action {
            Action::Upstream(group) => group.tls.server_name.as_ref().map(|name| name.value.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(names, [Some("one.internal".to_owned()), None, Some("one.internal".to_owned())]);
}

#[test]
fn every_way_to_write_a_client_ca() {
    let files = "chain: /c.pem, key: /k.pem, ";
    for (text, certificate) in [
        ("client_ca: /ca.pem", ClientCertificate::Required),
        ("client_ca: {file: /ca.pem}", ClientCertificate::Required),
        ("client_ca: {file: /ca.pem, certificate: required}", ClientCertificate::Required),
        ("client_ca: {file: /ca.pem, certificate: optional}", ClientCertificate::Optional),
    ] {
        for (also, expected) in [("", "Auto"), ("certificate: internal, ", "Internal"), (files, "Files")] {
            let site = site(&format!("hosts: a.test\nupstream: 5000\ntls: {{{also}{text}}}\n"));
            let client_ca = site.client_ca.as_ref().map(|ca| (ca.file.value.to_str(), ca.certificate));
            assert_eq!(client_ca, Some((Some("/ca.pem"), certificate)), "{also}{text}");
            assert!(format!("{:?}", site.tls.value).starts_with(expected), "{also}{text}");
            assert_eq!(site.redirect_to_https, RedirectToHttps::Yes);
        }
    }
    assert_eq!(site("hosts: a.test\nupstream: 5000\n").client_ca, None);
}

#[test]
fn every_way_to_write_tls() {
    for (text, expected) in [
        ("tls: auto", Tls::Auto),
        ("tls: internal", Tls::Internal),
        ("tls: off", Tls::Off),
        ("tls: \"off\"", Tls::Off),
        ("tls: {certificate: internal}", Tls::Internal),
        ("tls: {certificate: auto}", Tls::Auto),
    ] {
        assert_eq!(site(&format!("hosts: a.test\nupstream: 5000\n{text}\n")).tls.value, expected, "{text}");
    }
    assert_eq!(site("hosts: a.test\nupstream: 5000\ntls: off\n").redirect_to_https, RedirectToHttps::No);
    let files = site("hosts: a.test\nupstream: 5000\ntls: {chain: /c.pem, key: /k.pem}\n");
    assert!(matches!(files.tls.value, Tls::Files { chain, key }
        if chain.value.to_str() == Some("/c.pem") && key.value.to_str() == Some("/k.pem")));
}

#[test]
fn values_of_fields_stay_as_they_were_written() {
    let written = ["1.10", "yes", "0755", "0x1F", "1_000", "+1", "1e999", "-.INF", ".nan", "2026-11-22", "a  b # c"];
    let mut text = String::from("hosts: a.test\nupstream: 5000\nheaders:\n  request:\n    set:\n");
    text.extend(written.iter().enumerate().map(|(n, value)| format!("      X-{n:02}: {value}\n")));
    text += "      X-Block: >-\n        one\n        line\n      X-Empty: \"\"\n    remove: Accept-Encoding\n";
    let site = site(&text);
    let mut set: Vec<_> = site.headers.request_set.values().map(String::as_str).collect();
    assert_eq!(set.split_off(written.len()), ["one line", ""]);
    assert_eq!(set, written.map(|value| value.split(" #").next().unwrap()));
    assert_eq!(site.headers.request_remove, ["accept-encoding"]);
}

#[test]
fn hosts_are_brought_to_their_normal_form() {
    let site = site(
        "hosts: [Bücher.Example.COM., \"*.shop.localhost\", \"*.test\", 192.0.2.7, \"2001:db8::7\"]\nupstream: 5000\n",
    );
    let hosts: Vec<_> = site.hosts.iter().map(|host| host.value.to_string()).collect();
    assert_eq!(hosts, ["xn--bcher-kva.example.com", "*.shop.localhost", "*.test", "192.0.2.7", "2001:db8::7"]);
}

#[test]
fn quantities_have_units() {
    let site = site(
        "hosts: a.test\nupstream: 5000\ntimeouts: {connect: 250ms, response: 1m30s}\nlimits: {request_body: 10MiB, tunnels: 0}\n",
    );
    assert_eq!((site.timeouts.connect, site.timeouts.response), (Duration::from_millis(250), Duration::from_secs(90)));
    assert_eq!((site.limits.request_body, site.limits.tunnels), (Some(ByteSize(10 << 20)), 0));
}

#[test]
fn settings_are_all_optional() {
    for text in ["", "# nothing\n", "---\n", "{}\n"] {
        let settings = settings(text);
        assert!(settings.http.is_none() && settings.workers.is_none(), "{text:?}");
    }
}

#[test]
fn every_setting_arrives() {
    let settings = settings(
        "listen: {http: 127.0.0.1:8080, https: [\"127.0.0.1:8443\", \"[::1]:8443\"]}\nsites: sites.d\nstate: /var/lib/v\n\
         workers: 2\nlimits: {connections: 100, request_head: 32KiB}\ntimeouts: {rescan: 5s}\n\
         admin: {socket: /run/a.sock, address: \"127.0.0.1:9180\"}\nlog: {level: debug, format: json, access: /var/log/a}\n\
         trusted_proxies: 10.0.0.0/8\n",
    );
    assert_eq!((settings.http.unwrap().len(), settings.https.unwrap().len(), settings.workers), (1, 2, Some(2)));
    assert_eq!(settings.sites.unwrap().to_str(), Some("sites.d"));
    assert_eq!((settings.limits.connections, settings.limits.request_head), (Some(100), ByteSize(32 << 10)));
    assert_eq!(settings.timeouts.rescan, Duration::from_secs(5));
    assert_eq!(settings.admin_address.unwrap().to_string(), "127.0.0.1:9180");
    assert_eq!(settings.log.level.as_deref(), Some("debug"));
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.log.access, AccessLog::File("/var/log/a".into()));
    assert!(settings.trusted_proxies[0].contains("10.1.2.3".parse().unwrap()));
    assert_eq!(self::settings("listen: {https: []}").https, Some(Vec::new()));
}
