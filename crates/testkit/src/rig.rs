//! [`AcmeRig`]: a name server, a real CA and the gateway that gets its certificates there, started in the right order.
//!
//! All ports are reserved first: pebble must know where the gateway answers challenges, and the gateway where pebble is. The
//! gateway keeps its ports over restarts, so that resumed orders can still be validated.

mod look;
mod simulated;

use std::{fs, os::unix::fs::PermissionsExt as _};

use crate::{
    ChallTestServer, Connection, Gateway, GatewayBuilder, Pebble, Protocol, certificate::Shown, client::Trust,
    pebble::PebbleBuilder, ports::Reserved,
};

pub use simulated::{SimulatedRig, SimulatedRigBuilder};

/// All three, running. The gateway ends first.
#[derive(Debug)]
pub struct AcmeRig {
    /// The gateway.
    pub gateway: Gateway,
    /// The CA.
    pub pebble: Pebble,
    /// The name server of both. Every name leads to the loopback until told otherwise.
    pub names: ChallTestServer,
    /// Pebble's roots and no others, as they were at the start.
    pub trust: Trust,
}

/// A rig in the making.
#[derive(Clone, Debug)]
pub struct AcmeRigBuilder {
    pebble: PebbleBuilder,
    gateway: GatewayBuilder,
    lines: Vec<String>,
    eab: Option<(String, String)>,
    preferred_root: Option<usize>,
}

impl Default for AcmeRigBuilder {
    fn default() -> Self {
        Self {
            pebble: Pebble::builder(),
            gateway: Gateway::builder(),
            lines: Vec::new(),
            eab: None,
            preferred_root: None,
        }
    }
}

impl AcmeRig {
    /// With the defaults of all three.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// With something else.
    pub fn builder() -> AcmeRigBuilder {
        AcmeRigBuilder::default()
    }

    /// A client that believes pebble's roots only: an error while the gateway has no certificate of pebble's.
    pub async fn https(&self, host: &str) -> std::io::Result<Connection> {
        let trust = Trust::roots(&self.pebble.issuing_roots().await);
        Connection::secure(&trust, self.gateway.https(), host, Protocol::Http1).await
    }
}

impl AcmeRigBuilder {
    /// Another CA: `|pebble| pebble.bad_nonces(30)`.
    #[must_use]
    pub fn pebble(mut self, change: impl FnOnce(PebbleBuilder) -> PebbleBuilder) -> Self {
        self.pebble = change(self.pebble);
        self
    }

    /// Another gateway: `|gateway| gateway.site("a.yaml", &site)`. Settings beside `acme` go in here.
    #[must_use]
    pub fn gateway(mut self, change: impl FnOnce(GatewayBuilder) -> GatewayBuilder) -> Self {
        self.gateway = change(self.gateway);
        self
    }

    /// One more line of the section `acme`, such as `challenges: [dns-01]`.
    #[must_use]
    pub fn line(mut self, line: &str) -> Self {
        self.lines.push(line.to_owned());
        self
    }

    /// Pebble requires external account binding, and the gateway has the key for it.
    #[must_use]
    pub fn eab(mut self, kid: &str, hmac: &str) -> Self {
        self.pebble = self.pebble.eab(kid, hmac);
        self.eab = Some((kid.to_owned(), hmac.to_owned()));
        self
    }

    /// The chain to that root is preferred (`preferred_chain`): 0 is pebble's default, the others are alternates. Their
    /// names are random.
    #[must_use]
    pub fn preferred_root(mut self, index: usize) -> Self {
        self.preferred_root = Some(index);
        self
    }

    /// Starts all three and waits until each is ready.
    pub async fn start(self) -> AcmeRig {
        let names = ChallTestServer::start().await;
        let (http, https) = (Reserved::tcp(), Reserved::tcp());
        let mut settings = self.settings(&names);
        let pebble = self.pebble.nameserver(names.dns()).start(http.port(), https.port()).await;
        if let Some(index) = self.preferred_root {
            let root = Shown::of_pem(&pebble.issuing_root(index).await).issuers().remove(0);
            settings.push_str(&format!("  preferred_chain: \"{root}\"\n"));
        }
        let gateway = self.gateway.ports(&http, &https).settings(&settings).start().await;
        let trust = Trust::roots(&pebble.issuing_roots().await);
        AcmeRig { gateway, pebble, names, trust }
    }

    /// The section `acme`, with what it needs as files beside pebble's own.
    fn settings(&self, names: &ChallTestServer) -> String {
        let dir = self.pebble.dir();
        let hook = dir.join("dns-hook");
        fs::write(&hook, dns_hook(&names.url())).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
        let mut text = format!(
            "acme:\n  agree: true\n  directory: \"{}\"\n  root: \"{}\"\n  resolvers: [\"{}\"]\n  \
             dns: {{default: {{exec: \"{}\", tenants: all}}}}\n",
            self.pebble.directory(),
            self.pebble.root_file().display(),
            names.dns(),
            hook.display(),
        );
        if let Some((kid, hmac)) = &self.eab {
            let file = dir.join("eab.hmac");
            fs::write(&file, hmac).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
            text.push_str(&format!("  eab: {{kid: \"{kid}\", hmac_file: \"{}\"}}\n", file.display()));
        }
        for line in &self.lines {
            text.push_str(&format!("  {line}\n"));
        }
        text
    }
}

/// A provider of DNS-01 with lego's calling convention: `present FQDN VALUE`, `cleanup FQDN VALUE`. The name server forgets
/// all values of a name at once.
pub fn dns_hook(url: &str) -> String {
    format!(
        "#!/bin/sh\nset -e\ncase \"$1\" in\n\
         present) curl -sf --noproxy '*' -d \"{{\\\"host\\\":\\\"$2\\\",\\\"value\\\":\\\"$3\\\"}}\" {url}/set-txt ;;\n\
         cleanup) curl -sf --noproxy '*' -d \"{{\\\"host\\\":\\\"$2\\\"}}\" {url}/clear-txt ;;\nesac\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_hook_sets_and_clears_what_it_is_told() {
        let names = ChallTestServer::start().await;
        let builder = AcmeRig::builder().eab("kid-1", "secret").line("challenges: [dns-01]");
        let settings = builder.settings(&names);
        assert!(settings.ends_with("  challenges: [dns-01]\n"), "{settings}");
        assert!(settings.contains("kid: \"kid-1\""), "{settings}");
        let hook = builder.pebble.dir().join("dns-hook");
        for (verb, value) in [("present", "one"), ("cleanup", "one")] {
            let mut command = tokio::process::Command::new(&hook);
            let status = command.args([verb, "_acme-challenge.a.test.", value]).status().await.unwrap();
            assert!(status.success(), "{verb}");
        }
    }
}
