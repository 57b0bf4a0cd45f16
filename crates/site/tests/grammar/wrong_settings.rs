//! Wrong settings draw messages of the same kind.

use vestibule_site::parse_settings;

#[test]
fn every_mistake_is_shown_where_it_is() {
    let cases: Vec<_> = [CASES, ACME, PROVIDERS].concat();
    super::compare("settings", &cases, |text| parse_settings(text).diagnostics);
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

const ACME: &[(&str, &[u8])] = &[
    ("acme_is_no_mapping", b"acme: true\n"),
    ("acme_by_a_slip", b"acmee:\n  agree: true\n"),
    ("acme_as_traefik_says", b"certificatesResolvers:\n  le:\n    acme: {}\n"),
    ("acme_keys_of_others", b"acme:\n  acme_ca: https://ca.test/dir\n  contact: ops@a.test\n  agree_tos: true\n"),
    ("acme_agreed_in_words", b"acme:\n  agree: yes\n"),
    ("acme_directory_in_clear", b"acme:\n  directory: http://ca.test/dir\n"),
    ("acme_directory_by_name", b"acme:\n  directory: letsencrypt\n"),
    ("acme_directory_of_staging", b"acme:\n  directory: letsencrypt-staging\n"),
    ("acme_directory_without_scheme", b"acme:\n  directory: ca.test/dir\n"),
    ("acme_directory_without_host", b"acme:\n  directory: https:///dir\n"),
    ("acme_directory_with_user", b"acme:\n  directory: https://ann:secret@ca.test/dir\n"),
    ("acme_staging_and_directory", b"acme:\n  staging: true\n  directory: https://ca.test/dir\n"),
    ("acme_name_for_no_folder", b"acme:\n  name: ../Our CA\n"),
    ("acme_email_as_url", b"acme:\n  email: mailto:ops@a.test\n"),
    ("acme_email_of_several", b"acme:\n  email: ops@a.test, ann@a.test\n"),
    ("acme_eab_without_key", b"acme:\n  eab:\n    kid: a1\n"),
    ("acme_eab_as_others_say", b"acme:\n  eab:\n    key_id: a1\n    mac_key: abc\n"),
    ("acme_challenge_unknown", b"acme:\n  challenges: [http-01, dns-02, tls]\n"),
    ("acme_challenge_twice", b"acme:\n  challenges: [http-01, http-01]\n"),
    ("acme_profile_without_name", b"acme:\n  profile:\n    required: true\n"),
    ("acme_profile_of_two_words", b"acme:\n  profile: tls server\n"),
    ("acme_limit_without_time", b"acme:\n  limits:\n    orders: 300\n"),
    ("acme_limit_of_nothing", b"acme:\n  limits:\n    orders: 0/3h\n"),
    ("acme_limit_of_unknown_time", b"acme:\n  limits:\n    certificates_per_domain: 50/week\n"),
    ("acme_limit_not_whole", b"acme:\n  limits:\n    certificates_per_set: 1.5/7d\n"),
    ("acme_limit_of_names", b"acme:\n  limits:\n    names_per_certificate: 1000\n"),
    ("acme_failover_without_directory", b"acme:\n  failover:\n    - email: ops@a.test\n"),
    ("acme_failover_to_itself", b"acme:\n  failover:\n    - staging: false\n      email: ops@a.test\n"),
    (
        "acme_failover_of_one_name",
        b"acme:\n  directory: https://ca.test/a\n  failover:\n    - directory: https://ca.test/b\n",
    ),
    ("acme_failover_with_hooks", b"acme:\n  failover:\n    - directory: https://ca.test/dir\n      hooks: /bin/x\n"),
    ("acme_hook_with_arguments", b"acme:\n  hooks: \"notify --channel ops\"\n"),
    ("acme_hook_of_nothing", b"acme:\n  hooks: [[]]\n"),
    ("acme_hold_too_long", b"acme:\n  hold: 5m\n"),
    ("acme_without_certificate_unknown", b"acme:\n  without_certificate: plain\n"),
    ("acme_resolver_by_name", b"acme:\n  resolvers: [9.9.9.9, dns.quad9.net]\n"),
    ("acme_public_network", b"acme:\n  public_addresses: 198.51.100.0/24\n"),
];

const PROVIDERS: &[(&str, &[u8])] = &[
    ("dns_without_a_name", b"acme:\n  dns:\n    exec: /usr/local/bin/dns-hook\n"),
    ("dns_with_a_bad_name", b"acme:\n  dns:\n    \"my dns\":\n      exec: /bin/x\n"),
    ("dns_is_no_mapping", b"acme:\n  dns: cloudflare\n"),
    ("dns_of_two_kinds", b"acme:\n  dns:\n    a:\n      exec: /bin/x\n      acme_dns:\n        server: https://a.test\n        credentials_file: /x\n"),
    ("dns_of_no_kind", b"acme:\n  dns:\n    a: {}\n"),
    ("dns_of_unknown_kind", b"acme:\n  dns:\n    a:\n      cloudflare: token\n"),
    ("dns_scope_alone", b"acme:\n  dns:\n    a:\n      tenants: all\n"),
    ("dns_tenants_by_name", b"acme:\n  dns:\n    a:\n      exec: /bin/x\n      tenants: [1000, ann]\n"),
    ("dns_zones_no_names", b"acme:\n  dns:\n    a:\n      exec: /bin/x\n      zones: [\"*.a.test\", a_b.test]\n"),
    ("dns_zones_empty", b"acme:\n  dns:\n    a:\n      exec: /bin/x\n      zones: []\n"),
    ("dns_program_relative", b"acme:\n  dns:\n    a:\n      exec: dns-hook\n"),
    ("dns_program_missing", b"acme:\n  dns:\n    a:\n      exec:\n        timeout: 1m\n"),
    ("dns_server_by_name", b"acme:\n  dns:\n    a:\n      rfc2136:\n        server: ns.a.test\n        key_name: k\n        key_file: /k\n"),
    ("dns_tsig_by_md5", b"acme:\n  dns:\n    a:\n      rfc2136:\n        server: 192.0.2.1\n        key_name: k\n        algorithm: hmac-md5\n        key_file: /k\n"),
    ("dns_tsig_without_key", b"acme:\n  dns:\n    a:\n      rfc2136:\n        server: 192.0.2.1\n"),
    ("dns_acme_dns_without_scheme", b"acme:\n  dns:\n    a:\n      acme_dns:\n        server: auth.a.test\n        credentials_file: /x\n"),
];
