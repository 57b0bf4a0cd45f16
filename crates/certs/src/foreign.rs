//! Certificates of other programs: the stores of certbot, Caddy and Traefik, read so that a box can move without ordering
//! everything anew.
//!
//! | store | what is there |
//! |---|---|
//! | certbot | `live/NAME/fullchain.pem` and `privkey.pem`, links into `archive/` |
//! | Caddy | `certificates/CA/NAME/NAME.crt` and `NAME.key` |
//! | Traefik | `acme.json`: PEM in base64, by resolver |
//!
//! A store is hostile input, since root may be asked to read somebody's folder: links lead nowhere outside of it, nothing
//! but regular files of bounded size is read, and a broken entry is told and passed over.
//!
//! Not here: whether a site holds the names, and what the vault thinks of a certificate when it is handed in. Accounts
//! and keys of accounts are not read at all.

mod caddy;
mod certbot;
mod folder;
mod pair;
#[cfg(test)]
mod tests;
mod traefik;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use self::{folder::Folder, pair::Pairs};

/// Entries of one store that are looked at.
const ENTRIES_LIMIT: usize = 20_000;

/// Whose store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `/etc/letsencrypt`.
    Certbot,
    /// Caddy's data folder, such as `/var/lib/caddy/.local/share/caddy`.
    Caddy,
    /// The folder of `acme.json`, or that file.
    Traefik,
}

/// What was found in a store.
#[derive(Debug)]
pub struct Contents {
    /// Whose it is.
    pub kind: Kind,
    /// Certificates that can be used, the one that runs out last at the end.
    pub certificates: Vec<Foreign>,
    /// Entries that cannot.
    pub skipped: Vec<Skipped>,
}

/// A certificate of another program, with its key. Key and chain belong together, and it has not run out.
#[derive(Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The names in it, in lower case.
    pub names: Vec<String>,
    /// PEM, leaf first.
    pub chain_pem: String,
    /// PEM.
    pub key_pem: String,
    /// Valid until.
    pub not_after: SystemTime,
    /// Where it was found, for people.
    pub origin: PathBuf,
}

/// An entry that is no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Where.
    pub origin: PathBuf,
    /// Why, in one sentence.
    pub reason: String,
}

/// Why a store was not read at all.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The folder or file cannot be opened.
    #[error("cannot read {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// None of the three.
    #[error("{path} is no store of certbot, Caddy or Traefik: it has no `live`, no `certificates` and no `acme.json`")]
    Unknown {
        /// What was named.
        path: PathBuf,
    },
    /// An `acme.json` that is none.
    #[error("{path} cannot be read as Traefik's store: {reason}")]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why, in words.
        reason: String,
    },
}

/// Reads a store, whosoever it is, as the calling user.
///
/// # Errors
/// When the path cannot be opened, or is no store. Entries that are broken are no error: they are told.
pub fn read(path: &Path, now: SystemTime) -> Result<Contents, ForeignError> {
    let unreadable = |source| ForeignError::Io { path: path.to_owned(), source };
    let is_file = std::fs::metadata(path).map_err(unreadable)?.is_file();
    let (folder, name) = match (is_file, path.parent(), path.file_name()) {
        (true, Some(parent), Some(name)) => (here(parent), Some(Path::new(name))),
        _ => (path, None),
    };
    let folder = Folder::open(folder).map_err(unreadable)?;
    let mut pairs = Pairs::new(now);
    let kind = match name {
        Some(name) => traefik::collect(&folder, name, &mut pairs).map(|()| Kind::Traefik)?,
        None if folder.has(Path::new("live")) => certbot::collect(&folder, &mut pairs).map(|()| Kind::Certbot)?,
        None if folder.has(Path::new("certificates")) => caddy::collect(&folder, &mut pairs).map(|()| Kind::Caddy)?,
        None if folder.has(Path::new("acme.json")) => {
            traefik::collect(&folder, Path::new("acme.json"), &mut pairs).map(|()| Kind::Traefik)?
        }
        None => return Err(ForeignError::Unknown { path: path.to_owned() }),
    };
    let (certificates, skipped) = pairs.finish();
    Ok(Contents { kind, certificates, skipped })
}

/// The folder of a file that was named without one.
fn here(parent: &Path) -> &Path {
    if parent.as_os_str().is_empty() { Path::new(".") } else { parent }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certbot => "certbot",
            Self::Caddy => "Caddy",
            Self::Traefik => "Traefik",
        })
    }
}

/// Without the key.
impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Foreign").field("names", &self.names).field("origin", &self.origin).finish_non_exhaustive()
    }
}
