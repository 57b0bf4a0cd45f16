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
}
