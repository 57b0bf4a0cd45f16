//! V05xx: certificates and their keys.

use super::{Code, Entry, FoundBy};
use crate::Severity;

const OWN_FILES: &str =
    "hosts: blog.example.com\nupstream: 5000\ntls:\n  chain: /etc/ssl/blog/chain.pem\n  key: /etc/ssl/blog/key.pem\n";

catalogue! {
    /// A certificate or key file that cannot be read.
    CERTIFICATE_UNREADABLE {
        number: "V0501",
        title: "a certificate or key file that cannot be read",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The file is missing, is no regular file, is too large, or may not be read by the gateway. The \
                      paths under tls are absolute and are read again when the files change.",
        wrong: "# there is no such file\nhosts: blog.example.com\nupstream: 5000\ntls:\n  chain: /etc/ssl/blog/cahin.pem\n  key: /etc/ssl/blog/key.pem\n",
        right: OWN_FILES,
    }
    /// A certificate or key that is not one.
    CERTIFICATE_INVALID {
        number: "V0502",
        title: "a file that is no certificate chain or no key",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The chain is PEM with the certificate of the site first and its issuers after it; the key is one \
                      PEM private key (PKCS #8, SEC 1 or PKCS #1) without a password.",
        wrong: "# the two files are swapped\nhosts: blog.example.com\nupstream: 5000\ntls:\n  chain: /etc/ssl/blog/key.pem\n  key: /etc/ssl/blog/chain.pem\n",
        right: OWN_FILES,
    }
    /// The key does not belong to the certificate.
    KEY_MISMATCH {
        number: "V0503",
        title: "the key does not belong to the certificate",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The public key in the first certificate of the chain is not that of the private key, so no \
                      handshake could succeed. After a renewal replace both files; the gateway waits until they match \
                      and serves the old pair meanwhile.",
        wrong: "# the key is that of last year's certificate\nhosts: blog.example.com\nupstream: 5000\ntls:\n  chain: /etc/ssl/blog/chain.pem\n  key: /etc/ssl/blog/key-old.pem\n",
        right: OWN_FILES,
    }
    /// A host that the certificate does not name.
    NAME_NOT_COVERED {
        number: "V0504",
        title: "a host that the certificate does not name",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "Browsers would refuse the site under this name. Add the name to the certificate, or move the host \
                      to a site file with a certificate of its own.",
        wrong: "# the certificate names blog.example.com only\nhosts: [blog.example.com, www.example.org]\nupstream: 5000\ntls:\n  chain: /etc/ssl/blog/chain.pem\n  key: /etc/ssl/blog/key.pem\n",
        right: OWN_FILES,
    }
    /// A certificate that has expired or is not valid yet.
    CERTIFICATE_EXPIRED {
        number: "V0505",
        title: "a certificate outside its time",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The certificate has expired or is not valid yet, by the clock of this machine. Renew it, or let \
                      the gateway do so with `tls: auto`.",
        wrong: "# chain.pem expired last week\nhosts: blog.example.com\nupstream: 5000\ntls:\n  chain: /etc/ssl/blog/chain.pem\n  key: /etc/ssl/blog/key.pem\n",
        right: "hosts: blog.example.com\nupstream: 5000\ntls: auto\n",
    }
    /// A public name served with the local CA.
    NO_PUBLIC_CERTIFICATE {
        number: "V0506",
        title: "a public name served with the local CA",
        severity: Severity::Warning,
        found_by: FoundBy::Context,
        explanation: "The local CA is known only to machines that imported its root (`vestibule certs --root`); \
                      everybody else sees a warning. It is right for names such as .localhost and .internal, and a \
                      stopgap for public ones: they get certificates of a public CA once the operator has agreed to \
                      its terms (`acme: {agree: true}` in the settings).",
        wrong: "hosts: blog.example.com\nupstream: 5000\ntls: internal\n",
        right: "hosts: blog.internal\nupstream: 5000\ntls: internal\n",
    }
    /// A certificate or key file of another user.
    TLS_FILE_OWNER {
        number: "V0507",
        title: "a certificate or key file of another user",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The gateway may read more than the tenant who wrote the site file. So the files under tls must \
                      belong to the owner of the site file or to root, and a key must not be readable by everybody.",
        wrong: "# bob's site file names ann's key\nhosts: blog.example.com\nupstream: 5000\ntls:\n  chain: /home/ann/chain.pem\n  key: /home/ann/key.pem\n",
        right: "hosts: blog.example.com\nupstream: 5000\ntls:\n  chain: /home/bob/chain.pem\n  key: /home/bob/key.pem\n",
    }
    /// A route that no request reaches, because challenges of CAs are answered there.
    CHALLENGE_ROUTE {
        number: "V0508",
        title: "a route below the path of challenges",
        severity: Severity::Warning,
        found_by: FoundBy::Context,
        explanation: "Below /.well-known/acme-challenge a CA asks whether a name leads to this gateway. The gateway \
                      alone answers there, for every site, so that no site can get a certificate for a name of \
                      another. A route of a site on that path is never reached.",
        wrong: "hosts: blog.example.com\nupstream: 5000\nroutes:\n  /.well-known/acme-challenge: 5001\n",
        right: "hosts: blog.example.com\nupstream: 5000\ntls: auto\n",
    }
    /// A DNS provider that this site may not or cannot use.
    DNS_PROVIDER {
        number: "V0509",
        title: "a DNS provider that this site cannot use",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "A site proves a wildcard by a record in DNS: through a provider that the operator has set up \
                      in the settings and that the site names, or through one of its own. A provider of the \
                      settings serves the tenants and the zones that the operator has written there (`tenants`, \
                      `zones`). Programs are run by the operator's settings and sites only, because they run as the \
                      gateway's user.",
        wrong: "# the settings know no provider of this name\nhosts: \"*.example.com\"\nupstream: 5000\ntls:\n  dns: my-provider\n",
        right: "# the settings have acme.dns.default\nhosts: \"*.example.com\"\nupstream: 5000\ntls: auto\n",
    }
    /// A name that only DNS-01 proves, and no provider for that.
    NEEDS_DNS {
        number: "V0510",
        title: "a wildcard without a DNS provider",
        severity: Severity::Warning,
        found_by: FoundBy::Context,
        explanation: "A public CA gives a certificate for a wildcard only to whoever can write a record into the \
                      zone (DNS-01). Without a provider that does so, and that serves this tenant and this name, no \
                      certificate is ordered for it.",
        wrong: "# neither the settings nor the site name a DNS provider\nhosts: \"*.example.com\"\nupstream: 5000\n",
        right: "hosts: \"*.example.com\"\nupstream: 5000\ntls:\n  dns: default\n",
    }
    /// A challenge that cannot prove a host.
    CHALLENGE_UNFIT {
        number: "V0511",
        title: "a challenge that cannot prove this host",
        severity: Severity::Error,
        found_by: FoundBy::Site,
        explanation: "A CA proves a wildcard by a TXT record alone (dns-01), because no single machine could answer for \
                      all of its names; and an IP address by everything but that, because an address has no records. \
                      Choose the challenge that fits, or leave it to the gateway by removing `challenge`.",
        wrong: "hosts: [example.com, \"*.example.com\"]\nupstream: 5000\ntls:\n  challenge: http-01\n",
        right: "hosts: [example.com, \"*.example.com\"]\nupstream: 5000\ntls:\n  challenge: dns-01\n",
    }
    /// More names than the tenant may have certificates for.
    CERTIFICATE_LIMIT {
        number: "V0512",
        title: "more names than this owner may have certificates for",
        severity: Severity::Warning,
        found_by: FoundBy::Context,
        explanation: "Public CAs limit how much one box may order, so that the names of one owner must not use up what \
                      the others need. All sites of one owner together get certificates for as many names as the \
                      operator allows (`tenants`, `limits`, `certificates`), in the order in which they came. The other \
                      names are served as names without a certificate are. Room that another site gives up goes to \
                      the site that has waited longest.",
        wrong: "# the settings have tenants: {default: {limits: {certificates: 1}}}\nhosts: [example.com, www.example.com]\nupstream: 5000\n",
        right: "hosts: example.com\nupstream: 5000\n",
    }
    /// A file of client CAs that holds none.
    CLIENT_CA {
        number: "V0513",
        title: "a file that holds no CA of visitors",
        severity: Severity::Error,
        found_by: FoundBy::Context,
        explanation: "The file under `client_ca` is PEM with the certificates of the CAs that sign for the visitors of \
                      this site: CA certificates, not a visitor's own. As long as it is wrong nobody else is let in: \
                      the last good one counts on, and a site that never had a good one is not served.",
        wrong: "# clients.pem holds a visitor's certificate\nhosts: shop.example.com\nupstream: 5000\ntls:\n  client_ca: /srv/shop/clients.pem\n",
        right: "# clients-ca.pem holds the certificate of the CA that signed it\nhosts: shop.example.com\nupstream: 5000\ntls:\n  client_ca: /srv/shop/clients-ca.pem\n",
    }
}
