//! Caddy: `certificates/CA/NAME/NAME.crt` and `NAME.key`, with a `NAME.json` that says nothing we need. Its local CA's
//! certificates lie there too (`CA` is `local`): they are of no use to anybody else, and are passed over.

use std::path::Path;

use super::{
    ForeignError,
    folder::Folder,
    pair::{Pair, Pairs},
};
use crate::tenant_file::FILE_SIZE_LIMIT;

/// Takes every certificate of every CA.
pub(super) fn collect(folder: &Folder, pairs: &mut Pairs) -> Result<(), ForeignError> {
    let root = Path::new("certificates");
    for ca in folder.list(root)? {
        if ca == Path::new("local") {
            continue;
        }
        let ca = root.join(ca);
        match folder.list(&ca) {
            Ok(names) => names.iter().for_each(|name| take(folder, &ca.join(name), name, pairs)),
            Err(_) => pairs.skip(folder.shown(&ca), "it is no folder that this user may read"),
        }
    }
    Ok(())
}

fn take(folder: &Folder, entry: &Path, name: &Path, pairs: &mut Pairs) {
    if pairs.is_full() {
        return;
    }
    // Not `with_extension`: the name has dots of its own.
    let file = |ending: &str| {
        let mut file = name.as_os_str().to_owned();
        file.push(ending);
        entry.join(file)
    };
    let origin = folder.shown(entry);
    match (folder.read(&file(".crt"), FILE_SIZE_LIMIT), folder.read(&file(".key"), FILE_SIZE_LIMIT)) {
        (Ok(chain), Ok(key)) => pairs.take(Pair { origin, chain, key }),
        (Err(why), _) => pairs.skip(folder.shown(&file(".crt")), &why),
        (_, Err(why)) => pairs.skip(folder.shown(&file(".key")), &why),
    }
}
