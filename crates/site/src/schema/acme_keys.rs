//! The keys about public CAs: `acme` of the settings, and what a site's `tls` says of its certificate beyond the source.
//! A CA of `failover` has the same keys as the first one, so each of them is written once, here.

mod dns;
pub(crate) mod of_site;
mod profile;

use std::time::Duration;

use super::table::{Key, Shape, Table};

/// CAs to fall back to.
const FAILOVER_LIMIT: usize = 8;
/// Programs that are told of events.
const HOOKS_LIMIT: usize = 16;
/// Words of one command line.
const HOOK_WORDS_LIMIT: usize = 64;
/// Providers of DNS-01.
const PROVIDERS_LIMIT: usize = 64;
/// Recursive resolvers.
const RESOLVERS_LIMIT: usize = 8;
/// Addresses of one gateway.
const ADDRESSES_LIMIT: usize = 64;

/// The words for challenges.
pub(crate) const CHALLENGES: &[&str] = &["http-01", "tls-alpn-01", "dns-01"];

const MINUTE: Duration = Duration::from_secs(60);

const NAME: Key = Key {
    name: "name",
    shape: Shape::Text("a name of lower case letters, digits and hyphens"),
    default: "letsencrypt, letsencrypt-staging, or the host of the directory with hyphens for its dots",
    doc: "What the CA is called in the store, in metrics and by `vestibule certs`. Its certificates and its account are \
          kept under this name: keep it once it is in use.",
    example: "acme:\n  agree: true\n  name: our-ca\n  directory: https://ca.internal/acme/directory",
    elsewhere: &["id", "label"],
};
const DIRECTORY: Key = Key {
    name: "directory",
    shape: Shape::Text("an https URL"),
    default: "https://acme-v02.api.letsencrypt.org/directory",
    doc: "The URL of the CA's directory (RFC 8555 section 7.1.1). Without it Let's Encrypt is asked.",
    example: "acme:\n  agree: true\n  directory: https://ca.internal/acme/directory",
    elsewhere: &["ca", "acme_ca", "server", "caserver", "ca_server", "acme_directory", "url", "endpoint", "dir"],
};
const STAGING: Key = Key {
    name: "staging",
    shape: Shape::Flag,
    default: "false",
    doc: "Asks Let's Encrypt's staging environment: everything is as in earnest, except that no browser trusts what it \
          issues and that its limits are generous. For trying things out.",
    example: "acme:\n  agree: true\n  staging: true",
    elsewhere: &["test", "test_cert", "dry_run", "sandbox"],
};
const ROOT: Key = Key {
    name: "root",
    shape: Shape::Text("a path"),
    default: "the system's roots",
    doc: "A PEM file of the roots that are trusted in the connection to the CA, instead of the system's. A private CA \
          needs it.",
    example: "acme:\n  agree: true\n  directory: https://ca.internal/acme/directory\n  root: /etc/vestibule/our-ca.pem",
    elsewhere: &[
        "ca_root",
        "acme_ca_root",
        "trusted_roots",
        "cacertificates",
        "ca_certificates",
        "ca_bundle",
        "ca_file",
    ],
};
const EMAIL: Key = Key {
    name: "email",
    shape: Shape::Text("a mail address"),
    default: "none",
    doc: "The contact of the account. Let's Encrypt does not keep it and sends no warnings before an expiry; other CAs may \
          ask for one.",
    example: "acme:\n  agree: true\n  email: ops@example.com",
    elsewhere: &["mail", "contact", "contacts", "acme_email", "account"],
};
const EAB: Key = Key {
    name: "eab",
    shape: Shape::Mapping(&EAB_KEYS),
    default: "none",
    doc: "External account binding (RFC 8555 section 7.3.4): how a commercial CA knows whose account it is. Both parts \
          come from the CA.",
    example: EAB_EXAMPLE,
    elsewhere: &["external_account", "external_account_binding", "externalaccountbinding", "acme_eab"],
};
const PROFILE_KEY: Key = Key {
    name: "profile",
    shape: profile::SETTINGS_SHAPE,
    default: "the CA's default",
    doc: "The certificate profile to ask for, as the CA names it (Let's Encrypt: `classic`, `tlsserver`, `shortlived`). \
          It is a wish unless the mapping says `required: true`; a site may say otherwise.",
    example: "acme:\n  agree: true\n  profile: tlsserver",
    elsewhere: &["certificate_profile", "preferred_profile", "profiles"],
};
const CHALLENGES_KEY: Key = Key {
    name: "challenges",
    shape: Shape::OneOrMore { of: &Shape::Choice(CHALLENGES), most: 3 },
    default: "all that fit, HTTP-01 and TLS-ALPN-01 before DNS-01",
    doc: "Which challenges may be used, best first. When one fails the next is tried, and what worked for a name is tried \
          first the next time. Wildcards are proved by DNS-01 alone.",
    example: "acme:\n  agree: true\n  challenges: [tls-alpn-01, http-01]",
    elsewhere: &[
        "challenge",
        "preferred_challenges",
        "httpchallenge",
        "tlschallenge",
        "http_challenge",
        "tls_challenge",
    ],
};
const PREFERRED_CHAIN: Key = Key {
    name: "preferred_chain",
    shape: Shape::Text("a common name"),
    default: "the CA's default",
    doc: "Where a CA offers several chains, the one that has an issuer with this common name.",
    example: "acme:\n  agree: true\n  preferred_chain: ISRG Root X1",
    elsewhere: &["preferred_chains", "preferredchain", "chain"],
};
const LIMITS: Key = Key {
    name: "limits",
    shape: Shape::Mapping(&ACME_LIMITS),
    default: "Let's Encrypt's own for Let's Encrypt, none for other directories",
    doc: "What the CA allows, where it differs from what is known: a CA that granted more, or a CA with limits of its \
          own. No more is ever asked of a CA than this.",
    example: "acme:\n  agree: true\n  limits:\n    orders: 600/3h",
    elsewhere: &["limit", "rate_limit", "rate_limits", "ratelimits"],
};

const EAB_EXAMPLE: &str = "acme:\n  agree: true\n  directory: https://acme.ca.example/directory\n  eab:\n    \
                           kid: \"a1b2c3\"\n    hmac_file: /etc/vestibule/eab.key";
const LIMITS_EXAMPLE: &str = "acme:\n  agree: true\n  limits:\n    orders: 600/3h\n    certificates_per_domain: none\n    \
                              certificates_per_set: 5/7d\n    failed_authorizations: 5/1h\n    names_per_certificate: 25";

/// `acme`.
pub(crate) static ACME: Table = Table {
    place: "`acme`",
    keys: &[
        Key {
            name: "agree",
            shape: Shape::Flag,
            default: "false",
            doc: "`true` says that you have read the terms of service of the CA (and of those under `failover`) and agree \
                  to them. Without it no CA is asked. Let's Encrypt's terms: <https://letsencrypt.org/repository/>.",
            example: "acme:\n  agree: true",
            elsewhere: &[
                "agree_tos",
                "accept_tos",
                "tos",
                "terms",
                "agreed",
                "terms_of_service_agreed",
                "enabled",
                "accept",
            ],
        },
        EMAIL,
        STAGING,
        DIRECTORY,
        ROOT,
        NAME,
        EAB,
        PROFILE_KEY,
        CHALLENGES_KEY,
        PREFERRED_CHAIN,
        LIMITS,
        Key {
            name: "failover",
            shape: Shape::AnyNumber { of: &Shape::Mapping(&FAILOVER), most: FAILOVER_LIMIT },
            default: "none",
            doc: "Other CAs, asked in this order when the ones before are down or refuse by a fault or limit of their \
                  own; never because a name could not be proved. Each is a mapping with the keys `name`, `directory`, \
                  `staging`, `root`, `email`, `eab`, `profile`, `challenges`, `preferred_chain` and `limits`, which mean \
                  the same as here.",
            example: "acme:\n  agree: true\n  failover:\n    - directory: https://acme.ca.example/directory\n      \
                      email: ops@example.com",
            elsewhere: &["fallback", "fallbacks", "issuers", "backup", "cas", "others"],
        },
        Key {
            name: "dns",
            shape: Shape::Entries {
                keys: "names of providers",
                of: &Shape::Mapping(&dns::SETTINGS_PROVIDER),
                most: PROVIDERS_LIMIT,
            },
            default: "none",
            doc: "How TXT records get into DNS, for DNS-01 and so for wildcards. A site chooses one by name with `tls: \
                  {dns: NAME}`; the one called `default` serves sites that name none. Each is a mapping with exactly one \
                  of `exec`, `rfc2136` and `acme_dns`.",
            example: dns::SETTINGS_ACME_DNS,
            elsewhere: &["dns_provider", "dns_providers", "providers", "dnschallenge", "dns_challenge"],
        },
        Key {
            name: "hooks",
            shape: Shape::AnyNumber { of: &Shape::Command { most: HOOK_WORDS_LIMIT }, most: HOOKS_LIMIT },
            default: "none",
            doc: "Programs that are told of events: obtained, renewed, failed, expiring, quarantined, revoked. Each is a \
                  path, or a list of a path and arguments; see [certificates.md](certificates.md#hooks).",
            example: "acme:\n  agree: true\n  hooks:\n    - /usr/local/bin/tell-us\n    - [/usr/local/bin/notify, \
                      \"--channel\", ops]",
            elsewhere: &["hook", "deploy_hook", "renew_hook", "post_hook", "on_event", "events", "notify", "exec"],
        },
        Key {
            name: "hold",
            shape: Shape::Duration { least: Duration::ZERO, most: MINUTE },
            default: "5s",
            doc: "How long a handshake waits when the first certificate of its name is being ordered at that moment.",
            example: "acme:\n  agree: true\n  hold: 10s",
            elsewhere: &["wait", "handshake_timeout", "on_demand"],
        },
        Key {
            name: "without_certificate",
            shape: Shape::Choice(&["placeholder", "alert"]),
            default: "placeholder",
            doc: "What a handshake gets while its name has no certificate yet. `placeholder`: a self-signed certificate, \
                  and 503 to every request. `alert`: the handshake is refused.",
            example: "acme:\n  agree: true\n  without_certificate: alert",
            elsewhere: &["placeholder", "default_certificate", "fallback_certificate"],
        },
        Key {
            name: "check_dns",
            shape: Shape::Flag,
            default: "true",
            doc: "Looks whether a name points here before it is ordered. The look advises: it delays and explains, and \
                  never keeps a name from being ordered for ever.",
            example: "acme:\n  agree: true\n  check_dns: false",
            elsewhere: &["preflight", "precheck", "dns_check"],
        },
        Key {
            name: "resolvers",
            shape: Shape::AnyNumber { of: &Shape::Address("an address"), most: RESOLVERS_LIMIT },
            default: "the system's",
            doc: "Whom to ask for that look: IP addresses, with a port unless it is 53. Public resolvers see what a CA \
                  sees.",
            example: "acme:\n  agree: true\n  resolvers: [9.9.9.9, \"127.0.0.1:5353\"]",
            elsewhere: &["resolver", "nameservers", "dns_servers", "dns_resolvers"],
        },
        Key {
            name: "public_addresses",
            shape: Shape::AnyNumber { of: &Shape::Text("an IP address"), most: ADDRESSES_LIMIT },
            default: "not known: any public address counts",
            doc: "The addresses of this gateway as the Internet sees them, to which names must point. Behind NAT nobody \
                  but you knows them.",
            example: "acme:\n  agree: true\n  public_addresses: [198.51.100.7, \"2001:db8::7\"]",
            elsewhere: &["addresses", "ips", "public_ips", "external_ip", "external_addresses"],
        },
    ],
};

/// One CA of `failover`.
pub(crate) static FAILOVER: Table = Table {
    place: "a CA of `failover`",
    keys: &[NAME, DIRECTORY, STAGING, ROOT, EMAIL, EAB, PROFILE_KEY, CHALLENGES_KEY, PREFERRED_CHAIN, LIMITS],
};

/// `eab`.
pub(crate) static EAB_KEYS: Table = Table {
    place: "`eab`",
    keys: &[
        Key {
            name: "kid",
            shape: Shape::Address("a key identifier"),
            default: "",
            doc: "The key identifier that the CA gave.",
            example: EAB_EXAMPLE,
            elsewhere: &["key_id", "keyid", "eab_kid", "id"],
        },
        Key {
            name: "hmac_file",
            shape: Shape::Text("a path"),
            default: "",
            doc: "A file with the HMAC key that the CA gave, base64url as it came, readable by the gateway alone.",
            example: EAB_EXAMPLE,
            elsewhere: &[
                "hmac",
                "hmac_key",
                "mac_key",
                "hmacencoded",
                "eab_hmac_key",
                "mac_key_file",
                "key",
                "key_file",
            ],
        },
    ],
};

/// `limits` of a CA.
pub(crate) static ACME_LIMITS: Table = Table {
    place: "`limits` of a CA",
    keys: &[
        Key {
            name: "orders",
            shape: Shape::Rate,
            default: "300/3h for Let's Encrypt, else none",
            doc: "New orders of the account.",
            example: LIMITS_EXAMPLE,
            elsewhere: &["new_orders", "order"],
        },
        Key {
            name: "certificates_per_domain",
            shape: Shape::Rate,
            default: "50/7d for Let's Encrypt, else none",
            doc: "Certificates for the names below one registered domain.",
            example: LIMITS_EXAMPLE,
            elsewhere: &["per_domain", "certificates", "certs_per_domain"],
        },
        Key {
            name: "certificates_per_set",
            shape: Shape::Rate,
            default: "5/7d for Let's Encrypt, else none",
            doc: "Certificates for exactly the same set of names.",
            example: LIMITS_EXAMPLE,
            elsewhere: &["duplicates", "duplicate_certificates", "per_set"],
        },
        Key {
            name: "failed_authorizations",
            shape: Shape::Rate,
            default: "5/1h for Let's Encrypt, else none",
            doc: "Failed authorizations of one name. We stop one short of it.",
            example: LIMITS_EXAMPLE,
            elsewhere: &["failures", "failed_validations", "failed_authorisations"],
        },
        Key {
            name: "names_per_certificate",
            shape: Shape::Number { least: 1, most: 100 },
            default: "100 (25 with the profiles `tlsserver` and `shortlived`) for Let's Encrypt, else 100",
            doc: "Names in one certificate.",
            example: LIMITS_EXAMPLE,
            elsewhere: &["names", "sans", "domains_per_certificate"],
        },
    ],
};
