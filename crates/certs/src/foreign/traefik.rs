//! Traefik: one JSON file with a mapping of resolvers, each with its certificates; chain and key are PEM in base64.

use std::{collections::BTreeMap, path::Path};

use data_encoding::BASE64;
use serde::Deserialize;

use super::{
    ForeignError,
    folder::Folder,
    pair::{Pair, Pairs},
};

/// The largest file: some ten thousand certificates.
const FILE_LIMIT: u64 = 128 << 20;

/// What one resolver has obtained.
#[derive(Deserialize)]
struct Resolver {
    #[serde(rename = "Certificates")]
    certificates: Option<Vec<Entry>>,
}

#[derive(Deserialize)]
struct Entry {
    domain: Option<Domain>,
    certificate: Option<String>,
    key: Option<String>,
}

#[derive(Deserialize)]
struct Domain {
    main: Option<String>,
}

/// Takes every certificate of every resolver.
pub(super) fn collect(folder: &Folder, name: &Path, pairs: &mut Pairs) -> Result<(), ForeignError> {
    let path = folder.shown(name);
    let malformed = |reason| ForeignError::Malformed { path: path.clone(), reason };
    let bytes = folder.read(name, FILE_LIMIT).map_err(malformed)?;
    // A resolver that has obtained nothing yet is null.
    let resolvers: BTreeMap<String, Option<Resolver>> =
        serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    for (resolver, held) in resolvers {
        let entries = held.and_then(|held| held.certificates).unwrap_or_default();
        for (place, entry) in entries.into_iter().enumerate() {
            if pairs.is_full() {
                return Ok(());
            }
            let main = entry.domain.and_then(|domain| domain.main);
            let label = main.unwrap_or_else(|| format!("certificate {}", place + 1));
            let origin = path.join(format!("{resolver}: {label}"));
            match (decoded(entry.certificate), decoded(entry.key)) {
                (Ok(chain), Ok(key)) => pairs.take(Pair { origin, chain, key }),
                (Err(why), _) => pairs.skip(origin, &format!("its certificate {why}")),
                (_, Err(why)) => pairs.skip(origin, &format!("its key {why}")),
            }
        }
    }
    Ok(())
}

fn decoded(text: Option<String>) -> Result<Vec<u8>, &'static str> {
    let text = text.ok_or("is missing")?;
    BASE64.decode(text.as_bytes()).map_err(|_| "is no base64")
}
