//! How names stand, for people.

use vestibule_names::{HostPattern, SiteId, TenantId};

use super::{
    Planner, Site,
    calendar::{Cert, Phase},
    name::{Name, Waits},
    slab::NameIx,
    standing::{Hold, HoldKind, NameState, NameStatus, WantedName, waits_for},
};
use crate::{Timestamp, failure::FailureKind};

impl Planner {
    /// How the names of one site stand.
    pub fn status(&self, site: &SiteId, now: Timestamp) -> Vec<NameStatus> {
        self.sites.get(site).into_iter().flat_map(|known| self.site_statuses(site, known, now)).collect()
    }

    /// How the wanted names of all sites stand.
    pub fn statuses(&self, now: Timestamp) -> impl Iterator<Item = NameStatus> {
        self.sites.iter().flat_map(move |(site, known)| self.site_statuses(site, known, now))
    }

    /// The same of one tenant's sites.
    pub fn statuses_of(&self, tenant: TenantId, now: Timestamp) -> impl Iterator<Item = NameStatus> {
        let is_theirs = move |known: &Site| known.names.first().is_some_and(|ix| self.names[*ix].tenant == tenant);
        let of_tenant = self.sites.iter().filter(move |(_, known)| is_theirs(known));
        of_tenant.flat_map(move |(site, known)| self.site_statuses(site, known, now))
    }

    fn site_statuses<'a>(
        &'a self,
        site: &'a SiteId,
        known: &'a Site,
        now: Timestamp,
    ) -> impl Iterator<Item = NameStatus> + use<'a> {
        known.names.iter().map(move |ix| self.name_status(*ix, site, now))
    }

    /// Every name that a site wants, once for each tenant.
    pub fn wanted_names(&self) -> impl Iterator<Item = WantedName<'_>> {
        self.names.values().filter_map(wanted_name)
    }

    /// The first tenant's that wants this name.
    pub fn wanted_name(&self, name: &HostPattern) -> Option<WantedName<'_>> {
        wanted_name(&self.names[self.wanted(name)?])
    }

    /// How one name stands.
    pub fn status_of(&self, name: &HostPattern, now: Timestamp) -> Option<NameStatus> {
        let ix = self.wanted(name)?;
        let site = self.names[ix].sites.first()?.0.clone();
        Some(self.name_status(ix, &site, now))
    }

    /// What holds one name up.
    pub fn hold_of(&self, name: &HostPattern, now: Timestamp) -> Option<Hold> {
        let name = &self.names[self.wanted(name)?];
        let parked = name.quest.parked.as_ref().filter(|parked| parked.until > now);
        let (why, until) = match (parked, name.quest.lane) {
            (Some(parked), _) => (parked.why.clone(), parked.until),
            (None, Some(_)) => self.lane_waits_for(now)?,
            (None, None) => match self.change_waits(name, now) {
                until if until > now => (Waits::Change, until),
                _ => return None,
            },
        };
        let by = match why {
            Waits::Ca => HoldKind::Ca(self.cas.iter().find(|ca| ca.health.faults > 0)?.id().clone()),
            Waits::Orders | Waits::Domain(_) | Waits::Set | Waits::Failures | Waits::Told => HoldKind::Limit,
            Waits::Wildcard
            | Waits::Mates
            | Waits::Look
            | Waits::Dns
            | Waits::Settings
            | Waits::Change
            | Waits::BackOff => HoldKind::Other,
        };
        Some(Hold { by, until, why: why.words() })
    }

    fn name_status(&self, ix: NameIx, site: &SiteId, now: Timestamp) -> NameStatus {
        let name = &self.names[ix];
        let live = |cert: &&Cert| cert.end() > now;
        let any = || self.covering(name).map(|ix| &self.certs[ix]).filter(live).max_by_key(|cert| cert.issued.number());
        let shown = name.cert.map(|ix| &self.certs[ix]).filter(live).or_else(any);
        let state = self.state_of(name, shown, now);
        let due_at = self.due_at(name);
        NameStatus {
            name: name.pattern.clone(),
            site: site.clone(),
            tenant: name.tenant,
            state,
            issuance: shown.map(|cert| cert.issued.id()),
            not_after: shown.map(|cert| cert.end()).or(name.quest.lapsed),
            renew_at: due_at,
            next_attempt: self.next_attempt(name, now).or(due_at.filter(|_| state == NameState::Valid)),
            // A renewal that was asked for by hand may have failed beside a certificate that is valid for long.
            failure: name
                .fate
                .last
                .clone()
                .or_else(|| self.only_waits(name, now).filter(|_| state != NameState::Valid)),
            failures: name.fate.failures,
        }
    }

    /// Why a name has not been tried, and since when it waits.
    fn only_waits(&self, name: &Name, now: Timestamp) -> Option<(FailureKind, String, Timestamp)> {
        let waited_since = self.due_at(name).or(name.quest.lapsed).unwrap_or(name.since);
        if name.cert.is_none() && name.quest.flight.is_none() && !name.forced && name.points_elsewhere() {
            let since = name.fate.elsewhere_since.unwrap_or(waited_since);
            return Some((FailureKind::ValidationDns, waits_for(&dns_says(name)), since));
        }
        let changed = self.change_waits(name, now) > now;
        let why = if changed { &Waits::Change } else { &name.quest.parked.as_ref()?.why };
        let kind = match why {
            Waits::Ca => FailureKind::Ca,
            Waits::Dns => FailureKind::ValidationDns,
            Waits::Settings => FailureKind::Configuration,
            _ => FailureKind::Limit,
        };
        Some((kind, waits_for(&why.words()), waited_since))
    }

    /// Which of these names are in quarantine, and people were not told yet: once until a name has a certificate, also over
    /// restarts, however often DNS changes meanwhile.
    pub fn quarantined_anew(&mut self, names: &[HostPattern]) -> Vec<HostPattern> {
        let mut anew = Vec::new();
        for pattern in names {
            let Some(ix) = self.wanted(pattern) else { continue };
            let name = &mut self.names[ix];
            if name.cert.is_none() && name.is_quarantined() && !std::mem::replace(&mut name.fate.quarantine_told, true)
            {
                self.touch_name(ix);
                anew.push(pattern.clone());
            }
        }
        anew
    }

    /// The first tenant's that is wanted: two tenants never hold one name.
    fn wanted(&self, name: &HostPattern) -> Option<NameIx> {
        self.wanted_by(name).first().copied()
    }

    fn state_of(&self, name: &Name, shown: Option<&Cert>, now: Timestamp) -> NameState {
        if name.quest.flight.is_some() && name.cert.is_none() && name.quest.lapsed.is_none() {
            return NameState::Ordering;
        }
        match (name.cert.map(|ix| self.certs[ix].phase(now)), shown) {
            (Some(Phase::Fresh), _) if name.quest.flight.is_none() && !name.forced && !self.only_differs(name, now) => {
                NameState::Valid
            }
            (Some(phase), _) if phase != Phase::Ended => NameState::Renewing,
            _ if name.is_quarantined() => NameState::Quarantined,
            (_, None) if name.quest.lapsed.is_some() => NameState::Expired,
            _ if name.quest.flight.is_some() => NameState::Ordering,
            _ => NameState::Waiting,
        }
    }

    /// When something is tried next, as far as known: a lane's turn is not.
    fn next_attempt(&self, name: &Name, now: Timestamp) -> Option<Timestamp> {
        let waits = || self.lanes_wait.filter(|at| *at > now).unwrap_or(now);
        name.quest.timer.or_else(|| name.quest.lane.map(|_| waits()))
    }
}

fn wanted_name(name: &Name) -> Option<WantedName<'_>> {
    let options = name.options()?;
    Some(WantedName { name: &name.pattern, tenant: name.tenant, options })
}

/// What is waited for when DNS does not point here, and what it says instead.
fn dns_says(name: &Name) -> String {
    let says = match name.sight.as_ref().map_or(0, |sight| sight.addresses) {
        0 => format!("there is no usable address for {}", name.text()),
        _ => format!("the addresses of {} there are not this gateway's", name.text()),
    };
    format!("{}: {says}", Waits::Dns.words())
}
