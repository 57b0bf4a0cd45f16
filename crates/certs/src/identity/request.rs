//! [`IdentityRequest`]: what a site needs shown, and to whom.

use std::path::PathBuf;

use vestibule_names::{Few, HostPattern, SiteId, TenantId};

use crate::{clients::ClientCa, site_files::SiteFiles, tenant_file::Owner};

/// Where a site's certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The built-in CA.
    LocalCa,
    /// The site's own files.
    Files(Box<CertificateFiles>),
    /// What a public CA issued for the site's names, as the vault's store has it; private names from the built-in CA unless
    /// `all` says that every name is the CA's.
    Store {
        /// Which names are the CA's.
        names: StoreNames,
    },
}

/// A site's own certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, leaf first.
    pub chain: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// Which names of a site a CA of the operator's certifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreNames {
    /// Those that a public CA may certify; the others get local certificates.
    Public,
    /// All of them (`tls: acme`, for a CA of the operator's own).
    All,
}

/// What a site needs shown, and to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRequest {
    /// What.
    pub certificate: CertificateRequest,
    /// Whose certificates visitors show, if they are asked for any.
    pub client_ca: Option<Box<ClientCa>>,
}

/// What a site needs shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// For messages, and what resumption is bound to.
    pub site: SiteId,
    /// Files of a certificate must belong to this user (checked on the opened descriptor), or the site be the operator's.
    pub tenant: TenantId,
    /// Every name must be covered.
    pub hosts: Few<HostPattern>,
    /// From where.
    pub origin: Origin,
}

impl CertificateRequest {
    pub(crate) fn files(&self, gateway_uid: u32) -> Option<SiteFiles<'_>> {
        match &self.origin {
            Origin::LocalCa | Origin::Store { .. } => None,
            Origin::Files(files) => {
                let CertificateFiles { chain, key } = &**files;
                Some(SiteFiles { chain, key, owner: self.owner(gateway_uid), hosts: &self.hosts })
            }
        }
    }

    /// Whose files may be read for this request.
    pub(crate) fn owner(&self, gateway_uid: u32) -> Owner {
        Owner::required(self.tenant, gateway_uid)
    }

    /// Is this host certified by a CA of the operator's, rather than by the local one?
    pub(super) fn is_issued(&self, host: &HostPattern) -> bool {
        match self.origin {
            Origin::Store { names: StoreNames::All } => true,
            Origin::Store { names: StoreNames::Public } => !host.is_private(),
            Origin::LocalCa | Origin::Files(_) => false,
        }
    }

    /// The hosts that the local CA signs for.
    pub(super) fn local_hosts(&self) -> Vec<HostPattern> {
        self.hosts.iter().filter(|host| !self.is_issued(host)).cloned().collect()
    }
}
