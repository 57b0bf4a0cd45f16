//! Reading the secret of a provider, off this thread and not for ever: a tenant's file may lie on a disk that hangs.

use std::{path::Path, time::Duration};

use tokio::{task::spawn_blocking, time::timeout};
use vestibule_certs::Vault;
use vestibule_names::TenantId;

use super::failed;
use crate::failure::{Failure, FailureKind};

/// For one small file.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// The bytes of a file of `whose`.
pub(super) async fn read(vault: &Vault, path: &Path, whose: TenantId) -> Result<Vec<u8>, Failure> {
    let (vault, owned) = (vault.clone(), path.to_owned());
    let reading = spawn_blocking(move || vault.secret_file(&owned, whose));
    let wrong = |sentence: String| failed(FailureKind::Configuration, sentence);
    match timeout(READ_TIMEOUT, reading).await {
        Ok(Ok(read)) => read.map_err(|error| wrong(error.to_string())),
        // The run time ends, or the reading panicked: both are told elsewhere.
        Ok(Err(error)) => Err(wrong(format!("{} could not be read: {error}", path.display()))),
        Err(_) => Err(wrong(format!("{} could not be read: its disk does not answer", path.display()))),
    }
}
