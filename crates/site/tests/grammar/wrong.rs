//! Every kind of wrong site file draws a message with the right line and column, and says what to write instead.

use vestibule_site::parse_site;

#[test]
fn every_mistake_is_shown_where_it_is() {
    let deep = format!("hosts: {}a.test{}\nupstream: 5000\n", "[".repeat(17), "]".repeat(17));
    let upstreams =
        format!("hosts: a.test\nupstream: [{}]\n", (5000..5065).map(|port| format!("{port}, ")).collect::<String>());
    let wide =
        format!("hosts: a.test{}\nupstream: {}nowhere # {}\n", " ".repeat(300), " ".repeat(300), "x".repeat(300));
    let mut cases: Vec<(&str, &[u8])> = vec![
        ("nested_too_deep", deep.as_bytes()),
        ("too_many_upstreams", upstreams.as_bytes()),
        ("a_long_line", wide.as_bytes()),
    ];
    cases.extend(YAML.iter().chain(KEYS).chain(HOSTS).chain(ACTIONS).chain(TLS).chain(HEADERS).chain(QUANTITIES));
    assert!(cases.len() >= 80, "{}", cases.len());
    super::compare("site", &cases, |text| parse_site(text).diagnostics);
}

const YAML: &[(&str, &[u8])] = &[
    ("empty", b""),
    ("only_comments", b"# hosts: a.test\n# upstream: 5000\n"),
    ("not_utf8", b"hosts: a.test\nupstream: 5000 # gr\xfc\xdfe\n"),
    ("a_tab_indents", b"hosts: a.test\nupstream: 5000\ntimeouts:\n\tconnect: 5s\n"),
    ("an_open_bracket", b"hosts: [a.test, b.test\nupstream: 5000\n"),
    ("an_open_brace_at_the_end", b"hosts: a.test\nupstream: 5000\ntimeouts: {connect: 5s\n"),
    ("a_closing_bracket_too_many", b"hosts: a.test]\nupstream: 5000]\n"),
    ("mismatched_brackets", b"hosts: [a.test}\nupstream: 5000\n"),
    ("an_open_quote", b"hosts: \"a.test\nupstream: 5000\n"),
    ("uneven_indentation", b"hosts: a.test\nupstream: 5000\ntimeouts:\n    connect: 5s\n  response: 5s\n"),
    ("list_beside_keys", b"hosts: a.test\nupstream: 5000\nroutes:\n  /a: 5001\n  - /b: 5002\n"),
    ("a_colon_in_a_value", b"hosts: a.test\nupstream: http: 5000\n"),
    ("no_blank_after_the_colon", b"hosts:a.test\nupstream: 5000\n"),
    ("a_wildcard_without_quotes", b"hosts: *.example.com\nupstream: 5000\n"),
    ("a_wildcard_without_quotes_in_a_list", b"hosts: [example.com, *.example.com]\nupstream: 5000\n"),
    ("a_lone_asterisk", b"hosts: *\nupstream: 5000\n"),
    ("anchor_and_alias", b"hosts: &name a.test\nupstream: 5000\ncanonical: *name\n"),
    ("an_anchor_before_a_mapping", b"hosts: a.test\nupstream: 5000\ntimeouts: &slow # see below\n  connect: 50s\n"),
    ("an_alias_of_nothing", b"hosts: [a.test, *b]\nupstream: 5000\n"),
    ("merge_key", b"hosts: a.test\nupstream: 5000\n<<: {canonical: a.test}\n"),
    ("a_tag", b"hosts: a.test\nupstream: !!int 5000\n"),
    ("a_tag_that_does_not_fit", b"hosts: a.test\nupstream: !!int home\n"),
    ("a_tag_and_other_mistakes", b"hosts: !name a.test\nupstram: 5000\nheaders: !!map\n  reqest: 1\n"),
    ("two_documents", b"hosts: a.test\nupstream: 5000\n---\nhosts: b.test\nupstream: 5001\n"),
    ("a_directive", b"%YAML 1.2\n---\nhosts: a.test\nupstream: 5000\n"),
    ("a_directive_amid_the_file", b"hosts: a.test\n%TAG ! tag:a.test,2000:\nupstream: 5000\n"),
    ("a_second_document_with_mistakes_before_it", b"hosts: a.test\nupstram: 5000\n...\n---\nfoo: 1\n"),
    ("a_reserved_sign", b"hosts: a.test\nrespond: @home\n"),
    ("a_key_that_is_no_word", b"hosts: a.test\nupstream: 5000\n[a, b]: 1\n"),
];

const KEYS: &[(&str, &[u8])] = &[
    ("the_root_is_a_list", b"- hosts: a.test\n  upstream: 5000\n"),
    ("the_root_is_text", b"a.test 5000\n"),
    ("unknown_key_by_a_slip", b"hosts: a.test\nupstram: 5000\n"),
    ("unknown_key_by_case_and_hyphen", b"Hosts: a.test\nupstream: 5000\nredirect-to-https: true\n"),
    ("unknown_key_of_another_program", b"server_name: a.test\nproxy_pass: http://127.0.0.1:5000\n"),
    ("unknown_key_of_another_place", b"hosts: a.test\nupstream: 5000\nstrip_prefix: true\n"),
    ("unknown_key_of_the_settings", b"hosts: a.test\nupstream: 5000\nacme: {agree: true}\n"),
    ("unknown_key_like_none", b"hosts: a.test\nupstream: 5000\ntimeouts:\n  espresso: 25s\n"),
    ("a_key_written_twice", b"hosts: a.test\nupstream: 5000\ntls: off\nupstream: 5001\n"),
    ("a_key_without_a_value", b"hosts: a.test\nupstream:\n"),
    ("a_key_with_null", b"hosts: a.test\nupstream: 5000\ntls: ~\n"),
    ("missing_hosts", b"# a comment\nupstream: 5000\n"),
    ("terminal_escapes", b"hosts: a.test\nupstream: 5000\n\"\\e]0;owned\\a\\x9b31m\\u202e\": 1\n"),
    ("terminal_escapes_in_the_raw", "hosts: a.test\nupstream: 5000 # \u{202e}\n\u{9b}31m: 1\n".as_bytes()),
    ("wide_characters_before_the_place", "hosts: a.test\nupstream: 5000\nheaders: {öäü: 1, 日本: 2}\n".as_bytes()),
    ("windows_line_ends", b"hosts: a.test\r\nupstram: 5000\r\ntls: of\r\n"),
    ("several_mistakes_in_order", b"tls: of\ncanonical: c.test\nupstream: 5000/x\nfoo: 1\nhosts: [a.test, a_b.test]\n"),
];

const HOSTS: &[(&str, &[u8])] = &[
    ("hosts_is_an_empty_list", b"hosts: []\nupstream: 5000\n"),
    ("hosts_is_a_mapping", b"hosts:\n  name: a.test\nupstream: 5000\n"),
    ("hosts_has_an_empty_item", b"hosts:\n  - a.test\n  -\nupstream: 5000\n"),
    ("host_with_scheme", b"hosts: https://a.test/\nupstream: 5000\n"),
    ("host_with_port", b"hosts: a.test:8443\nupstream: 5000\n"),
    ("hosts_with_comma", b"hosts: a.test, b.test\nupstream: 5000\n"),
    ("host_with_underscore", b"hosts: my_blog.example.com\nupstream: 5000\n"),
    ("host_with_an_empty_label", b"hosts: blog..example.com\nupstream: 5000\n"),
    ("host_twice", b"hosts:\n  - Blog.Example.com\n  - blog.example.com.\nupstream: 5000\n"),
    ("wildcard_over_everybody", b"hosts: \"*.com\"\nupstream: 5000\n"),
    ("wildcard_in_the_middle", b"hosts: \"blog.*.example.com\"\nupstream: 5000\n"),
    ("canonical_not_listed", b"hosts: [a.test, b.test]\ncanonical: www.a.test\nupstream: 5000\n"),
    ("canonical_only_by_wildcard", b"hosts: \"*.a.test\"\ncanonical: www.a.test\nupstream: 5000\n"),
];

const ACTIONS: &[(&str, &[u8])] = &[
    ("no_action", b"hosts: a.test\n"),
    ("two_actions", b"hosts: a.test\nupstream: 5000\nrespond: closed\n"),
    ("upstream_with_path", b"hosts: a.test\nupstream: http://127.0.0.1:5000/base\n"),
    ("upstream_with_bad_port", b"hosts: a.test\nupstream: 127.0.0.1:70000\n"),
    ("upstream_without_port", b"hosts: a.test\nupstream: 127.0.0.1\n"),
    ("upstream_of_unknown_scheme", b"hosts: a.test\nupstream: ftp://127.0.0.1:21\n"),
    ("upstream_socket_without_unix", b"hosts: a.test\nupstream: /run/blog.sock\n"),
    ("upstream_socket_relative", b"hosts: a.test\nupstream: unix:run/blog.sock\n"),
    ("upstream_twice", b"hosts: a.test\nupstream: [5000, 127.0.0.1:5000]\n"),
    ("route_without_slash", b"hosts: a.test\nroutes:\n  api: 5001\n"),
    ("route_with_wildcard", b"hosts: a.test\nroutes:\n  /api/*: 5001\n"),
    ("route_twice", b"hosts: a.test\nroutes:\n  /api: 5001\n  /api/: 5002\n"),
    ("route_is_the_root_again", b"hosts: a.test\nupstream: 5000\nroutes:\n  /: 5001\n"),
    ("route_leads_nowhere", b"hosts: a.test\nroutes:\n  /api: {}\n"),
    ("routes_is_a_list", b"hosts: a.test\nroutes:\n  - /api: 5001\n"),
    ("no_routes_at_all", b"hosts: a.test\nroutes: {}\n"),
    ("strip_prefix_is_yes", b"hosts: a.test\nroutes:\n  /api:\n    upstream: 5001\n    strip_prefix: yes\n"),
    ("strip_prefix_of_nothing", b"hosts: a.test\nroutes:\n  /:\n    upstream: 5001\n    strip_prefix: true\n"),
    ("redirect_without_scheme", b"hosts: a.test\nredirect: www.example.org\n"),
    ("redirect_with_two_slashes", b"hosts: a.test\nredirect: //www.example.org/\n"),
    ("redirect_to_a_host_of_the_clients_making", b"hosts: a.test\nredirect: https://{path}\n"),
    ("redirect_with_unknown_placeholder", b"hosts: a.test\nredirect: https://b.test/{uri}\n"),
    ("redirect_with_blank", b"hosts: a.test\nredirect: https://b.test/a b\n"),
    ("redirect_with_bad_status", b"hosts: a.test\nredirect:\n  to: https://b.test/\n  status: 200\n"),
    ("redirect_without_target", b"hosts: a.test\nredirect:\n  status: 301\n"),
    ("redirect_to_itself", b"hosts: [a.test, www.a.test]\nredirect: https://www.a.test{path}{query}\n"),
    ("route_redirects_below_itself", b"hosts: a.test\nupstream: 5000\nroutes:\n  /docs:\n    redirect: /docs/latest\n"),
    ("respond_with_a_status_as_text", b"hosts: a.test\nrespond: 404\n"),
    ("respond_with_impossible_status", b"hosts: a.test\nrespond: {status: 99}\n"),
    ("respond_without_a_place_for_the_body", b"hosts: a.test\nrespond:\n  status: 204\n  body: nothing\n"),
    (
        "respond_with_bad_content_type",
        b"hosts: a.test\nrespond:\n  body: x\n  content_type: \"text/html\\nSet-Cookie: a=b\"\n",
    ),
];

const TLS: &[(&str, &[u8])] = &[
    ("tls_of_unknown_kind", b"hosts: a.test\nupstream: 5000\ntls: letsencrypt\n"),
    ("tls_by_a_slip", b"hosts: a.test\nupstream: 5000\ntls: intern\n"),
    ("tls_chain_without_key", b"hosts: a.test\nupstream: 5000\ntls:\n  chain: /etc/ssl/chain.pem\n"),
    ("tls_with_relative_path", b"hosts: a.test\nupstream: 5000\ntls:\n  chain: chain.pem\n  key: /etc/ssl/key.pem\n"),
    (
        "tls_files_and_certificate",
        b"hosts: a.test\nupstream: 5000\ntls:\n  certificate: auto\n  chain: /c.pem\n  key: /k.pem\n",
    ),
    (
        "tls_challenge_and_files",
        b"hosts: a.test\nupstream: 5000\ntls:\n  challenge: http-01\n  chain: /c.pem\n  key: /k.pem\n",
    ),
    ("tls_profile_of_the_local_ca", b"hosts: a.test\nupstream: 5000\ntls:\n  certificate: internal\n  profile: x\n"),
    ("tls_certificate_by_a_slip", b"hosts: a.test\nupstream: 5000\ntls:\n  certificate: acmee\n"),
    ("tls_challenge_unknown", b"hosts: a.test\nupstream: 5000\ntls:\n  challenge: http\n"),
    (
        "tls_challenge_for_a_wildcard",
        b"hosts: [a.test, \"*.a.test\"]\nupstream: 5000\ntls:\n  challenge: http-01\n  dns: default\n",
    ),
    ("tls_challenge_for_an_address", b"hosts: 8.8.8.8\nupstream: 5000\ntls:\n  challenge: dns-01\n"),
    ("tls_dns_for_another_challenge", b"hosts: a.test\nupstream: 5000\ntls:\n  challenge: http-01\n  dns: default\n"),
    ("tls_key_type_unknown", b"hosts: a.test\nupstream: 5000\ntls:\n  key_type: ed25519\n"),
    ("tls_dns_of_two_kinds", b"hosts: a.test\nupstream: 5000\ntls:\n  dns:\n    exec: /x\n    acme_dns: {}\n"),
    ("tls_dns_of_no_kind", b"hosts: a.test\nupstream: 5000\ntls:\n  dns: {}\n"),
    ("tls_dns_by_a_bad_name", b"hosts: a.test\nupstream: 5000\ntls:\n  dns: \"our dns\"\n"),
    ("tls_keys_of_others", b"hosts: a.test\nupstream: 5000\ntls:\n  certresolver: le\n  email: a@a.test\n"),
    ("tls_client_ca_relative", b"hosts: a.test\nupstream: 5000\ntls:\n  client_ca: ca.pem\n"),
    ("tls_client_ca_without_file", b"hosts: a.test\nupstream: 5000\ntls:\n  client_ca: {certificate: optional}\n"),
    (
        "tls_client_ca_by_words_of_others",
        b"hosts: a.test\nupstream: 5000\ntls:\n  client_auth: {file: /ca.pem, mode: require}\n",
    ),
    (
        "tls_client_ca_of_unknown_demand",
        b"hosts: a.test\nupstream: 5000\ntls:\n  client_ca: {file: /ca.pem, certificate: opt}\n",
    ),
    ("tls_client_ca_and_no_tls", b"hosts: a.test\nupstream: 5000\ntls: {certificate: off, client_ca: /ca.pem}\n"),
    (
        "tls_client_ca_on_clear_http",
        b"hosts: a.test\nupstream: 5000\nredirect_to_https: false\ntls: {client_ca: /ca.pem}\n",
    ),
    ("https_redirect_without_https", b"hosts: a.test\nupstream: 5000\ntls: off\nredirect_to_https: true\n"),
    ("upstream_tls_without_effect", b"hosts: a.test\nupstream: 5000\nupstream_tls:\n  server_name: api.internal\n"),
    (
        "upstream_tls_with_an_address",
        b"hosts: a.test\nupstream: https://10.0.0.7\nupstream_tls:\n  server_name: 10.0.0.7\n",
    ),
];

const HEADERS: &[(&str, &[u8])] = &[
    (
        "header_reserved",
        b"hosts: a.test\nupstream: 5000\nheaders:\n  request:\n    set:\n      X-Forwarded-For: 10.0.0.1\n",
    ),
    (
        "header_reserved_in_disguise",
        b"hosts: a.test\nupstream: 5000\nheaders:\n  request:\n    remove: [X_Forwarded_For, Host]\n",
    ),
    (
        "header_framing_in_response",
        b"hosts: a.test\nupstream: 5000\nheaders:\n  response:\n    remove: Content-Length\n",
    ),
    (
        "header_name_with_blank",
        b"hosts: a.test\nupstream: 5000\nheaders:\n  response:\n    set:\n      X Frame Options: DENY\n",
    ),
    (
        "header_value_with_line_end",
        b"hosts: a.test\nupstream: 5000\nheaders:\n  response:\n    set:\n      X-A: \"b\\r\\nX-C: d\"\n",
    ),
    (
        "header_set_and_removed",
        b"hosts: a.test\nupstream: 5000\nheaders:\n  response:\n    set:\n      Server: us\n    remove: server\n",
    ),
    (
        "header_set_twice",
        b"hosts: a.test\nupstream: 5000\nheaders:\n  response:\n    set:\n      X-A: 1\n      x-a: 2\n",
    ),
    ("headers_without_direction", b"hosts: a.test\nupstream: 5000\nheaders:\n  set:\n    X-A: 1\n"),
    ("headers_as_a_list", b"hosts: a.test\nupstream: 5000\nheaders:\n  response:\n    set:\n      - \"X-A: 1\"\n"),
];

const QUANTITIES: &[(&str, &[u8])] = &[
    ("duration_without_unit", b"hosts: a.test\nupstream: 5000\ntimeouts:\n  connect: 10\n"),
    ("duration_of_unknown_unit", b"hosts: a.test\nupstream: 5000\ntimeouts:\n  connect: 10sec\n"),
    ("duration_of_nothing", b"hosts: a.test\nupstream: 5000\ntimeouts:\n  connect: 0s\n"),
    ("duration_too_long", b"hosts: a.test\nupstream: 5000\ntimeouts:\n  connect: 2h\n"),
    ("number_negative", b"hosts: a.test\nupstream: 5000\nlimits:\n  requests_in_flight: -1\n"),
    ("number_in_quotes", b"hosts: a.test\nupstream: 5000\nlimits:\n  tunnels: \"100\"\n"),
    ("number_in_a_block", b"hosts: a.test\nupstream: 5000\nlimits:\n  tunnels: |- # many\n    100\n"),
    ("number_too_large", b"hosts: a.test\nupstream: 5000\nlimits:\n  tunnels: 99999999999999999999999\n"),
    ("size_of_unknown_unit", b"hosts: a.test\nupstream: 5000\nlimits:\n  request_body: 10 parsecs\n"),
];
