//! What is believed of a trusted proxy, as `chain scheme host`, the nearest of the chain first.

use http::HeaderValue;

use super::*;

fn check(fields: &[(&'static str, &'static str)], expected: &str) {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(*name, HeaderValue::from_static(value));
    }
    let settled = Settled::read(&headers, Trust::Proxy);
    let chain: Vec<String> = settled.chain.iter().map(ToString::to_string).collect();
    let scheme = settled.scheme.map_or("-", Scheme::as_str);
    let found = format!("[{}] {scheme} {}", chain.join(" "), settled.host.as_deref().unwrap_or("-"));
    assert_eq!(found, expected, "{fields:?}");
    let told = told(&headers, Trust::Proxy);
    assert_eq!(told, Told { client: settled.client(), scheme: settled.scheme });
    assert_eq!(super::told(&headers, Trust::Client), Told::default());
}

#[test]
fn the_chain_of_x_forwarded_for() {
    for (value, expected) in [
        ("192.0.2.1", "[192.0.2.1] - -"),
        ("192.0.2.1, 192.0.2.2", "[192.0.2.2 192.0.2.1] - -"),
        (
            "192.0.2.1:80,[2001:db8::1]:443 , [2001:db8::2],2001:DB8::3",
            "[2001:db8::3 2001:db8::2 2001:db8::1 192.0.2.1] - -",
        ),
        ("::ffff:192.0.2.1", "[192.0.2.1] - -"),
        ("_hidden, Unknown, 192.0.2.1", "[192.0.2.1 unknown _hidden] - -"),
        ("192.0.2.1, evil, 192.0.2.2", "[192.0.2.2] - -"),
        ("192.0.2.1,, 192.0.2.2", "[192.0.2.2] - -"),
        ("\"><script>,,", "[] - -"),
        ("192.0.2.1,", "[] - -"),
        ("", "[] - -"),
        ("192.0.2.01", "[] - -"),
        ("192.0.2.1:99999", "[] - -"),
        ("192.0.2.1:", "[] - -"),
        ("[192.0.2.1]", "[] - -"),
        ("[fe80::1%3]:80", "[] - -"),
        ("fe80::1%eth0", "[] - -"),
        ("_", "[] - -"),
        ("_a b", "[] - -"),
        ("9", "[] - -"),
    ] {
        check(&[("x-forwarded-for", value)], expected);
    }
    let far = "192.0.2.1,".repeat(100) + "192.0.2.2";
    let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, HeaderValue::try_from(far).unwrap())]);
    assert_eq!(Settled::read(&headers, Trust::Proxy).chain.len(), CHAIN_LIMIT);
}

#[test]
fn several_lines_are_one_list() {
    check(&[("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2")], "[192.0.2.2 192.0.2.1] - -");
    check(
        &[("forwarded", "for=192.0.2.1"), ("forwarded", "for=192.0.2.2;proto=https")],
        "[192.0.2.2 192.0.2.1] https -",
    );
    check(&[("x-forwarded-proto", "http"), ("x-forwarded-proto", "https")], "[] https -");
}

#[test]
fn schemes_and_hosts_of_the_extended_family() {
    for (proto, expected) in [
        ("https", "https"),
        ("HTTP", "http"),
        ("http, https", "https"),
        ("https, wss", "-"),
        ("https,", "-"),
        ("", "-"),
    ] {
        check(&[("x-forwarded-proto", proto)], &format!("[] {expected} -"));
    }
    for (host, expected) in [
        ("Shop.Test:8443", "shop.test:8443"),
        ("evil.test, shop.test", "shop.test"),
        ("[2001:DB8::1]:443", "[2001:db8::1]:443"),
        ("192.0.2.1", "192.0.2.1"),
        ("a.test/evil", "-"),
        ("u@a.test", "-"),
        ("\"><script>", "-"),
        ("a.test:", "-"),
        ("", "-"),
    ] {
        check(&[("x-forwarded-host", host)], &format!("[] - {expected}"));
    }
}

#[test]
fn the_elements_of_forwarded() {
    for (value, expected) in [
        ("for=192.0.2.1;proto=https;host=a.test", "[192.0.2.1] https a.test"),
        ("For=\"[2001:db8::1]:80\"; Proto=HTTP ;HOST=\"a.test:81\"", "[2001:db8::1] http a.test:81"),
        ("for=192.0.2.1;proto=https, for=192.0.2.2", "[192.0.2.2 192.0.2.1] - -"),
        ("for=192.0.2.1;by=_us;secret=\"x y\"", "[192.0.2.1] - -"),
        ("for=192.0.2.1, proto=https", "[unknown 192.0.2.1] https -"),
        ("for=_gazonk, for=unknown", "[unknown _gazonk] - -"),
        ("for=192.0.2.1;proto=gopher;host=\"a/b\"", "[192.0.2.1] - -"),
        ("for=;;", "[] - -"),
        (";", "[] - -"),
        ("for", "[] - -"),
        ("for =192.0.2.1", "[] - -"),
        ("for=192.0.2.1;for=192.0.2.2", "[] - -"),
        ("for=192.0.2.1;proto=http;proto=https", "[] - -"),
        ("for=192.0.2.1:80", "[] - -"),
        ("for=2001:db8::1", "[] - -"),
        ("for=\"192.0.2.1", "[] - -"),
        ("for=\"192.0.2\\.1\"", "[] - -"),
        ("for=192.0.2.1;b d=1", "[] - -"),
    ] {
        check(&[("forwarded", value)], expected);
    }
}

#[test]
fn an_open_quote_swallows_nothing_and_offers_nothing() {
    check(&[("forwarded", "for=192.0.2.1;x=\", for=192.0.2.2;proto=https")], "[192.0.2.2] https -");
    check(&[("forwarded", "for=192.0.2.2;x=\"a, for=192.0.2.9, b\"")], "[] - -");
    check(&[("forwarded", "for=192.0.2.2;x=\"a, for=192.0.2.9\"")], "[] - -");
}

#[test]
fn the_extended_family_alone_is_believed_where_it_is_there() {
    let forwarded = ("forwarded", "for=192.0.2.9;proto=https;host=evil.test");
    check(&[forwarded], "[192.0.2.9] https evil.test");
    check(&[forwarded, ("x-forwarded-for", "192.0.2.1")], "[192.0.2.1] - -");
    check(&[forwarded, ("x-forwarded-proto", "http")], "[] http -");
    check(&[forwarded, ("x-forwarded-host", "a.test")], "[] - a.test");
    check(&[forwarded, ("x-forwarded-for", "\">")], "[] - -");
}

#[test]
fn whom_the_peer_saw() {
    for (chain, expected) in [
        ("192.0.2.1, 192.0.2.2", Some("192.0.2.2")),
        ("192.0.2.1, unknown", None),
        ("192.0.2.1, _x", None),
        ("192.0.2.1, ?", None),
    ] {
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, HeaderValue::from_static(chain))]);
        assert_eq!(told(&headers, Trust::Proxy).client.map(|ip| ip.to_string()).as_deref(), expected, "{chain}");
    }
}
