//! Wrong settings draw messages of the same kind.

use vestibule_site::parse_settings;

#[test]
fn every_mistake_is_shown_where_it_is() {
    super::compare("settings", CASES, |text| parse_settings(text).diagnostics);
}

const CASES: &[(&str, &[u8])] = &[
    ("unknown_key", b"listn:\n  http: 80\n"),
    ("unknown_key_of_a_site_file", b"listen:\n  http: 80\nhosts: a.test\n"),
    ("listen_is_no_mapping", b"listen: 80\n"),
    ("listen_on_a_name", b"listen:\n  http: localhost:80\n"),
    ("listen_on_a_bad_port", b"listen:\n  https: [443, 99999]\n"),
    ("listen_twice", b"listen:\n  http: 127.0.0.1:8080\n  https: [\"127.0.0.1:8443\", \"127.0.0.1:8080\"]\n"),
    ("no_workers", b"workers: 0\n"),
    ("admin_for_everybody", b"admin:\n  address: 0.0.0.0:9180\n"),
    ("proxy_is_no_network", b"trusted_proxies: [10.0.0.0/8, 10.0.0.1/33]\n"),
    ("proxies_are_everybody", b"trusted_proxies: 0.0.0.0/0\n"),
    ("log_of_unknown_format", b"log:\n  format: xml\n"),
    ("log_to_a_relative_path", b"log:\n  access: access.log\n"),
    ("limit_too_small", b"limits:\n  request_head: 1KiB\n"),
    ("timeout_of_a_site", b"timeouts:\n  connect: 5s\n"),
];
