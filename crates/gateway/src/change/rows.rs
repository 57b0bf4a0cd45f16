//! What the admin interface shows of sites, claims and certificates. Pages, so that 100,000 sites stay bounded.

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use vestibule_diagnostics::{Diagnostic, Report, Severity, Span, catalogue};
use vestibule_names::{HostPattern, SiteId, TenantId, UpstreamTarget};
use vestibule_proxy::Account;
use vestibule_site::site::Spanned;
use vestibule_vhost::{Action, Claim, Route, TlsPolicy, WaitReason, claims::Wait, vhost::ClientCertificate};

use super::{Record, Sites, source};
use crate::{
    admin::{
        Caller,
        model::{CertRow, CertStep, Certs, ClaimRow, ClaimState, SiteRow, SiteState, Sites as SitesPage},
    },
    live::{Counters, LiveSite},
    tenant::Tenant,
};

/// Sites named to the holder of a name that they ask for: anybody may write any number of files that ask.
const CONTENDERS_LIMIT: usize = 10;

/// How many sites stand how.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Standing {
    pub(crate) served: usize,
    pub(crate) stale: usize,
    pub(crate) broken: usize,
}

/// A backend that a site forwards to.
#[derive(Debug)]
pub(crate) struct Forwarding {
    pub(crate) site: SiteId,
    pub(crate) tenant: TenantId,
    pub(crate) upstream: String,
    pub(crate) target: UpstreamTarget,
    /// What looking at it is counted for.
    pub(crate) account: Arc<Account>,
}

/// How the sites of one tenant stand, and what they have come to.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct TenantStanding {
    pub(crate) served: usize,
    pub(crate) stale: usize,
    pub(crate) broken: usize,
    pub(crate) names: usize,
    pub(crate) requests: u64,
    pub(crate) errors: u64,
    pub(crate) sent_bytes: u64,
}

impl Sites {
    pub(crate) fn standing(&self) -> Standing {
        let mut standing = Standing::default();
        for record in self.records.values() {
            standing.served += usize::from(record.live.is_some());
            match record.state {
                SiteState::Stale => standing.stale += 1,
                SiteState::Broken => standing.broken += 1,
                SiteState::Live | SiteState::Partial => {}
            }
        }
        standing
    }

    /// Every tenant with a live site, in order of uid.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &Arc<Tenant>> {
        self.tenants.iter()
    }

    /// The same of a tenant's.
    pub(crate) fn tenant_standing(&self, tenant: TenantId) -> TenantStanding {
        let mut standing = TenantStanding::default();
        for (_, record) in self.records.shown(Caller::Tenant(tenant), None) {
            standing.served += usize::from(record.live.is_some());
            standing.stale += usize::from(record.state == SiteState::Stale);
            standing.broken += usize::from(record.state == SiteState::Broken);
            standing.names += record.live.as_ref().map_or(0, |live| live.vhost.hosts.len());
            standing.requests += record.counters.requests();
            standing.errors += record.counters.of_class(5);
            standing.sent_bytes += record.counters.bytes_sent();
        }
        standing
    }

    /// Does this user have anything here: a site file?
    pub(crate) fn is_tenant(&self, tenant: TenantId) -> bool {
        self.count_of(tenant) > 0
    }

    /// How many site files a tenant has.
    pub(crate) fn count_of(&self, tenant: TenantId) -> usize {
        self.records.count_of(tenant)
    }

    /// The sites of a tenant.
    pub(crate) fn ids_of(&self, tenant: TenantId) -> Vec<SiteId> {
        self.records.shown(Caller::Tenant(tenant), None).map(|(id, _)| id.clone()).collect()
    }

    /// Rows in order of site, after a given one.
    pub(crate) fn page(&self, caller: Caller, after: Option<&str>, limit: usize) -> SitesPage {
        let rows: Vec<_> = self.after(caller, after).take(limit).map(|(id, record)| self.row(id, record)).collect();
        let next = next_page(&rows, limit, |row| &row.site);
        SitesPage { sites: rows, next }
    }

    /// Sites that are not simply live.
    pub(crate) fn attention(&self, caller: Caller, limit: usize) -> Vec<SiteRow> {
        let rows = self.records.shown(caller, None).filter(|(_, record)| record.state != SiteState::Live);
        rows.take(limit).map(|(id, record)| self.row(id, record)).collect()
    }

    /// Certificates in order of site, after a given one.
    pub(crate) fn certs_page(&self, caller: Caller, after: Option<&str>, limit: usize) -> Certs {
        let live = self.after(caller, after).filter_map(|(id, record)| cert_row(id, record.live.as_deref()?));
        let rows: Vec<_> = live.take(limit).collect();
        let next = next_page(&rows, limit, |row| &row.site);
        Certs { certs: rows, next, broken: Vec::new() }
    }

    /// Where live sites that the caller may see forward to, after a given site; whole sites until there are enough, and
    /// where to go on.
    pub(crate) fn backends(
        &self,
        caller: Caller,
        after: Option<&str>,
        enough: usize,
    ) -> (Vec<Forwarding>, Option<String>) {
        let mut found = Vec::new();
        for (id, record) in self.after(caller, after) {
            let Some(live) = &record.live else { continue };
            let mut upstreams = BTreeSet::new();
            for route in live.vhost.routes() {
                if let Action::Upstream(group) = &route.action {
                    upstreams.extend(&group.addrs);
                }
            }
            found.extend(upstreams.into_iter().take(enough).map(|upstream| Forwarding {
                site: id.clone(),
                tenant: live.vhost.tenant,
                upstream: upstream.to_string(),
                target: upstream.target.clone(),
                account: Arc::clone(live.tenant.account()),
            }));
            if found.len() >= enough {
                return (found, Some(id.to_string()));
            }
        }
        (found, None)
    }

    /// Who holds a name.
    pub(crate) fn holder(&self, name: &HostPattern) -> Option<&Claim> {
        self.claims.holder(name)
    }

    /// The tenant who holds these names, of a certificate that is to be imported. Names that nobody holds do not matter, as
    /// long as one is held; where none is, a wildcard counts as held by whoever holds names that it covers.
    pub(crate) fn holder_of_all(&self, names: &[HostPattern]) -> Result<TenantId, String> {
        let mut tenants: BTreeSet<_> = names.iter().filter_map(|name| Some(self.holder(name)?.tenant)).collect();
        let wildcards: Vec<_> = names.iter().filter(|name| matches!(name, HostPattern::Wildcard(_))).collect();
        if tenants.is_empty() && !wildcards.is_empty() {
            let covered = |name: &HostPattern| wildcards.iter().any(|wildcard| wildcard.matches(&name.to_string()));
            tenants.extend(self.claims.iter().filter(|(name, _)| covered(name)).map(|(_, claim)| claim.tenant));
        }
        match tenants.len() {
            1 => tenants.pop_first().ok_or_else(String::new),
            0 => Err("no site has a name of this certificate: write the site file first".to_owned()),
            _ => Err("the names of this certificate are held by several tenants: none of them may get it".to_owned()),
        }
    }

    /// The first thing that must be true before a CA is asked: a site holds the name, and wants a CA's certificate.
    pub(crate) fn explain_claim(&self, name: &HostPattern) -> CertStep {
        let (standing, sentence) = match self.holder(name) {
            None => ("bad", self.told_unheld(name)),
            Some(Claim { until: Some(until), site, tenant, .. }) => {
                let broken = self.broken_file_with(name, |owner| owner == *tenant);
                let why =
                    broken.map(|fault| format!("; the file that asks for it is broken ({fault})")).unwrap_or_default();
                let told = format!(
                    "no site serves {name} now; it is kept until {until} for the tenant whose site {site} did{why}"
                );
                ("bad", told)
            }
            Some(claim) => self.told_held(name, &claim.site),
        };
        CertStep { subject: "claim".to_owned(), standing: standing.to_owned(), sentence }
    }

    /// A name of a site, live or not, whose file may be broken.
    fn told_held(&self, name: &HostPattern, site: &SiteId) -> (&'static str, String) {
        let record = self.records.get(site);
        let (standing, sentence) = match record.and_then(|record| record.live.as_deref()) {
            None => ("bad", format!("the site {site} holds {name} but is not live: see `vestibule sites`")),
            Some(live) => told_policy(name, site, &live.vhost.tls),
        };
        match (standing, record.and_then(Record::fault)) {
            (_, None) => (standing, sentence),
            ("good", Some(fault)) => {
                ("unclear", format!("{sentence}, by its last good version: the file is broken now ({fault})"))
            }
            (_, Some(fault)) => (standing, format!("{sentence}; its file is broken ({fault})")),
        }
    }

    /// A file of such an owner that asks for this name, and has an error.
    fn broken_file_with(&self, name: &HostPattern, is_meant: impl Fn(TenantId) -> bool) -> Option<String> {
        let asks = |record: &&Record| is_meant(record.owner) && record.asked_for().contains(name);
        self.records.values().filter(asks).find_map(Record::fault)
    }

    /// To the operator: nobody else asks about what nobody holds.
    fn told_unheld(&self, name: &HostPattern) -> String {
        let parent = name.to_string().split_once('.').map(|(_, parent)| format!("*.{parent}"));
        let wildcard = parent.and_then(|wildcard| HostPattern::parse(&wildcard).ok());
        if let Some(fault) = self.broken_file_with(name, |_| true) {
            return format!(
                "the file that asks for {name} is broken, and gives it to no site until it is mended: {fault}"
            );
        }
        match wildcard.and_then(|wildcard| Some((self.holder(&wildcard)?.site.clone(), wildcard))) {
            Some((site, wildcard)) => {
                format!(
                    "{name} has no certificate of its own: the wildcard {wildcard} of the site {site} covers it; ask for that"
                )
            }
            None => format!(
                "no site has the name {name}: write its site file, or add the name to one; if a file has it, \
                 `vestibule check FILE` says what is wrong with that"
            ),
        }
    }

    /// Every claim that the caller may see in order of name, then the waits.
    pub(crate) fn claim_rows(&self, caller: Caller) -> Vec<ClaimRow> {
        let held = self
            .claims
            .iter()
            .filter(|(_, claim)| caller.may_see(claim.tenant))
            .map(|(name, claim)| held_row(name, claim));
        let waits = self.claims.waits().into_iter().filter(|wait| caller.may_see(wait.tenant));
        let waiting = waits.map(|wait| {
            let found = match &wait.reason {
                WaitReason::Proof(domain) => self.proofs_seen.get(&(wait.tenant, domain.clone())).cloned(),
                WaitReason::Held | WaitReason::Reserved(_) | WaitReason::Room => None,
            };
            waiting_row(wait, found, caller)
        });
        held.chain(waiting).collect()
    }

    /// The claim on one name.
    pub(crate) fn claim_row(&self, name: &HostPattern) -> Option<ClaimRow> {
        self.claims.holder(name).map(|claim| held_row(name, claim))
    }

    /// Which of these names a file of that tenant would not get, and why.
    pub(crate) fn preview_names(
        &self,
        tenant: TenantId,
        site: &SiteId,
        names: &[HostPattern],
    ) -> Vec<(HostPattern, Diagnostic)> {
        // Another's file is none of the caller's: what it holds is not to be found out by its name.
        let is_own = self.records.get(site).is_none_or(|record| record.owner == tenant);
        let site = if is_own { site.clone() } else { SiteId::new("") };
        let wanted: Vec<_> = names.iter().enumerate().map(|(n, name)| numbered(name, n)).collect();
        let told = self.claims.preview(&self.surroundings.petition(&site, tenant), &wanted).diagnostics.into_iter();
        told.filter_map(|diagnostic| {
            let number = diagnostic.primary.as_ref()?.span.start;
            Some((names.get(number)?.clone(), diagnostic))
        })
        .collect()
    }

    /// What the file of one site has to say.
    pub(crate) fn reports_of(&self, id: &SiteId) -> Vec<Report> {
        self.records.get(id).map(|record| self.all_reports(id, record)).unwrap_or_default()
    }

    /// Counters of the sites that have been asked for anything, for metrics.
    pub(crate) fn each_counted(&self, caller: Caller, mut see: impl FnMut(&SiteId, &Counters)) {
        for (id, record) in self.records.shown(caller, None).filter(|(_, record)| record.counters.are_used()) {
            see(id, &record.counters);
        }
    }

    fn after(&self, caller: Caller, after: Option<&str>) -> impl Iterator<Item = (&SiteId, &Record)> {
        self.records.shown(caller, after.map(SiteId::new).as_ref())
    }

    fn row(&self, id: &SiteId, record: &Record) -> SiteRow {
        let vhost = record.live.as_ref().map(|live| &live.vhost);
        SiteRow {
            site: id.to_string(),
            owner: record.owner.0,
            state: record.state,
            hosts: vhost.map(|vhost| vhost.hosts.iter().map(ToString::to_string).collect()).unwrap_or_default(),
            routes: vhost.map(|vhost| vhost.routes().iter().map(|route| lead(route)).collect()).unwrap_or_default(),
            requests: record.counters.requests(),
            errors: record.counters.of_class(5),
            reports: self.all_reports(id, record),
        }
    }

    /// The file's own findings, who else asks for its names, and why changed certificate files were not taken.
    fn all_reports(&self, id: &SiteId, record: &Record) -> Vec<Report> {
        let contested = self.claims.contenders(id).take(CONTENDERS_LIMIT).map(|(name, tenant, contender)| {
            let whose = match tenant == record.owner || record.owner == TenantId::OPERATOR {
                true => format!("by {contender}"),
                false => "by another tenant".to_owned(),
            };
            let message = format!("{name} is also asked for {whose}; it stays with this site, which claimed it first");
            let mut diagnostic = Diagnostic::new(catalogue::HOST_CLAIMED, message);
            diagnostic.severity = Severity::Warning;
            Report::new(&diagnostic, &source(id, b""))
        });
        let refused = record.live.as_ref().and_then(|live| live.identity.as_ref()?.facts().last_refusal).map(|why| {
            let message = format!("the changed certificate files are refused, and the old certificate stays: {why}");
            let mut diagnostic = Diagnostic::new(catalogue::CERTIFICATE_INVALID, message);
            diagnostic.severity = Severity::Warning;
            Report::new(&diagnostic, &source(id, b""))
        });
        let turned_away = self.turned_away(id, record.owner);
        record.reports().iter().cloned().chain(turned_away).chain(contested).chain(refused).collect()
    }
}

/// A name without a file, found again by its number.
fn numbered(name: &HostPattern, number: usize) -> Spanned<HostPattern> {
    Spanned { value: name.clone(), span: Span { start: number, end: number } }
}

impl Record {
    /// Where a file that is broken has its first error, and which.
    fn fault(&self) -> Option<String> {
        if !matches!(self.state, SiteState::Stale | SiteState::Broken) {
            return None;
        }
        let report = self.reports().iter().find(|report| report.is_error())?;
        let place = [report.line, report.column].into_iter().flatten().map(|number| format!(":{number}"));
        Some(format!("{}{}: {}", report.file, place.collect::<String>(), report.message))
    }
}

fn told_policy(name: &HostPattern, site: &SiteId, tls: &TlsPolicy) -> (&'static str, String) {
    match tls {
        TlsPolicy::Auto if name.is_private() => (
            "bad",
            format!("{name} is a private name of the site {site}: the local CA signs for it, no public one does"),
        ),
        TlsPolicy::Auto | TlsPolicy::Acme => ("good", format!("the site {site} holds {name}")),
        TlsPolicy::Internal => ("bad", format!("the site {site} has `tls: internal`: no CA is asked for it")),
        TlsPolicy::Files(_) => ("bad", format!("the site {site} brings certificate files of its own")),
        TlsPolicy::Off => ("bad", format!("the site {site} has `tls: off`")),
    }
}

fn held_row(name: &HostPattern, claim: &Claim) -> ClaimRow {
    ClaimRow {
        name: name.to_string(),
        site: claim.site.to_string(),
        owner: claim.tenant.0,
        state: if claim.until.is_some() { ClaimState::Grace } else { ClaimState::Held },
        since: claim.since,
        claimed: claim.at.0,
        until: claim.until.map(|until| until.0),
        ..ClaimRow::default()
    }
}

/// Is it a wildcard over that name?
fn covers(wildcard: &HostPattern, name: &HostPattern) -> bool {
    let HostPattern::Wildcard(zone) = wildcard else { return false };
    name != &HostPattern::Exact(zone.clone()) && name.base().is_some_and(|base| base.is_within(zone))
}

fn waiting_row(wait: Wait, found: Option<String>, caller: Caller) -> ClaimRow {
    let (state, waits_for) = match wait.reason {
        WaitReason::Held => (ClaimState::Waiting, Some(wait.name.to_string())),
        // A name below a wildcard that was asked for is another's secret; the zone above is part of the name asked for.
        WaitReason::Reserved(by) if caller != Caller::Operator && covers(&wait.name, &by) => {
            (ClaimState::Reserved, None)
        }
        WaitReason::Reserved(by) => (ClaimState::Reserved, Some(by.to_string())),
        WaitReason::Room => (ClaimState::Full, None),
        WaitReason::Proof(domain) => (ClaimState::Unproven, Some(format!("_vestibule.{domain}"))),
    };
    ClaimRow {
        name: wait.name.to_string(),
        site: wait.site.to_string(),
        owner: wait.tenant.0,
        state,
        waits_for,
        found,
        ..ClaimRow::default()
    }
}

fn next_page<T>(rows: &[T], limit: usize, key: impl Fn(&T) -> &String) -> Option<String> {
    (rows.len() == limit).then(|| rows.last().map(|row| key(row).clone())).flatten()
}

/// `/api -> 127.0.0.1:5000`.
pub(crate) fn lead(route: &Route) -> String {
    let to = match &route.action {
        Action::Upstream(group) => group.addrs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Action::Redirect(redirect) => format!("{} {}", redirect.status.as_u16(), redirect.to),
        Action::Respond(respond) => format!("respond {}", respond.status.as_u16()),
    };
    format!("{} -> {to}", route.path)
}

fn cert_row(id: &SiteId, live: &LiveSite) -> Option<CertRow> {
    let facts = live.identity.as_ref()?.facts();
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Some(CertRow {
        site: id.to_string(),
        hosts: live.vhost.hosts.iter().map(ToString::to_string).collect(),
        issuer: facts.issuer,
        source: match live.vhost.tls {
            TlsPolicy::Auto => "auto",
            TlsPolicy::Acme => "acme",
            TlsPolicy::Internal => "internal",
            TlsPolicy::Files(_) => "files",
            TlsPolicy::Off => "off",
        }
        .to_owned(),
        not_before: seconds(facts.not_before),
        not_after: seconds(facts.not_after),
        fingerprint: facts.fingerprint,
        problem: facts.last_refusal,
        client_certificate: live.vhost.client_ca().map(|client_ca| match client_ca.certificate {
            ClientCertificate::Required => "required".to_owned(),
            ClientCertificate::Optional => "optional".to_owned(),
        }),
        names: Vec::new(),
    })
}
