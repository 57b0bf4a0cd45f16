//! The few lines that `run` says at the start: where it listens, what it watches, where its state is, what to try next.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    path::Path,
};

use crate::{
    decide::shown,
    place::Standing,
    terminal::{escaped, escaped_text},
};

/// Where a gateway came up.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// Bound clear addresses.
    pub(crate) http: &'a [SocketAddr],
    /// Bound TLS addresses.
    pub(crate) https: &'a [SocketAddr],
    /// Of site files.
    pub(crate) sites: &'a Path,
    /// Its own.
    pub(crate) state: &'a Path,
    /// The settings file, if there is one.
    pub(crate) settings: Option<&'a Path>,
    /// Names of the public CAs that are asked.
    pub(crate) cas: &'a [String],
    /// Whose defaults.
    pub(crate) standing: Standing,
}

impl Place<'_> {
    /// All of it, ready for standard error.
    pub(crate) fn lines(&self) -> String {
        let mut text = format!("vestibule {}\n", env!("CARGO_PKG_VERSION"));
        let mut line = |name: &str, value: &str| {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:<11}{}", escaped(value));
        };
        let urls = urls("http", self.http).chain(urls("https", self.https)).collect::<Vec<_>>();
        line("listening", &if urls.is_empty() { "nowhere".to_owned() } else { urls.join("  ") });
        line("watching", &shown(self.sites));
        line("state", &format!("{} (claims, last good versions, admin socket, local CA)", shown(self.state)));
        let settings = self.settings.map_or_else(|| "defaults: no settings file".to_owned(), shown);
        line("settings", &settings);
        if self.standing == Standing::User && self.settings.is_none() {
            line("ports", "without root or CAP_NET_BIND_SERVICE the defaults are ports above 1023 on loopback");
        }
        if !self.cas.is_empty() {
            line("CA", &format!("{} for public names: vestibule certs", self.cas.join(", then ")));
        }
        line("local CA", &format!("vestibule certs --root --state {}", shown(self.state)));
        line("next", &format!("vestibule new blog.localhost 5000 --sites {}", shown(self.sites)));
        if let Some(addr) = self.https.first() {
            line("", &format!("curl --cacert root.pem https://blog.localhost{}/", port("https", addr.port())));
        }
        escaped_text(&text)
    }
}

fn urls<'a>(scheme: &'static str, addrs: &'a [SocketAddr]) -> impl Iterator<Item = String> + 'a {
    addrs.iter().map(move |addr| match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => format!("{scheme}://*{}", port(scheme, addr.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => format!("{scheme}://*{}", port(scheme, addr.port())),
        IpAddr::V4(ip) => format!("{scheme}://{ip}{}", port(scheme, addr.port())),
        IpAddr::V6(ip) => format!("{scheme}://[{ip}]{}", port(scheme, addr.port())),
    })
}

/// Nothing where the scheme says it already.
fn port(scheme: &str, port: u16) -> String {
    match (scheme, port) {
        ("http", 80) | ("https", 443) => String::new(),
        _ => format!(":{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_trying_it_out_learns_where_everything_is() {
        let place = Place {
            http: &["127.0.0.1:8080".parse().unwrap()],
            https: &["127.0.0.1:8443".parse().unwrap(), "[::1]:8443".parse().unwrap()],
            sites: Path::new("/srv/sites.d"),
            state: Path::new("/srv/state"),
            settings: None,
            cas: &[],
            standing: Standing::User,
        };
        let expected = format!(
            "vestibule {}
  listening  http://127.0.0.1:8080  https://127.0.0.1:8443  https://[::1]:8443
  watching   /srv/sites.d
  state      /srv/state (claims, last good versions, admin socket, local CA)
  settings   defaults: no settings file
  ports      without root or CAP_NET_BIND_SERVICE the defaults are ports above 1023 on loopback
  local CA   vestibule certs --root --state /srv/state
  next       vestibule new blog.localhost 5000 --sites /srv/sites.d
             curl --cacert root.pem https://blog.localhost:8443/
",
            env!("CARGO_PKG_VERSION")
        );
        assert_eq!(place.lines(), expected);

        let cas = ["letsencrypt".to_owned(), "ca-example".to_owned()];
        let with_cas = Place { cas: &cas, ..place }.lines();
        assert!(
            with_cas.contains("  CA         letsencrypt, then ca-example for public names: vestibule certs\n"),
            "{with_cas}"
        );
    }

    #[test]
    fn the_usual_ports_go_without_saying() {
        let addrs = ["[::]:443".parse().unwrap(), "0.0.0.0:80".parse().unwrap()];
        assert_eq!(urls("https", &addrs).collect::<Vec<_>>(), ["https://*", "https://*:80"]);
    }
}
