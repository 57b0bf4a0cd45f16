//! certbot: `live/NAME/` holds links into `archive/NAME/`; what they lead to is current.

use std::path::Path;

use super::{
    ForeignError,
    folder::Folder,
    pair::{Pair, Pairs},
};
use crate::tenant_file::FILE_SIZE_LIMIT;

/// Takes every lineage.
pub(super) fn collect(folder: &Folder, pairs: &mut Pairs) -> Result<(), ForeignError> {
    let live = Path::new("live");
    for name in folder.list(live)? {
        let entry = live.join(name);
        // Beside the lineages lies a README.
        if pairs.is_full() || !folder.has(&entry.join("fullchain.pem")) && !folder.has(&entry.join("privkey.pem")) {
            continue;
        }
        let origin = folder.shown(&entry);
        let chain = folder.read(&entry.join("fullchain.pem"), FILE_SIZE_LIMIT);
        let key = folder.read(&entry.join("privkey.pem"), FILE_SIZE_LIMIT);
        match (chain, key) {
            (Ok(chain), Ok(key)) => pairs.take(Pair { origin, chain, key }),
            (Err(why), _) => pairs.skip(origin.join("fullchain.pem"), &why),
            (_, Err(why)) => pairs.skip(origin.join("privkey.pem"), &why),
        }
    }
    Ok(())
}
