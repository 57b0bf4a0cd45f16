//! What `check` and `explain` do without a running gateway: the site-change walk, without commit and publish.

use std::{
    collections::HashMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use vestibule_diagnostics::{Code, Diagnostic, Report, catalogue};
use vestibule_names::{HostPattern, SiteId, TenantId};
use vestibule_vhost::{Claim, UnixTime, VhostTable};
use vestibule_watch::{Change, OpenError, SiteFile, WatchConfig};

use crate::{
    admin::{
        Caller,
        model::{ClaimRow, ClaimState, Explanation, NameRefusal, Review},
    },
    change::{Certifier, Clock, Sites, Surroundings, change_id, source},
    config::{AcmeStanding, Tenancy},
    explain::{ExplainError, explain as explain_in},
    ledger::read_claims_of,
};

/// In which context files are checked.
#[derive(Clone, Debug)]
pub struct Context {
    /// The folder of site files (it may be missing: then files are checked alone).
    pub sites: PathBuf,
    /// The gateway's own folder, for its ledger of claims; may be missing or unreadable.
    pub state: PathBuf,
    /// The gateway's sockets for the operator and for tenants: no upstreams.
    pub admin_sockets: Vec<PathBuf>,
    /// The largest site file.
    pub file_limit: u64,
    /// Claims told by a running gateway (`GET /v1/claims`), which holds the ledger locked.
    pub claims: Option<Vec<ClaimRow>>,
    /// The gateway's own addresses: upstreams that lead back are refused.
    pub listen: Vec<SocketAddr>,
    /// Where redirects to HTTPS lead, if anywhere.
    pub https_port: Option<u16>,
    /// Public CAs as the settings have them; `None`: none is configured ([`crate::config::AcmePolicy::standing`]).
    pub acme: Option<AcmeStanding>,
    /// What tenants may do.
    pub tenancy: Tenancy,
    /// The tenant whose files are checked, for whom a running gateway judges names (see [`wanted`]); `None`: all files are,
    /// and names are judged here.
    pub tenant: Option<TenantFiles>,
}

/// What a tenant checks.
#[derive(Clone, Debug)]
pub struct TenantFiles {
    /// Whose files.
    pub tenant: TenantId,
    /// The user as whom the gateway runs.
    pub gateway_uid: u32,
    /// The names that the gateway would not give to each file (`GET /v1/claims/preview`).
    pub refused: HashMap<SiteId, Vec<NameRefusal>>,
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
    /// The URL.
    #[error(transparent)]
    Url(#[from] ExplainError),
}

/// The names that files ask for, as [`check`] would read them: for a gateway that knows who holds what.
pub fn wanted(context: &Context, files: &[PathBuf]) -> Result<Vec<(SiteId, Vec<HostPattern>)>, ReviewError> {
    let changes = if files.is_empty() {
        context.scan()?
    } else {
        files.iter().map(|path| Ok(context.named(path)?.1)).collect::<Result<_, ReviewError>>()?
    };
    let names = |change| {
        let Change::Written(SiteFile { id, bytes, .. }) = change else { return None };
        let site = vestibule_site::parse_site(&bytes).value?;
        Some((id, site.hosts.into_iter().map(|host| host.value).collect()))
    };
    Ok(changes.into_iter().filter_map(names).collect())
}

/// Checks these files as `run` would, in context; with no files, every file of the folder.
pub fn check(context: &Context, files: &[PathBuf]) -> Result<Vec<Review>, ReviewError> {
    let mut sites = context.sites();
    if files.is_empty() {
        let changes = context.scan()?;
        let refused: Vec<_> = changes.iter().map(|change| context.refused(change)).collect();
        let ids: Vec<_> = changes.iter().map(change_id).cloned().collect();
        drop(sites.apply(changes));
        let reviews = ids.into_iter().zip(refused);
        return Ok(reviews.map(|(id, refused)| review(&sites, &id, id.as_str().to_owned(), refused)).collect());
    }
    let named = files.iter().map(|path| context.named(path)).collect::<Result<Vec<_>, _>>()?;
    if !context.knows_claims() {
        // Nobody has recorded who came first: the other files of the folder are the context.
        let others = context.scan().unwrap_or_default();
        let others = others.into_iter().filter(|other| named.iter().all(|(id, _)| id != change_id(other))).collect();
        drop(sites.apply(others));
    }
    let mut reviews = Vec::new();
    for (path, (id, change)) in files.iter().zip(named) {
        let refused = context.refused(&change);
        drop(sites.apply(vec![change]));
        reviews.push(review(&sites, &id, path.display().to_string(), refused));
    }
    Ok(reviews)
}

/// Explains a URL from the files alone.
pub fn explain(context: &Context, url: &str) -> Result<Explanation, ReviewError> {
    let mut sites = context.sites();
    let step = sites.apply(context.scan()?);
    Ok(explain_in(
        &VhostTable::empty().with(step.table),
        url,
        context.https_port,
        context.acme.as_ref(),
        Caller::Operator,
    )?)
}

/// A public name of a site whose certificate is left to the gateway, if there is one: whom it concerns that no CA is asked.
/// Reads the folder once and stops at the first.
pub fn public_name(context: &Context) -> Option<HostPattern> {
    context.scan().ok()?.into_iter().find_map(|change| {
        let Change::Written(file) = change else { return None };
        let site = vestibule_site::parse_site(&file.bytes).value?;
        let left_to_us = matches!(site.tls.value, vestibule_site::site::Tls::Auto | vestibule_site::site::Tls::Acme);
        site.hosts.into_iter().map(|host| host.value).find(|host| left_to_us && !host.is_private())
    })
}

fn review(sites: &Sites, id: &SiteId, file: String, refused: Vec<Report>) -> Review {
    let mut reports = sites.reports_of(id);
    reports.extend(refused);
    for report in &mut reports {
        report.text = report.text.replacen(&format!("--> {id}"), &format!("--> {file}"), 1);
        report.file.clone_from(&file);
    }
    Review { valid: !reports.iter().any(Report::is_error), file, reports }
}

impl Context {
    fn watch(&self) -> WatchConfig {
        WatchConfig {
            dir: self.sites.clone(),
            file_limit: self.file_limit,
            rescan: std::time::Duration::MAX,
            gateway: self.gateway_uid(),
        }
    }

    /// Every file, or every file of the tenant who checks. Others' are none of theirs, even those that they could read.
    fn scan(&self) -> Result<Vec<Change>, ReviewError> {
        let mut changes = vestibule_watch::scan(&self.watch())?;
        if let Some(files) = &self.tenant {
            changes.retain(|change| match change {
                Change::Written(file) => file.owner == files.tenant,
                Change::Unreadable { owner, .. } => *owner == Some(files.tenant),
                Change::Removed(_) => false,
            });
        }
        Ok(changes)
    }

    /// What the gateway said of the names of a file, at their places in it.
    fn refused(&self, change: &Change) -> Vec<Report> {
        let (Some(files), Change::Written(file)) = (&self.tenant, change) else { return Vec::new() };
        let Some(refused) = files.refused.get(&file.id) else { return Vec::new() };
        let hosts = vestibule_site::parse_site(&file.bytes).value.map(|site| site.hosts).unwrap_or_default();
        let source = source(&file.id, &file.bytes);
        let report = |refusal: &NameRefusal| {
            let host = hosts.iter().find(|host| host.value.to_string() == refusal.name)?;
            let code = Code::find(&refusal.code).unwrap_or(catalogue::HOST_CLAIMED);
            let mut diagnostic = Diagnostic::new(code, refusal.message.clone()).at(host.span, "");
            (diagnostic.note, diagnostic.help) = (refusal.note.clone(), refusal.help.clone());
            Some(Report::new(&diagnostic, &source))
        };
        refused.iter().filter_map(report).collect()
    }

    /// The user as whom the gateway runs: the owner of its folder, or we ourselves before there is one.
    fn gateway_uid(&self) -> u32 {
        if let Some(files) = &self.tenant {
            return files.gateway_uid;
        }
        let owner = std::fs::metadata(&self.state).map(|folder| std::os::unix::fs::MetadataExt::uid(&folder));
        owner.unwrap_or_else(|_| rustix::process::geteuid().as_raw())
    }

    fn knows_claims(&self) -> bool {
        self.tenant.is_some() || self.claims.is_some() || read_claims_of(&self.state).is_some()
    }

    fn sites(&self) -> Sites {
        let claims = match &self.claims {
            Some(rows) => rows.iter().filter_map(claim).collect(),
            None => read_claims_of(&self.state).unwrap_or_default(),
        };
        let surroundings = Surroundings {
            certifier: Certifier::Review { gateway_uid: self.gateway_uid() },
            ledger: None,
            listen: self.listen.clone(),
            admin_sockets: self.admin_sockets.clone(),
            acme: self.acme.clone(),
            tenancy: self.tenancy.clone(),
            clock: Clock::of_the_wall(),
        };
        Sites::new(surroundings, claims)
    }

    /// A file that was named: as `run` would see it, or a draft elsewhere.
    fn named(&self, path: &Path) -> Result<(SiteId, Change), ReviewError> {
        let config = self.watch();
        if let Some(id) = vestibule_watch::site_id(&config, path) {
            let change = vestibule_watch::read_site(&config, &id);
            return match change {
                Change::Written(_) => Ok((id, change)),
                Change::Unreadable { problem: OpenError::Io(source), .. } => {
                    Err(ReviewError::File { path: path.to_owned(), source })
                }
                Change::Unreadable { .. } => Ok((id, change)),
                Change::Removed(_) => {
                    let source = std::io::Error::from(std::io::ErrorKind::NotFound);
                    Err(ReviewError::File { path: path.to_owned(), source })
                }
            };
        }
        let id = SiteId::new(&path.display().to_string());
        match vestibule_watch::read_draft(path, self.file_limit) {
            Ok((owner, bytes)) => Ok((id.clone(), Change::Written(SiteFile { id, owner, bytes }))),
            Err(OpenError::Io(source)) => Err(ReviewError::File { path: path.to_owned(), source }),
            Err(problem) => Ok((id.clone(), Change::Unreadable { id, owner: None, problem })),
        }
    }
}

/// Names that are held; waits are no claims.
fn claim(row: &ClaimRow) -> Option<(HostPattern, Claim)> {
    let until = match row.state {
        ClaimState::Held => None,
        ClaimState::Grace => Some(UnixTime(row.until?)),
        ClaimState::Waiting | ClaimState::Reserved | ClaimState::Full | ClaimState::Unproven => return None,
    };
    let pattern = HostPattern::parse(&row.name).ok()?;
    let (site, tenant) = (SiteId::new(&row.site), TenantId(row.owner));
    Some((pattern, Claim { site, tenant, since: row.since, at: UnixTime(row.claimed), until }))
}
