//! V07xx: the gateway's own settings.

use super::{Code, Entry, FoundBy};
use crate::Severity;

catalogue! {
    /// A setting that cannot be used.
    SETTINGS_VALUE {
        number: "V0701",
        title: "a setting that cannot be used",
        severity: Severity::Error,
        found_by: FoundBy::Settings,
        explanation: "The value can be read but would be unsafe or impossible. The admin address shows metrics and \
                      readiness without asking who looks, so it is an address of this machine only; what should be \
                      reached from elsewhere is published by a site like any other.",
        wrong: "admin:\n  address: 0.0.0.0:9180\n",
        right: "admin:\n  address: 127.0.0.1:9180\n",
    }
    /// The directory of a CA that cannot be asked.
    CA_DIRECTORY {
        number: "V0702",
        title: "no directory of a CA",
        severity: Severity::Error,
        found_by: FoundBy::Settings,
        explanation: "A CA is asked at the https URL of its directory, which it publishes. Clear HTTP is refused: whoever \
                      is on the way could hand out other CAs' answers. A private CA whose root the system does not know \
                      is named together with its root. For Let's Encrypt nothing is written at all, and `staging: true` \
                      for its staging environment.",
        wrong: "acme:\n  agree: true\n  directory: http://ca.internal/acme/directory\n",
        right: "acme:\n  agree: true\n  directory: https://ca.internal/acme/directory\n  root: /etc/vestibule/our-ca.pem\n",
    }
    /// A user that the system does not know.
    UNKNOWN_USER {
        number: "V0703",
        title: "a user that this system does not know",
        severity: Severity::Warning,
        found_by: FoundBy::Machine,
        explanation: "Users are looked up by name once, at the start. What is written of a user who does not exist applies \
                      to nobody: after the user is made, start the gateway again, or write the number instead, which \
                      is never looked up.",
        wrong: "tenants:\n  anne:\n    hosts: [\"*.ann.example\"]\n",
        right: "tenants:\n  ann:\n    hosts: [\"*.ann.example\"]\n",
    }
    /// A file or program of the settings that is not there, or not for us.
    SETTINGS_FILE {
        number: "V0704",
        title: "a file or program of the settings that cannot be used",
        severity: Severity::Warning,
        found_by: FoundBy::Machine,
        explanation: "The settings name a file or a program for certificates: the root of a CA, the key of an external \
                      account binding, the key of a DNS provider, a program for DNS-01 or a hook. It is not there, it \
                      is no regular file, or the user who looked may not read or run it. The gateway starts all the \
                      same and serves what it has, but whatever needs it fails. Look as the user as whom the gateway \
                      runs: another one may see more, or less.",
        wrong: "# there is no such file\nacme:\n  agree: true\n  directory: https://ca.internal/acme/directory\n  root: /etc/vestibule/missing.pem\n",
        right: "acme:\n  agree: true\n  directory: https://ca.internal/acme/directory\n  root: /etc/vestibule/our-ca.pem\n",
    }
}
