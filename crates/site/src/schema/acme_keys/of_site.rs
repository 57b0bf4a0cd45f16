//! What a site's `tls` says of a public certificate beyond where it comes from.

use super::{CHALLENGES, Key, Shape, dns, profile};

pub(crate) const CHALLENGE: Key = Key {
    name: "challenge",
    shape: Shape::Choice(CHALLENGES),
    default: "what the operator allows, each the other's fallback",
    doc: "Proves the names by this challenge and no other. A wildcard is proved by `dns-01` alone.",
    example: "tls:\n  challenge: tls-alpn-01",
    elsewhere: &["challenges", "challenge_type", "preferred_challenges", "httpchallenge", "tlschallenge"],
};
pub(crate) const PROFILE: Key = Key {
    name: "profile",
    shape: profile::SITE_SHAPE,
    default: "the operator's choice",
    doc: "The certificate profile to ask the CA for: a name, or a mapping that says whether it must be had.",
    example: "tls:\n  profile: shortlived",
    elsewhere: &["certificate_profile", "preferred_profile", "required_profile"],
};
pub(crate) const KEY_TYPE: Key = Key {
    name: "key_type",
    shape: Shape::Choice(&["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-4096"]),
    default: "ecdsa-p256",
    doc: "The type of the certificate's key. RSA is for clients that know nothing else: it costs many times more at each \
          handshake.",
    example: "tls:\n  key_type: rsa-2048",
    elsewhere: &["keytype", "key_algorithm", "algorithm", "rsa_key_size", "elliptic_curve"],
};
pub(crate) const DNS: Key = Key {
    name: "dns",
    shape: Shape::Either(&[Shape::Text("a name of an operator's provider"), Shape::Mapping(&dns::SITE_PROVIDER)]),
    default: "the operator's provider called `default`, if there is one",
    doc: "How TXT records of this site get into DNS, for DNS-01: the name of a provider in the operator's settings, or a \
          provider of the site's own. Files that it names belong to the owner of the site file.",
    example: dns::SITE_ACME_DNS,
    elsewhere: &["dns_provider", "provider", "dnschallenge", "dns_challenge"],
};
