//! `sites.d` → the files that changed, as bytes. No parsing.
//!
//! Events (inotify, by notify) wake it; a full rescan is the safety net, also after an event queue overflow. Files are
//! opened safely: beneath the folder, no symlink followed, regular files only, size-capped, checked on the descriptor.
//! What was read is not kept: two hashes of it are, so that only a real change is told.
//!
//! | step | module |
//! |---|---|
//! | an event becomes a note of a path, or of a rescan | `events` |
//! | notes wait until a burst is over | `inbox` |
//! | the folder is surveyed, or only the noted paths looked at | `tree` |
//! | of many files, those of few come first | `turns` |
//! | a file is opened and read | `open` |
//! | whose word it is | `custody` |
//! | it is compared with what is known | `known` |
//! | changes leave as a [`Batch`] | `watch` |
//!
//! Beside the walk, `named` answers for one file: [`read_site`] and [`read_draft`] for `check`, and [`confirm`] before
//! a site is forgotten because a scan did not see it.

mod custody;
mod events;
mod fingerprint;
mod inbox;
mod known;
mod name;
mod named;
mod open;
mod tree;
mod turns;
mod watch;

use std::{io, path::PathBuf, sync::Arc, time::Duration};

use vestibule_names::{SiteId, TenantId};

pub use self::custody::Writers;
pub use self::named::{Presence, confirm, read_draft, read_site, site_id};
use self::{inbox::Inbox, tree::Tree, watch::Watch};

/// What to watch and how.
#[derive(Debug, Clone)]
pub struct WatchConfig {
    /// The folder of site files; site files lie in it or one folder down.
    pub dir: PathBuf,
    /// The largest site file, in bytes.
    pub file_limit: u64,
    /// Between two rescans. A rescan that takes long is repeated less often than this.
    pub rescan: Duration,
    /// The user as whom the gateway runs: like root, it may write every folder.
    pub gateway: u32,
}

/// A site file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteFile {
    /// Which.
    pub id: SiteId,
    /// Whose word it is: the owner of the opened file, or of the user's folder in which root's file lies.
    pub owner: TenantId,
    /// Everything in it.
    pub bytes: Vec<u8>,
}

/// Something happened to one site file.
#[derive(Debug)]
pub enum Change {
    /// It is new or its content (or owner) changed, or it can be read again.
    Written(SiteFile),
    /// It is there but cannot be opened safely: the site keeps its last good version, if the file is still its owner's.
    Unreadable {
        /// Which.
        id: SiteId,
        /// Whose file it is; `None` where that cannot be told.
        owner: Option<TenantId>,
        /// Why not.
        problem: OpenError,
    },
    /// It is gone.
    Removed(SiteId),
}

/// Changes that belong to one step. Removals come first, so that a rename hands its names over.
#[derive(Debug)]
pub struct Batch {
    /// At most one change per site; apart from removals, in order of name, unless more has changed than fits into one batch.
    pub changes: Vec<Change>,
    /// True when all files were looked at: for the first scan (which is told even when there is no file) and for
    /// rescans. A file that was never told may still be there, in a folder that cannot be listed: before it is
    /// forgotten, ask [`confirm`]. Many files come as several batches, and the last is complete; between two of them others may
    /// come, of what has changed since.
    pub complete: bool,
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The kernel said no.
    #[error("cannot be opened")]
    Io(#[from] io::Error),
    /// A symbolic link, or in a folder that is one.
    #[error("is a symbolic link")]
    Symlink,
    /// A folder, FIFO, device or socket.
    #[error("is not a regular file")]
    NotRegular,
    /// Another name of a file elsewhere: whose it is cannot be told from its owner, who may not have put it here.
    #[error("is a hard link")]
    HardLinked,
    /// Others may write it.
    #[error("may be written by {writers}")]
    FileWritable {
        /// Who.
        writers: Writers,
        /// The command that mends it.
        mend: String,
    },
    /// Others may move files into its folder and out of it.
    #[error("lies in {folder}, which may be written by {writers}")]
    FolderWritable {
        /// The folder.
        folder: PathBuf,
        /// Who.
        writers: Writers,
        /// The command that mends it.
        mend: String,
    },
    /// Neither the folder's owner's nor root's, in a folder of one user.
    #[error("is, or lies in a folder, of uid {owner} within a folder of uid {user}")]
    Misplaced {
        /// The owner.
        owner: u32,
        /// Whose it should be.
        user: u32,
        /// The command that mends it.
        mend: String,
    },
    /// Root's, in a folder into which everybody may move files.
    #[error("is root's and lies where everybody may put files: who put it there cannot be told")]
    Unplaced {
        /// What to do.
        mend: String,
    },
    /// Over the limit.
    #[error("is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// Not UTF-8, or with control characters, marks that change the direction of text, or backslashes. The site id
    /// shows them escaped.
    #[error("has a name with characters that cannot be shown")]
    BadName,
}

impl OpenError {
    /// What to type, where something can be.
    pub fn mend(&self) -> Option<&str> {
        match self {
            Self::FileWritable { mend, .. }
            | Self::FolderWritable { mend, .. }
            | Self::Misplaced { mend, .. }
            | Self::Unplaced { mend } => Some(mend),
            _ => None,
        }
    }
}

/// Why watching could not start.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The folder cannot be read.
    #[error("the sites folder {dir} cannot be read")]
    Dir {
        /// Which.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Reads every site file once, in order of name, for `check` and `explain`.
pub fn scan(config: &WatchConfig) -> Result<Vec<Change>, WatchError> {
    let mut tree = Tree::open(config)?;
    let survey = tree.survey(|_| {}).map_err(|source| WatchError::Dir { dir: config.dir.clone(), source })?;
    Ok(survey.dirty.iter().filter_map(|candidate| tree.look(candidate).into_change()).collect())
}

/// Watches on the calling thread (the gateway gives it one of its own): the first batch is the complete scan, then
/// batches follow as files change, until `sink` returns [`Next::Stop`] or the [`StopHandle`] says so.
///
/// When the sites folder itself disappears, nothing is removed: it is waited for. So it is when another folder without
/// any site file takes its place while some were known, as after an unmount. One with site files is taken over.
pub fn run(config: WatchConfig, stop: &StopHandle, sink: impl FnMut(Batch) -> Next) -> Result<(), WatchError> {
    Watch::start(config, Arc::clone(&stop.inbox), sink)?.run();
    Ok(())
}

/// What the sink wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// More.
    Continue,
    /// No more.
    Stop,
}

/// Stops a running watch from another thread, at once; also asks for a rescan now. One handle serves one [`run`].
#[derive(Debug, Clone, Default)]
pub struct StopHandle {
    inbox: Arc<Inbox>,
}

impl StopHandle {
    /// Ends [`run`].
    pub fn stop(&self) {
        self.inbox.stop();
    }

    /// Asks [`run`] for a full rescan now (SIGHUP, and the admin interface): a complete batch follows, even if nothing
    /// changed, unless the sites folder is lost.
    pub fn rescan(&self) {
        self.inbox.ask_rescan();
    }
}
