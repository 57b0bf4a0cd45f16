//! Small files with a secret that settings or a site name: the key of a DNS server, credentials of a service. They are
//! opened as hostile as every other file that a tenant chose ([`crate::tenant_file`]), and not at all when everybody on
//! the machine could read them, or others than their owner could change them.
//!
//! Not here: what is in them.

use std::path::{Path, PathBuf};

use vestibule_names::TenantId;

use crate::{
    Vault,
    tenant_file::{self, Owner},
};

/// Read by everybody.
const WORLD_READABLE: u32 = 0o004;
/// Written by others than its owner.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a secret is not taken from a file.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot, or must not, be read.
    #[error("{path} cannot be used: {reason}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// It is no secret.
    #[error("everybody on this machine can read {path}: run `chmod 600 {path}`, and change the secret in it")]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// It may be somebody else's word.
    #[error(
        "others than its owner can write {path}: run `chmod 600 {path}`, and look whether the secret in it is yours"
    )]
    Writable {
        /// Which file.
        path: PathBuf,
    },
}

impl Vault {
    /// The bytes of a file that belongs to `tenant`; the operator may name any file. Blocking; never for ever.
    ///
    /// # Errors
    /// As for the files of a site: the owner, the kind, the size; and when everybody can read it, or others than its owner can write it.
    pub fn secret_file(&self, path: &Path, tenant: TenantId) -> Result<Vec<u8>, SecretFileError> {
        let owner = Owner::required(tenant, self.gateway_uid());
        let file = tenant_file::read(path, owner)
            .map_err(|fault| SecretFileError::Unreadable { path: path.to_owned(), reason: fault.to_string() })?;
        if file.mode & WORLD_READABLE != 0 {
            return Err(SecretFileError::Exposed { path: path.to_owned() });
        }
        if file.mode & WRITABLE_BY_OTHERS != 0 {
            return Err(SecretFileError::Writable { path: path.to_owned() });
        }
        Ok(file.bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_secret_is_read_unless_everybody_could_or_others_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(&folder.path().join("vault")).unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "word").unwrap();
        for (mode, is_taken) in [
            (0o600, true),
            (0o640, true),
            (0o644, false),
            (0o604, false),
            (0o660, false),
            (0o620, false),
            (0o602, false),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let read = vault.secret_file(&path, TenantId::OPERATOR);
            match read {
                Ok(bytes) => assert!(is_taken && bytes == b"word", "{mode:o}"),
                Err(error) => {
                    let line = format!("chmod 600 {}", path.display());
                    assert!(!is_taken && error.to_string().contains(&line), "{mode:o}: {error}");
                }
            }
        }
        let missing = vault.secret_file(&folder.path().join("nothing"), TenantId::OPERATOR).unwrap_err();
        assert!(missing.to_string().ends_with("nothing cannot be used: it does not exist"), "{missing}");
    }

    #[test]
    fn nobody_reads_the_secrets_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let vault = Vault::open(&folder.path().join("vault")).unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "word").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let stranger = TenantId(rustix::process::geteuid().as_raw() + 4242);
        let refused = vault.secret_file(&path, stranger).unwrap_err();
        assert!(matches!(refused, SecretFileError::Unreadable { .. }), "{refused}");
    }
}
