//! What `check` and `explain` do without a running gateway: the site-change walk, without commit and publish.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use vestibule_names::{HostPattern, SiteId, TenantId};
use vestibule_vhost::{Claim, VhostTable};
use vestibule_watch::{Change, SiteFile, WatchConfig};

use crate::{
    admin::model::{ClaimRow, Explanation, Review},
    change::{Sites, Surroundings, Thoroughness, change_id},
    explain::{ExplainError, explain as explain_in},
    ledger::{LedgerError, read_claims_of},
};

/// In which context files are checked.
#[derive(Clone, Debug)]
pub struct Context {
    /// The folder of site files (it may be missing: then files are checked alone).
    pub sites: PathBuf,
    /// The gateway's own folder, for its ledger of claims; may be missing or unreadable.
    pub state: PathBuf,
    /// The gateway's admin socket: no upstream.
    pub admin_socket: PathBuf,
    /// The largest site file.
    pub file_limit: u64,
    /// Claims told by a running gateway (`GET /v1/claims`), which holds the ledger locked.
    pub claims: Option<Vec<ClaimRow>>,
    /// The gateway's own addresses: upstreams that lead back are refused.
    pub listen: Vec<SocketAddr>,
}

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// A file that was named cannot be read.
    #[error("cannot read {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder cannot be read.
    #[error(transparent)]
    Watch(#[from] vestibule_watch::WatchError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The URL.
    #[error(transparent)]
    Url(#[from] ExplainError),
}

/// Checks these files as `run` would, in context; with no files, every file of the folder.
pub fn check(context: &Context, files: &[PathBuf]) -> Result<Vec<Review>, ReviewError> {
    let mut sites = context.sites();
    if files.is_empty() {
        let changes = context.scan()?;
        let ids: Vec<_> = changes.iter().map(change_id).cloned().collect();
        drop(sites.apply(changes)?);
        return Ok(ids.into_iter().map(|id| review(&sites, &id, id.as_str().to_owned())).collect());
    }
    let named = files.iter().map(|path| context.named(path)).collect::<Result<Vec<_>, _>>()?;
    if !context.knows_claims() {
        // Nobody has recorded who came first: the other files of the folder are the context.
        let others = context.scan().unwrap_or_default();
        let others = others.into_iter().filter(|other| named.iter().all(|(id, _)| id != change_id(other))).collect();
        drop(sites.apply(others)?);
    }
    let mut reviews = Vec::new();
    for (path, (id, change)) in files.iter().zip(named) {
        drop(sites.apply(vec![change])?);
        reviews.push(review(&sites, &id, path.display().to_string()));
    }
    Ok(reviews)
}

/// Explains a URL from the files alone.
pub fn explain(context: &Context, url: &str) -> Result<Explanation, ReviewError> {
    let mut sites = context.sites();
    let step = sites.apply(context.scan()?)?;
    Ok(explain_in(&VhostTable::empty().with(step.table), url)?)
}

fn review(sites: &Sites, id: &SiteId, file: String) -> Review {
    let mut reports = sites.reports_of(id);
    for report in &mut reports {
        report.text = report.text.replacen(&format!("--> {id}"), &format!("--> {file}"), 1);
        report.file.clone_from(&file);
    }
    Review { valid: !reports.iter().any(vestibule_diagnostics::Report::is_error), file, reports }
}

impl Context {
    fn scan(&self) -> Result<Vec<Change>, ReviewError> {
        let config =
            WatchConfig { dir: self.sites.clone(), file_limit: self.file_limit, rescan: std::time::Duration::MAX };
        Ok(vestibule_watch::scan(&config)?)
    }

    fn knows_claims(&self) -> bool {
        self.claims.is_some() || read_claims_of(&self.state).is_some()
    }

    fn sites(&self) -> Sites {
        let claims = match &self.claims {
            Some(rows) => rows.iter().filter_map(claim).collect(),
            None => read_claims_of(&self.state).unwrap_or_default(),
        };
        let surroundings = Surroundings {
            vault: None, // certificates are checked, none is signed
            ledger: None,
            listen: self.listen.clone(),
            admin_socket: self.admin_socket.clone(),
            thoroughness: Thoroughness::Check,
        };
        Sites::new(surroundings, claims)
    }

    /// A file that was named: its id as `run` would see it, or the path itself for a draft elsewhere.
    fn named(&self, path: &Path) -> Result<(SiteId, Change), ReviewError> {
        use std::os::unix::fs::MetadataExt;
        let failed = |source| ReviewError::File { path: path.to_owned(), source };
        let metadata = std::fs::metadata(path).map_err(failed)?;
        let id = self.id_within(path).unwrap_or_else(|| SiteId::new(&path.display().to_string()));
        if metadata.len() > self.file_limit {
            let error = vestibule_watch::OpenError::TooLarge { limit: self.file_limit };
            return Ok((id.clone(), Change::Unreadable(id, error)));
        }
        let bytes = std::fs::read(path).map_err(failed)?;
        let file = SiteFile { id: id.clone(), owner: TenantId(metadata.uid()), bytes };
        Ok((id, Change::Written(file)))
    }

    fn id_within(&self, path: &Path) -> Option<SiteId> {
        let dir = std::fs::canonicalize(&self.sites).ok()?;
        let path = std::fs::canonicalize(path).ok()?;
        let relative = path.strip_prefix(dir).ok()?.to_str()?.to_owned();
        (relative.matches('/').count() <= 1).then(|| SiteId::new(&relative))
    }
}

fn claim(row: &ClaimRow) -> Option<(HostPattern, Claim)> {
    let pattern = HostPattern::parse(&row.name).ok()?;
    Some((pattern, Claim { site: SiteId::new(&row.site), tenant: TenantId(row.owner), since: row.since }))
}
