//! Chain and key of a site: from two paths that a tenant wrote to a pair that may be shown, or to findings.
//!
//! Not here: when to look again and what stays live meanwhile (`identity`).

use std::{path::Path, sync::Arc, time::SystemTime};

use aws_lc_rs::digest;
use rustls::{crypto::CryptoProvider, pki_types::CertificateDer, sign::CertifiedKey};
use vestibule_diagnostics::{Diagnostic, catalogue};
use vestibule_names::HostPattern;

use crate::{
    inspect::{self, Findings},
    tenant_file::{self, FileFault, Owner, Stamp, TenantFile},
};

/// The two paths, whose they must be, and what they must cover.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SiteFiles<'a> {
    pub(crate) chain: &'a Path,
    pub(crate) key: &'a Path,
    pub(crate) owner: Owner,
    pub(crate) hosts: &'a [HostPattern],
}

/// The state of both files; `None` for one that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamps {
    chain: Option<Stamp>,
    key: Option<Stamp>,
}

/// A pair that may be shown.
#[derive(Debug)]
pub(crate) struct CheckedPair {
    pub(crate) certified: Arc<CertifiedKey>,
    pub(crate) digest: ChainDigest,
    pub(crate) stamps: Stamps,
    pub(crate) warnings: Vec<Diagnostic>,
}

/// SHA-256 over all certificates. The key needs no part in it: it fits the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChainDigest([u8; 32]);

impl Stamps {
    /// Could the files change from here without changing their stamps?
    pub(crate) fn are_settled(&self, now: SystemTime) -> bool {
        [self.chain, self.key].iter().flatten().all(|stamp| stamp.is_settled(now))
    }
}

impl SiteFiles<'_> {
    /// A stat each.
    pub(crate) fn look(&self) -> Stamps {
        Stamps { chain: Stamp::look(self.chain), key: Stamp::look(self.key) }
    }

    /// Reads and inspects both. Everything that is wrong is found at once, as far as it can be told apart.
    pub(crate) fn load(&self, now: SystemTime, provider: &CryptoProvider) -> Result<CheckedPair, Vec<Diagnostic>> {
        let mut found = Findings::default();
        let chain_file = read("certificate", self.chain, self.owner, &mut found);
        let key_file = read("key", self.key, self.owner, &mut found);
        if key_file.as_ref().is_some_and(|file| file.mode & 0o004 != 0) {
            let path = inspect::shown(self.key);
            let help = format!("whoever has the key can pose as the site: `chmod 600 {path}`");
            found.warning(catalogue::TLS_FILE_OWNER, format!("every user can read the key file {path}"), help);
        }

        let chain = chain_file.as_ref().and_then(|file| inspect::parse_chain(&file.bytes, self.chain, &mut found));
        let key = key_file.as_ref().and_then(|file| inspect::parse_key(&file.bytes, self.key, &mut found));
        if let Some(chain) = &chain {
            inspect::judge_chain(chain, self.chain, self.hosts, now, &mut found);
        }
        let (Some(chain), Some(key)) = (chain, key) else { return Err(found.into_diagnostics()) };
        let digest = ChainDigest::of(&chain);
        let certified = inspect::join(chain, key, self.key, provider, &mut found);
        match certified {
            Some(certified) if !found.has_error() => Ok(CheckedPair {
                certified: Arc::new(certified),
                digest,
                stamps: Stamps { chain: chain_file.map(|file| file.stamp), key: key_file.map(|file| file.stamp) },
                warnings: found.into_diagnostics(),
            }),
            _ => Err(found.into_diagnostics()),
        }
    }
}

/// Reads a file that a site names under `tls`. `what` is what messages call it.
pub(crate) fn read(what: &str, path: &Path, owner: Owner, found: &mut Findings) -> Option<TenantFile> {
    let fault = match tenant_file::read(path, owner) {
        Ok(file) => return Some(file),
        Err(fault) => fault,
    };
    let message = format!("cannot use the {what} file {}: {fault}", inspect::shown(path));
    let (code, help) = match &fault {
        FileFault::Relative => (catalogue::CERTIFICATE_UNREADABLE, "write the path from the root: `/srv/blog/tls/…`"),
        FileFault::Missing => (catalogue::CERTIFICATE_UNREADABLE, "check the path; the gateway looks again by itself"),
        FileFault::Owner(_) => (
            catalogue::TLS_FILE_OWNER,
            "a site may only use files of the user who owns its site file: copy the file, or give it to that user",
        ),
        FileFault::Empty => {
            (catalogue::CERTIFICATE_INVALID, "write the file under another name and rename it into place")
        }
        FileFault::Kind(_) | FileFault::TooLarge => (catalogue::CERTIFICATE_UNREADABLE, "name a PEM file"),
        FileFault::Io(_) => {
            (catalogue::CERTIFICATE_UNREADABLE, "let the gateway's user read the file and enter the folders above it")
        }
    };
    found.error(code, message, help);
    None
}

impl ChainDigest {
    fn of(chain: &[CertificateDer<'_>]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for certificate in chain {
            context.update(certificate);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }
}
