//! The CA of a site's visitors: from the path that a tenant wrote to a [`ClientAuth`], or to findings.
//!
//! One that was loaded never changes: a change of the file makes another, with another [`ClientPolicy`]. So what a
//! handshake demanded and by which policy it is known later is one value, and cannot fall apart.
//!
//! Such a site gives no tickets and takes none: each connection proves anew that the visitor has the key, and a
//! certificate that has expired, or whose CA is gone, does not live on in a session. Not here: when the file is looked at
//! again, and what stays live meanwhile (`identity`).

mod verifier;
mod visitor;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use aws_lc_rs::digest;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, pem::PemObject},
};
use vestibule_diagnostics::{Diagnostic, catalogue};
use x509_parser::certificate::X509Certificate;

use self::verifier::{Hints, Root, Verifier};
pub use self::visitor::Visitor;
use crate::{
    facts,
    inspect::{self, Findings},
    site_files,
    tenant_file::{Owner, Stamp},
    tls,
};

/// More CAs than this are not one site's. Each costs memory, and work when a visitor's certificate fits none.
const CA_LIMIT: usize = 64;
/// All of them together, bytes of DER.
const CA_SIZE_LIMIT: usize = 128 * 1024;
/// The names of the CAs go to whoever begins a handshake, so that a browser knows what to offer. Beyond this size none is
/// sent: RFC 8446 section 4.2.4 lets a client then choose freely.
const HINTS_SIZE_LIMIT: usize = 8 * 1024;

/// Whose certificates the visitors of a site show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCa {
    /// PEM, one or more CA certificates. Judged as files of certificates are: whose they are counts.
    pub file: PathBuf,
    /// From whom.
    pub demand: Demand,
}

/// Who has to show a client certificate. One that is shown must be good in either case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// Every visitor.
    Required,
    /// Whoever has one.
    Optional,
}

/// What a handshake demanded of the client: equal for equal CAs and an equal demand, and for nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientPolicy([u8; 32]);

/// A policy that handshakes can be held under.
pub(crate) struct ClientAuth {
    pub(crate) policy: ClientPolicy,
    /// As the vault's, with this policy, and without sessions.
    pub(crate) template: ServerConfig,
    pub(crate) stamp: Stamp,
}

impl ClientCa {
    /// Reads and judges the file. Everything that is wrong is found at once; warnings come beside a policy.
    pub(crate) fn load(
        &self,
        owner: Owner,
        now: SystemTime,
        provider: &Arc<CryptoProvider>,
    ) -> Result<(ClientAuth, Vec<Diagnostic>), Vec<Diagnostic>> {
        let mut found = Findings::default();
        let auth = self.judge(owner, now, provider, &mut found);
        let has_error = found.has_error();
        let found = found.into_diagnostics();
        match auth {
            Some(auth) if !has_error => Ok((auth, found)),
            _ => Err(found),
        }
    }

    fn judge(
        &self,
        owner: Owner,
        now: SystemTime,
        provider: &Arc<CryptoProvider>,
        found: &mut Findings,
    ) -> Option<ClientAuth> {
        let file = site_files::read(WHAT, &self.file, owner, found)?;
        let authorities = parse(&file.bytes, &self.file, found)?;
        let roots = roots(&authorities, &self.file, found)?;
        let hints = hints(&roots, &self.file, found);
        judge_time(&roots, &self.file, now, found);
        let verifier = Verifier::new(roots, self.demand, hints, provider);
        let template = verifier.and_then(|verifier| tls::guarded_template(provider, Arc::new(verifier)));
        let Ok(template) = template else {
            unfit(found, &self.file, "holds CAs that cannot be used", "name the certificates of your CAs, as PEM");
            return None;
        };
        Some(ClientAuth { policy: ClientPolicy::of(&authorities, self.demand), template, stamp: file.stamp })
    }
}

/// What messages call the file: whoever places them in a site file looks for these words.
pub(crate) const WHAT: &str = "client CA";

impl ClientPolicy {
    fn of(authorities: &[CertificateDer<'_>], demand: Demand) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"vestibule client policy 1\0");
        context.update(match demand {
            Demand::Required => b"required\0",
            Demand::Optional => b"optional\0",
        });
        for authority in authorities {
            context.update(&(authority.len() as u64).to_be_bytes());
            context.update(authority);
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.finish().as_ref());
        Self(bytes)
    }
}

/// The certificates of the file; other sections are passed over.
fn parse(pem: &[u8], path: &Path, found: &mut Findings) -> Option<Vec<CertificateDer<'static>>> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).take(CA_LIMIT + 1).collect();
    let problem = match parsed {
        Err(_) => "is not valid PEM".to_owned(),
        Ok(all) if all.is_empty() => "holds no certificate".to_owned(),
        Ok(all) if all.len() > CA_LIMIT => format!("holds more than {CA_LIMIT} certificates"),
        Ok(all) if all.iter().map(|der| der.len()).sum::<usize>() > CA_SIZE_LIMIT => {
            format!("holds certificates of more than {} KiB together", CA_SIZE_LIMIT / 1024)
        }
        Ok(all) => return Some(all),
    };
    unfit(
        found,
        path,
        &problem,
        "it must hold a PEM section `BEGIN CERTIFICATE` for each CA whose visitors are let in",
    );
    None
}

/// Each of them must be a CA's: by an end entity's nobody could be let in, and who names one means something else.
fn roots(authorities: &[CertificateDer<'static>], path: &Path, found: &mut Findings) -> Option<Vec<Root>> {
    let mut roots = Vec::with_capacity(authorities.len());
    for (place, der) in authorities.iter().enumerate() {
        let mut store = RootCertStore::empty();
        let (parsed, anchor) = (facts::parse(der), store.add(der.clone()).ok().and_then(|()| store.roots.pop()));
        match (parsed, anchor) {
            (Some(parsed), Some(anchor)) if signs(&parsed) => roots.push(Root {
                anchor,
                from: facts::time(parsed.validity().not_before),
                until: facts::time(parsed.validity().not_after),
            }),
            (Some(_), Some(_)) => unfit(
                found,
                path,
                &format!("has at place {} a certificate that is no CA's", place + 1),
                "name the certificate of the CA that signs for your visitors, not a visitor's own: it is made with \
                 `-addext basicConstraints=critical,CA:TRUE`",
            ),
            _ => unfit(
                found,
                path,
                &format!("has at place {} something that is no X.509 certificate of version 3", place + 1),
                "leave out everything but the certificates of your CAs",
            ),
        }
    }
    (!found.has_error()).then_some(roots)
}

/// May it sign certificates (RFC 5280 sections 4.2.1.3 and 4.2.1.9)?
fn signs(certificate: &X509Certificate<'_>) -> bool {
    let usage = certificate.key_usage().ok().flatten();
    certificate.is_ca() && usage.is_none_or(|usage| usage.value.key_cert_sign())
}

fn hints(roots: &[Root], path: &Path, found: &mut Findings) -> Hints {
    let size: usize = roots.iter().map(|root| root.anchor.subject.len()).sum();
    if size <= HINTS_SIZE_LIMIT {
        return Hints::Sent;
    }
    let message = format!("the names of the CAs in {} are too long to be told to browsers", inspect::shown(path));
    let help = "who has several certificates may be asked which one to show: name fewer CAs";
    found.warning(catalogue::CLIENT_CA, message, help);
    Hints::Withheld
}

/// Outside its time a CA vouches for nobody: see [`Verifier`].
fn judge_time(roots: &[Root], path: &Path, now: SystemTime, found: &mut Findings) {
    let idle = roots.iter().filter(|root| !root.counts(now)).count();
    let path = inspect::shown(path);
    let help = "put the current certificate of the CA into the file; it is taken as soon as it is there";
    if idle == roots.len() {
        found.error(catalogue::CERTIFICATE_EXPIRED, format!("no CA in the {WHAT} file {path} is valid now"), help);
    } else if idle > 0 {
        let message = format!("{idle} of the CAs in the {WHAT} file {path} have expired or are not valid yet");
        found.warning(catalogue::CERTIFICATE_EXPIRED, message, help);
    }
}

fn unfit(found: &mut Findings, path: &Path, problem: &str, help: &str) {
    found.error(catalogue::CLIENT_CA, format!("the {WHAT} file {} {problem}", inspect::shown(path)), help);
}

#[cfg(test)]
mod tests;
