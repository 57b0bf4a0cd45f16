//! Users of this machine, as the system knows them (`/etc/passwd`, or whatever the name service asks).
//!
//! May block: never called on a worker.

use nix::unistd::{Uid, User};
use vestibule_names::TenantId;

/// The user of that name; `None` also when the system cannot tell.
pub fn uid_of(name: &str) -> Option<TenantId> {
    let found = User::from_name(name);
    if let Err(error) = &found {
        tracing::warn!(%error, user = name, "the system cannot tell this user's number");
    }
    found.ok().flatten().map(|user| TenantId(user.uid.as_raw()))
}

/// The name of a user; `None` when there is none, or the system cannot tell.
pub fn name_of(tenant: TenantId) -> Option<String> {
    User::from_uid(Uid::from_raw(tenant.0)).ok().flatten().map(|user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_known_both_ways_and_nonsense_is_not() {
        assert_eq!(uid_of("root"), Some(TenantId::OPERATOR));
        assert_eq!(name_of(TenantId::OPERATOR).as_deref(), Some("root"));
        assert_eq!((uid_of("no such user"), name_of(TenantId(u32::MAX - 1))), (None, None));
    }
}
