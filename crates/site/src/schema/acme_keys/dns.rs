//! Providers of DNS-01: the same keys in the settings and in a site file, each with the examples of its place.

use std::time::Duration;

use super::{Key, Shape, Table};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// Zones of one provider.
const ZONES_LIMIT: usize = 1000;
/// Tenants of one provider.
const TENANTS_LIMIT: usize = 1000;

const SETTINGS_EXEC: &str = "acme:\n  agree: true\n  dns:\n    default:\n      exec:\n        \
                             program: /usr/local/bin/dns-hook\n        timeout: 3m";
const SETTINGS_RFC2136: &str = "acme:\n  agree: true\n  dns:\n    default:\n      rfc2136:\n        \
                                server: 192.0.2.53\n        key_name: acme-update\n        \
                                algorithm: hmac-sha256\n        key_file: /etc/vestibule/tsig.key";
pub(super) const SETTINGS_ACME_DNS: &str = "acme:\n  agree: true\n  dns:\n    default:\n      acme_dns:\n        \
                                            server: https://auth.example.net\n        \
                                            credentials_file: /etc/vestibule/acme-dns.json";
const SETTINGS_SCOPE: &str = "acme:\n  agree: true\n  dns:\n    default:\n      exec: /usr/local/bin/dns-hook\n      \
                              zones: [example.com]\n      tenants: [1000, 1001]";
const SITE_EXEC: &str = "hosts: [example.com, \"*.example.com\"]\ntls:\n  dns:\n    exec:\n      \
                         program: /usr/local/bin/dns-hook\n      timeout: 3m";
const SITE_RFC2136: &str = "hosts: [example.com, \"*.example.com\"]\ntls:\n  dns:\n    rfc2136:\n      \
                            server: 192.0.2.53\n      key_name: acme-update\n      algorithm: hmac-sha256\n      \
                            key_file: /home/ann/tsig.key";
pub(super) const SITE_ACME_DNS: &str = "hosts: [example.com, \"*.example.com\"]\ntls:\n  dns:\n    acme_dns:\n      \
                                        server: https://auth.example.net\n      \
                                        credentials_file: /home/ann/acme-dns.json";

/// One of `acme.dns`.
pub(super) static SETTINGS_PROVIDER: Table = Table {
    place: "a provider of `dns`",
    keys: &[
        exec_key(&[PROGRAM, Shape::Mapping(&EXEC_OF_SETTINGS)], SETTINGS_EXEC),
        rfc2136_key(&RFC2136_OF_SETTINGS, SETTINGS_RFC2136),
        acme_dns_key(&ACME_DNS_OF_SETTINGS, SETTINGS_ACME_DNS),
        Key {
            name: "zones",
            shape: Shape::OneOrMore { of: &Shape::Text("a zone"), most: ZONES_LIMIT },
            default: "any name",
            doc: "What it may prove: these names and all below them. With a key that can write into these zones alone, say so \
                  here.",
            example: SETTINGS_SCOPE,
            elsewhere: &["zone", "domains", "domain", "names", "hosts"],
        },
        Key {
            name: "tenants",
            shape: Shape::Either(&[
                Shape::Choice(&["all"]),
                Shape::OneOrMore { of: &Shape::Address("a user id"), most: TENANTS_LIMIT },
            ]),
            default: "only the operator's sites",
            doc: "Whose sites may use it. Everybody who may gets certificates for any name of its zones that they hold, \
                  whether or not it leads here.",
            example: SETTINGS_SCOPE,
            elsewhere: &["users", "uids", "uid", "owners", "tenant", "user"],
        },
    ],
};
static EXEC_OF_SETTINGS: Table = Table { place: "`exec`", keys: &exec(SETTINGS_EXEC) };
static RFC2136_OF_SETTINGS: Table = Table { place: "`rfc2136`", keys: &rfc2136(SETTINGS_RFC2136) };
static ACME_DNS_OF_SETTINGS: Table = Table { place: "`acme_dns`", keys: &acme_dns(SETTINGS_ACME_DNS) };

/// `tls.dns` of a site.
pub(super) static SITE_PROVIDER: Table = Table {
    place: "`dns`",
    keys: &[
        exec_key(&[PROGRAM, Shape::Mapping(&EXEC_OF_SITE)], SITE_EXEC),
        rfc2136_key(&RFC2136_OF_SITE, SITE_RFC2136),
        acme_dns_key(&ACME_DNS_OF_SITE, SITE_ACME_DNS),
    ],
};
static EXEC_OF_SITE: Table = Table { place: "`exec`", keys: &exec(SITE_EXEC) };
static RFC2136_OF_SITE: Table = Table { place: "`rfc2136`", keys: &rfc2136(SITE_RFC2136) };
static ACME_DNS_OF_SITE: Table = Table { place: "`acme_dns`", keys: &acme_dns(SITE_ACME_DNS) };

const PROGRAM: Shape = Shape::Text("an absolute path of a program");

const fn exec_key(ways: &'static [Shape], example: &'static str) -> Key {
    Key {
        name: "exec",
        shape: Shape::Either(ways),
        default: "",
        doc: "A program that is run as `PROGRAM present FQDN VALUE` and `PROGRAM cleanup FQDN VALUE`. The operator's only: \
              a tenant's site may not name programs.",
        example,
        elsewhere: &["program", "command", "script", "hook"],
    }
}

const fn rfc2136_key(table: &'static Table, example: &'static str) -> Key {
    Key {
        name: "rfc2136",
        shape: Shape::Mapping(table),
        default: "",
        doc: "Dynamic update (RFC 2136), signed with a TSIG key (RFC 8945), as BIND, Knot and PowerDNS take it.",
        example,
        elsewhere: &["nsupdate", "tsig", "bind", "dynamic_update"],
    }
}

const fn acme_dns_key(table: &'static Table, example: &'static str) -> Key {
    Key {
        name: "acme_dns",
        shape: Shape::Mapping(table),
        default: "",
        doc: "A server of acme-dns, to which `_acme-challenge.NAME` is delegated by a CNAME record: no key to the whole \
              zone lies on this machine.",
        example,
        elsewhere: &["acmedns", "joohoi"],
    }
}

const fn exec(example: &'static str) -> [Key; 2] {
    [
        Key {
            name: "program",
            shape: PROGRAM,
            default: "",
            doc: "The program.",
            example,
            elsewhere: &["path", "command", "exec"],
        },
        Key {
            name: "timeout",
            shape: Shape::Duration { least: SECOND, most: HOUR },
            default: "2m",
            doc: "How long one run may take.",
            example,
            elsewhere: &["wait", "propagation_timeout"],
        },
    ]
}

const fn rfc2136(example: &'static str) -> [Key; 4] {
    [
        Key {
            name: "server",
            shape: Shape::Address("an IP address, with a port unless it is 53"),
            default: "",
            doc: "The primary name server of the zone.",
            example,
            elsewhere: &["nameserver", "host", "address", "dns_server"],
        },
        Key {
            name: "key_name",
            shape: Shape::Text("a key's name"),
            default: "",
            doc: "The name of the TSIG key.",
            example,
            elsewhere: &["tsig_key", "tsig_key_name", "dns_rfc2136_name", "key"],
        },
        Key {
            name: "algorithm",
            shape: Shape::Choice(&["hmac-sha256", "hmac-sha384", "hmac-sha512"]),
            default: "hmac-sha256",
            doc: "The TSIG algorithm.",
            example,
            elsewhere: &["tsig_algorithm", "key_algorithm", "key_alg"],
        },
        Key {
            name: "key_file",
            shape: Shape::Text("an absolute path"),
            default: "",
            doc: "A file with the key, base64, readable by the gateway and nobody else.",
            example,
            elsewhere: &["secret", "tsig_secret", "secret_file", "hmac_file"],
        },
    ]
}

const fn acme_dns(example: &'static str) -> [Key; 2] {
    [
        Key {
            name: "server",
            shape: Shape::Text("a URL"),
            default: "",
            doc: "The URL of the acme-dns server.",
            example,
            elsewhere: &["url", "api", "server_url", "api_base", "base"],
        },
        Key {
            name: "credentials_file",
            shape: Shape::Text("an absolute path"),
            default: "",
            doc: "A JSON file with the `username`, `password`, `fulldomain` and `subdomain` of a registration, or one such \
                  object per domain.",
            example,
            elsewhere: &["storage", "storage_path", "credentials", "config", "account_file"],
        },
    ]
}
