//! [`Vhost`]: the compiled, immutable run-time form of a site.

use std::{path::PathBuf, sync::Arc};

use http::{HeaderName, HeaderValue, StatusCode};
use vestibule_names::{Few, HostPattern, Hostname, RoutePath, SiteId, TenantId, UpstreamAddr};
pub use vestibule_site::site::{ClientCertificate, Limits, Prefix, RedirectToHttps, Timeouts};

pub use crate::redirect::Redirect;
use crate::routing::{HostIndex, RouteIndex};

/// The compiled form of one site: only what the walks need, nothing that could fail later. A box has many, and most of them
/// say little: what few sites have is behind a pointer.
#[derive(Clone, Debug)]
pub struct Vhost {
    /// Which site file.
    pub id: SiteId,
    /// Whose.
    pub tenant: TenantId,
    /// The names it holds (those it asked for and lost are not here), in the order written.
    pub hosts: Few<HostPattern>,
    /// How TLS is served.
    pub tls: TlsPolicy,
    /// What clear HTTP gets.
    pub redirect_to_https: RedirectToHttps,
    /// `None`: nothing of it.
    pub(crate) extras: Option<Box<Extras>>,
    /// Found by [`Vhost::route`].
    pub(crate) routes: RouteIndex,
}

/// What few sites say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extras {
    pub(crate) client_ca: Option<Box<ClientCa>>,
    pub(crate) canonical: Option<Hostname>,
    /// `None`: the standard ones.
    pub(crate) terms: Option<Box<Terms>>,
    /// Finds a host among those of the vhost.
    pub(crate) host_index: HostIndex,
}

impl Extras {
    /// Nothing for nothing.
    pub(crate) fn if_any(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// Waits and limits of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: Limits,
}

impl Terms {
    const STANDARD: Self = Self { timeouts: Timeouts::STANDARD, limits: Limits::STANDARD };

    /// Nothing for the standard ones.
    pub(crate) fn other_than_standard(timeouts: Timeouts, limits: Limits) -> Option<Box<Self>> {
        let terms = Self { timeouts, limits };
        (terms != Self::STANDARD).then(|| Box::new(terms))
    }
}

/// How TLS is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsPolicy {
    /// A public CA for public names, the local CA for the others.
    Auto,
    /// The operator's CA for every name.
    Acme,
    /// The local CA.
    Internal,
    /// The site's own files.
    Files(Box<CertificateFiles>),
    /// None: the site is served on clear HTTP only.
    Off,
}

/// A site's own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, leaf first.
    pub chain: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

/// Whose certificates visitors show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCa {
    /// PEM, one or more CA certificates.
    pub file: PathBuf,
    /// From whom.
    pub certificate: ClientCertificate,
}

/// A compiled path rule.
#[derive(Debug)]
pub struct Route {
    /// The prefix.
    pub path: RoutePath,
    /// Where it leads.
    pub action: Action,
    /// What happens to the prefix.
    pub prefix: Prefix,
    /// Header changes of site and route, merged (the route wins); shared by the routes that add none of their own. `None`:
    /// nothing is changed; see [`Route::headers`].
    pub headers: Option<Arc<HeaderChanges>>,
}

/// Where a route leads.
#[derive(Debug)]
pub enum Action {
    /// To backends. Routes of one site that name the same group share it.
    Upstream(Arc<UpstreamGroup>),
    /// Elsewhere.
    Redirect(Box<Redirect>),
    /// To a fixed answer.
    Respond(Box<Respond>),
}

/// Backends that serve the same thing.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct UpstreamGroup {
    /// At least one.
    pub addrs: Few<UpstreamAddr>,
    /// Verification of `https://`; `None`: as usual, see [`UpstreamGroup::tls`].
    pub tls: Option<Box<UpstreamTls>>,
}

/// Verification of `https://` backends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// Roots instead of the system's.
    pub ca: Option<PathBuf>,
    /// The name to verify instead of the address's.
    pub server_name: Option<Hostname>,
}

/// A fixed answer.
#[derive(Debug)]
pub struct Respond {
    /// 200 to 599.
    pub status: StatusCode,
    /// Shared: never copied per request.
    pub body: Arc<str>,
    /// Ready.
    pub content_type: HeaderValue,
}

/// Header changes, ready to apply: first remove, then set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HeaderChanges {
    /// Removed from the request.
    pub request_remove: Vec<HeaderName>,
    /// Set on the request, in place of what was there.
    pub request_set: Vec<(HeaderName, HeaderValue)>,
    /// Removed from the response.
    pub response_remove: Vec<HeaderName>,
    /// Set on the response, in place of what was there.
    pub response_set: Vec<(HeaderName, HeaderValue)>,
}

impl UpstreamGroup {
    /// Verification of `https://`.
    pub fn tls(&self) -> &UpstreamTls {
        static USUAL: UpstreamTls = UpstreamTls { ca: None, server_name: None };
        self.tls.as_deref().unwrap_or(&USUAL)
    }
}

impl Route {
    /// Header changes of site and route.
    pub fn headers(&self) -> &HeaderChanges {
        static NONE: HeaderChanges = HeaderChanges {
            request_remove: Vec::new(),
            request_set: Vec::new(),
            response_remove: Vec::new(),
            response_set: Vec::new(),
        };
        self.headers.as_deref().unwrap_or(&NONE)
    }
}

impl Vhost {
    /// Whose certificates visitors show, if they are asked for any. Such a site is served over TLS alone.
    pub fn client_ca(&self) -> Option<&ClientCa> {
        self.extras.as_ref()?.client_ca.as_deref()
    }

    /// The name to which the others redirect: always one that this site serves.
    pub fn canonical(&self) -> Option<&Hostname> {
        self.extras.as_ref()?.canonical.as_ref()
    }

    /// Waits.
    pub fn timeouts(&self) -> &Timeouts {
        &self.terms().timeouts
    }

    /// Limits.
    pub fn limits(&self) -> &Limits {
        &self.terms().limits
    }

    fn terms(&self) -> &Terms {
        self.extras.as_ref().and_then(|extras| extras.terms.as_deref()).unwrap_or(&Terms::STANDARD)
    }

    /// The longest route that covers this normalised path, by whole segments.
    pub fn route(&self, normalised_path: &str) -> Option<&Arc<Route>> {
        self.routes.covering(normalised_path).next()
    }

    /// Every route that covers this path, the winner first: for `explain`.
    pub fn candidates(&self, normalised_path: &str) -> Vec<&Arc<Route>> {
        self.routes.covering(normalised_path).collect()
    }

    /// All routes, longest first.
    pub fn routes(&self) -> &[Arc<Route>] {
        self.routes.longest_first()
    }

    /// Is this host (in normal form, see [`vestibule_names::HostRef::key`]) one of its hosts?
    pub fn serves(&self, host_key: &str) -> bool {
        let alone = HostIndex::default();
        self.extras.as_ref().map_or(&alone, |extras| &extras.host_index).serves(&self.hosts, host_key)
    }

    /// The same site without the names that it does not hold any more. What redirected to one of them does so no more.
    #[must_use]
    pub fn keeping(&self, holds: impl Fn(&HostPattern) -> bool) -> Self {
        let hosts: Few<_> = self.hosts.iter().filter(|host| holds(host)).cloned().collect();
        let host_index = HostIndex::new(&hosts);
        let is_kept = |name: &Hostname| {
            let exact = HostPattern::Exact(name.clone());
            hosts.contains(&exact) || !self.hosts.contains(&exact) && host_index.serves(&hosts, name.as_str())
        };
        let extras = self.extras.as_deref().cloned().unwrap_or_default();
        let canonical = extras.canonical.filter(is_kept);
        let extras = Extras { canonical, host_index, ..extras }.if_any();
        Self { hosts, extras, ..self.clone() }
    }
}
