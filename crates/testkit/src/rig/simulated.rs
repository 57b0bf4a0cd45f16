//! [`SimulatedRig`]: the gateway, and the CA of the test's own that it gets its certificates from. Challenges are looked at
//! for real, at the gateway's ports; DNS is not asked.
//!
//! Both keep their addresses over restarts of the gateway, so that resumed orders can still be validated.

use std::io;

use serde_json::Value;

use crate::{
    Connection, Gateway, GatewayBuilder, Protocol,
    ca::{
        CaBuilder, SimulatedCa, Validation,
        rules::{Limits, Rate},
    },
    client::Trust,
    ports::Reserved,
    wait::{PATIENCE, eventually, within},
};

/// Both, running. The gateway ends first.
#[derive(Debug)]
pub struct SimulatedRig {
    /// The gateway.
    pub gateway: Gateway,
    /// The CA.
    pub ca: SimulatedCa,
    trust: Trust,
}

/// A rig in the making.
#[derive(Clone, Debug, Default)]
pub struct SimulatedRigBuilder {
    ca: CaBuilder,
    gateway: GatewayBuilder,
    lines: Vec<String>,
}

impl SimulatedRigBuilder {
    /// Another CA: `|ca| ca.bad_nonces(30)`.
    #[must_use]
    pub fn ca(mut self, change: impl FnOnce(CaBuilder) -> CaBuilder) -> Self {
        self.ca = change(self.ca);
        self
    }

    /// Another gateway: `|gateway| gateway.site("a.yaml", &site)`. Settings beside `acme` go in here.
    #[must_use]
    pub fn gateway(mut self, change: impl FnOnce(GatewayBuilder) -> GatewayBuilder) -> Self {
        self.gateway = change(self.gateway);
        self
    }

    /// One more line of the section `acme`, such as `challenges: [tls-alpn-01]`.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// The gateway counts with Let's Encrypt's limits, as it does at Let's Encrypt; otherwise it takes the CA for one of the
    /// operator's own, without any.
    #[must_use]
    pub fn within_limits(self) -> Self {
        self.within(Limits::lets_encrypt())
    }

    /// The same with limits of one's own, which the CA has too.
    #[must_use]
    pub fn within(self, limits: Limits) -> Self {
        let rate = |rate: Rate| format!("{}/{}s", rate.count, rate.window.as_secs());
        let line = format!(
            "limits: {{orders: {}, certificates_per_domain: {}, certificates_per_set: {}, failed_authorizations: {}}}",
            rate(limits.orders),
            rate(limits.certificates_per_domain),
            rate(limits.certificates_per_set),
            rate(limits.failed_authorizations),
        );
        self.line(&line).ca(|ca| ca.limits(limits))
    }

    /// Starts both and waits until each is ready.
    pub async fn start(self) -> SimulatedRig {
        let (http, https) = (Reserved::tcp(), Reserved::tcp());
        let validation = Validation::Real { http: http.address(), tls: https.address(), dns: None };
        let ca = self.ca.validation(validation).start().await;
        let mut settings = format!(
            "acme:\n  agree: true\n  name: simulated\n  directory: \"{}\"\n  root: \"{}\"\n  check_dns: false\n",
            ca.directory(),
            ca.root_file().display(),
        );
        for line in &self.lines {
            settings.push_str(&format!("  {line}\n"));
        }
        let gateway = self.gateway.ports(&http, &https).settings(&settings).start().await;
        let trust = Trust::roots(&ca.issuing_roots());
        SimulatedRig { gateway, ca, trust }
    }
}

impl SimulatedRig {
    /// With a choice.
    pub fn builder() -> SimulatedRigBuilder {
        SimulatedRigBuilder::default()
    }

    /// What a client believes who believes the CA and nobody else.
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// A connection of a client that believes the CA only: an error while the gateway has no certificate of it.
    pub async fn https(&self, host: &str) -> io::Result<Connection> {
        Connection::secure(&self.trust, self.gateway.https(), host, Protocol::Http1).await
    }

    /// GET by such a client; `None` when the handshake or the exchange fails.
    pub async fn visit(&self, host: &str) -> Option<String> {
        let answer = self.https(host).await.ok()?.get("/").await.ok()?;
        (answer.status == 200).then(|| answer.text())
    }

    /// How that name stands, as `GET /v1/certs` tells it; `None` before the engine has heard of it.
    pub async fn standing(&self, host: &str) -> Option<Value> {
        let page = self.gateway.admin("/v1/certs?limit=1000").await.json();
        let rows = page["certs"].as_array()?.iter();
        let mut names = rows.flat_map(|row| row["names"].as_array().into_iter().flatten());
        names.find(|name| name["name"] == host).cloned()
    }

    /// Waits until that name stands as wanted; says how it stands instead when that takes too long.
    pub async fn standing_when(&self, host: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let look = || async { self.standing(host).await.filter(|standing| wanted(standing)) };
        if let Some(standing) = within(PATIENCE, look).await {
            return standing;
        }
        panic!("waited {PATIENCE:?} in vain for {host} to be {what}: {:?}", self.standing(host).await)
    }

    /// Waits until that name is listed as valid, and a visitor who believes the CA only gets that text.
    pub async fn served(&self, host: &str, text: &str) {
        self.standing_when(host, "valid", |standing| standing["state"] == "valid").await;
        let look = || async { self.visit(host).await.filter(|answer| answer == text) };
        eventually(&format!("{host} to be served"), look).await;
    }
}
