//! From a site that parses to a site that is ready: compile, certificate, claims. Nothing is changed before everything
//! that can fail has been done.

use std::sync::Arc;

use vestibule_acme::config::SiteOptions;
use vestibule_certs::{CertificateRequest, ClientCa, Demand, Identity, IdentityRequest};
use vestibule_diagnostics::{Diagnostic, Span, catalogue};
use vestibule_names::{HostPattern, SiteId, TenantId, UpstreamAddr, UpstreamTarget};
use vestibule_proxy::{
    Border,
    border::{OwnerCheck, leads_to},
};
use vestibule_site::{
    Site,
    site::{Action, ClientCertificate, Tls},
};
use vestibule_vhost::{TableChange, TlsPolicy, Vhost, claims::concerns_one_name, compile};

use super::{Certifier, Sites, Step, Surroundings, public::options};
use crate::{backends, ledger::Version, live::LiveSite};

/// What follows a version: everything that is ready.
struct Next {
    vhost: Vhost,
    identity: Option<Arc<Identity>>,
    options: Option<Box<SiteOptions>>,
}

impl Sites {
    /// Makes this version the live one: table changes and ledger entries go into `step`. Returns the remarks (no errors),
    /// or, with nothing changed, the diagnostics that stand in the way.
    pub(super) fn activate(
        &mut self,
        id: &SiteId,
        version: &Version,
        site: &Site,
        mut remarks: Vec<Diagnostic>,
        step: &mut Step,
    ) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let owner = version.owner;
        let preview = self.claims.preview(&self.surroundings.petition(id, owner), &site.hosts);
        remarks.extend(preview.diagnostics);
        remarks.extend(self.surroundings.loops(site));
        remarks.extend(backends::out_of_bounds(&self.border, owner, site));
        remarks.extend(self.surroundings.public_names(site));
        remarks.extend(self.surroundings.public_certificates(id, version, site));
        let compiled = compile(site, id.clone(), owner, &preview.granted);
        remarks.extend(compiled.diagnostics);
        if let Some(vhost) = &compiled.vhost {
            remarks.extend(self.over_allowance(id, vhost, site, options(site).as_deref()));
        }
        let identity = match &compiled.vhost {
            Some(vhost) => self.identity(id, owner, vhost, site, &mut remarks),
            None => None,
        };
        remarks.sort_by_key(|diagnostic| diagnostic.primary.as_ref().map(|label| label.span.start));
        // A name that it cannot have is an error for that name only: the others go live.
        let stands_in_the_way = |d: &Diagnostic| d.is_error() && !concerns_one_name(d.code);
        let (Some(vhost), false) = (compiled.vhost, remarks.iter().any(stands_in_the_way)) else { return Err(remarks) };

        let settlement = self.claims.settle(&self.surroundings.petition(id, owner), &site.hosts);
        let waits = settlement.granted.len() < site.hosts.len();
        step.settled(settlement);
        self.swap(id, owner, Next { vhost, identity, options: options(site) }, step);
        self.record(id, owner).change(|rest| rest.waiting = waits.then(|| Box::new(version.clone())));
        Ok(remarks)
    }

    /// The step of the table: names that are gone lead nowhere, the others to the new version.
    fn swap(&mut self, id: &SiteId, owner: TenantId, next: Next, step: &mut Step) {
        let Next { vhost, identity, options } = next;
        let record = self.record(id, owner);
        let (before, options_before) = (record.live.take(), record.change(|rest| rest.options.take()));
        let earlier = before.as_ref().map(|live| (&live.vhost, options_before.as_deref()));
        let wish = self.surroundings.wish(id, earlier, Some((&vhost, options.as_deref())));
        step.wishes.extend(wish.map(|wish| self.allowed(wish)));
        let record = self.record(id, owner);
        let gone = before.iter().flat_map(|live| &live.vhost.hosts).filter(|host| !vhost.hosts.contains(host));
        step.table.extend(gone.cloned().map(TableChange::Remove));
        if !vhost.hosts.is_empty() {
            let counters = Arc::clone(&record.counters);
            let tenant = self.tenants.of(owner);
            let live = Arc::new(LiveSite { vhost, identity, counters, tenant });
            let puts = live.vhost.hosts.iter().map(|host| TableChange::Put(host.clone(), Arc::clone(&live)));
            step.table.extend(puts);
            let record = self.record(id, owner);
            record.live = Some(live);
            record.change(|rest| rest.options = options);
        }
    }

    /// Whatever keeps a site from going live anew (certificate files that its tenant took away, a ledger that cannot be read):
    /// what it does not hold any more is not its to serve, nor to take out of the table later.
    pub(super) fn cut_off(&mut self, id: &SiteId, step: &mut Step) {
        let Some(record) = self.records.get(id) else { return };
        let Some(live) = &record.live else { return };
        let holds = |name: &HostPattern| {
            self.claims.holder(name).is_some_and(|claim| claim.site == *id && claim.until.is_none())
        };
        if live.vhost.hosts.iter().all(holds) {
            return;
        }
        let vhost = live.vhost.keeping(holds);
        let next = Next { identity: live.identity.clone(), options: record.options().cloned().map(Box::new), vhost };
        self.swap(id, next.vhost.tenant, next, step);
    }

    /// What the site shows in a handshake. The identity of the version before is kept when nothing about it changed, and
    /// with it sessions that can be resumed.
    fn identity(
        &self,
        id: &SiteId,
        owner: TenantId,
        vhost: &Vhost,
        site: &Site,
        remarks: &mut Vec<Diagnostic>,
    ) -> Option<Arc<Identity>> {
        if vhost.tls == TlsPolicy::Off || vhost.hosts.is_empty() {
            return None;
        }
        let origin = self.surroundings.origin(vhost);
        let client_ca = vhost.client_ca().map(client_ca).map(Box::new);
        let hosts = vhost.hosts.clone();
        let certificate = CertificateRequest { site: id.clone(), tenant: owner, hosts, origin };
        let request = IdentityRequest { certificate, client_ca };
        let before = self.records.get(id).and_then(|record| record.live.as_ref()?.identity.clone());
        if let Some(identity) = before.filter(|identity| identity.is_for(&request)) {
            return Some(identity);
        }
        let (identity, findings) = match &self.surroundings.certifier {
            Certifier::Vault(vault) => match vault.prepare(&request) {
                Ok(prepared) => (Some(prepared.identity), prepared.warnings),
                Err(diagnostics) => (None, diagnostics),
            },
            Certifier::Review { gateway_uid } => (None, vestibule_certs::check(&request, *gateway_uid)),
        };
        remarks.extend(findings.into_iter().map(|finding| placed(finding, site)));
        identity
    }
}

fn client_ca(client_ca: &vestibule_vhost::ClientCa) -> ClientCa {
    let demand = match client_ca.certificate {
        ClientCertificate::Required => Demand::Required,
        ClientCertificate::Optional => Demand::Optional,
    };
    ClientCa { file: client_ca.file.clone(), demand }
}

/// Points a finding about certificate files at the key of the site file that names them.
fn placed(diagnostic: Diagnostic, site: &Site) -> Diagnostic {
    if diagnostic.primary.is_some() {
        return diagnostic;
    }
    let tls = &site.tls;
    let span = match &tls.value {
        _ if diagnostic.code == catalogue::CLIENT_CA || is_of_client_ca(&diagnostic) => {
            site.client_ca.as_ref().map_or(tls.span, |client_ca| client_ca.file.span)
        }
        Tls::Files { key, .. } if diagnostic.code == catalogue::KEY_MISMATCH => key.span,
        Tls::Files { chain, key } => {
            let names_key = diagnostic.message.contains(&key.value.display().to_string());
            if names_key { key.span } else { chain.span }
        }
        _ => tls.span,
    };
    diagnostic.at(span, "")
}

/// Codes of reading and of time are shared by all files of certificates; the words are not.
fn is_of_client_ca(diagnostic: &Diagnostic) -> bool {
    diagnostic.message.contains("the client CA file ")
}

impl Surroundings {
    /// The border by which site files are judged; nothing is dialled by it.
    pub(super) fn border(&self) -> Border {
        backends::border(&self.tenancy, OwnerCheck::Enforce, self.listen.clone(), self.gateway_uid(), |_| {})
    }

    /// As whom the gateway runs.
    pub(super) fn gateway_uid(&self) -> u32 {
        match &self.certifier {
            Certifier::Vault(vault) => vault.gateway_uid(),
            Certifier::Review { gateway_uid } => *gateway_uid,
        }
    }

    /// Upstreams that lead back into the gateway.
    fn loops(&self, site: &Site) -> Vec<Diagnostic> {
        let groups = site.routes.iter().filter_map(|route| match &route.action {
            Action::Upstream(group) => Some(group),
            _ => None,
        });
        let looping = groups.flat_map(|group| &group.addrs).filter(|addr| self.is_own(&addr.value));
        looping.map(|addr| own_upstream(addr.span, &addr.value)).collect()
    }

    fn is_own(&self, addr: &UpstreamAddr) -> bool {
        match &addr.target {
            UpstreamTarget::Address(to) => self.listen.iter().any(|own| leads_to(*to, *own)),
            UpstreamTarget::Name(name, port) => {
                name.as_str() == "localhost" && self.listen.iter().any(|own| own.port() == *port)
            }
            UpstreamTarget::Unix(path) => self.admin_sockets.iter().any(|own| **own == **path),
        }
    }

    /// Public names without a certificate of their own: served, but no browser trusts the local CA.
    fn public_names(&self, site: &Site) -> Option<Diagnostic> {
        if matches!(self.certifier, Certifier::Vault(_)) || self.acme.is_some() || site.tls.value != Tls::Auto {
            return None;
        }
        let public = site.hosts.iter().find(|host| !host.value.is_private())?;
        let message = format!("{} is a public name, and for now the local CA signs its certificate", public.value);
        let help = "the operator has a public CA sign it with `acme: {agree: true}` in the settings; or name a \
                    certificate of your own with `tls: {chain: FILE, key: FILE}`, or say `tls: internal` when only \
                    machines that trust the local CA come here";
        Some(Diagnostic::new(catalogue::NO_PUBLIC_CERTIFICATE, message).at(public.span, "").help(help))
    }
}

fn own_upstream(span: Span, addr: &UpstreamAddr) -> Diagnostic {
    Diagnostic::new(catalogue::UPSTREAM_IS_GATEWAY, format!("the upstream {addr} is this gateway itself"))
        .at(span, "requests would go round in circles")
        .help("write the address on which the backend process listens")
}
