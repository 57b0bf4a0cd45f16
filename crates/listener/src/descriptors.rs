//! How many connections the process has descriptors for.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that connections never get: for the admin socket, site changes and certificates.
pub const RESERVED_DESCRIPTORS: u64 = 64;
/// A client's socket and the backend's.
const DESCRIPTORS_PER_CONNECTION: u64 = 2;

/// Raises RLIMIT_NOFILE to its hard limit and says how many connections that allows (each may need two descriptors);
/// at least one.
pub fn descriptor_budget() -> u32 {
    let before = getrlimit(Resource::Nofile);
    if before.current != before.maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: before.maximum, ..before })
    {
        tracing::warn!(%error, soft = before.current, hard = before.maximum, "cannot raise the limit of open files");
    }
    budget(getrlimit(Resource::Nofile).current)
}

/// `None`: no limit.
fn budget(descriptors: Option<u64>) -> u32 {
    let connections = descriptors.unwrap_or(u64::MAX).saturating_sub(RESERVED_DESCRIPTORS) / DESCRIPTORS_PER_CONNECTION;
    u32::try_from(connections).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_descriptors_per_connection_after_the_reserve() {
        for (descriptors, expected) in [
            (Some(1024), 480),
            (Some(1 << 20), 524_256),
            (Some(10), 1),
            (Some(0), 1),
            (Some(1 << 60), u32::MAX),
            (None, u32::MAX),
        ] {
            assert_eq!(budget(descriptors), expected, "{descriptors:?}");
        }
    }

    #[test]
    fn the_soft_limit_is_raised() {
        let budget = descriptor_budget();
        assert!(budget >= 1);
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
