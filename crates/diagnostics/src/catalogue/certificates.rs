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
                      stopgap for public ones.",
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
}
