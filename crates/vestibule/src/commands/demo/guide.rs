//! [`Guide`]: what the demo prints: what runs where, lines to paste, what to edit.

use std::{
    fmt::Write as _,
    io::{self, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

use super::{child::Backend, scene::Scene};

/// One backend as it is shown.
#[derive(Clone, Debug)]
struct Shown {
    name: &'static str,
    upstream: String,
    pid: u32,
    uid: u32,
}

/// All that is shown.
#[derive(Clone, Debug)]
pub(super) struct Guide {
    program: String,
    backends: Vec<Shown>,
    http: u16,
    https: u16,
    folder: PathBuf,
    site_file: PathBuf,
    root: PathBuf,
    state: PathBuf,
    access_log: PathBuf,
}

impl Guide {
    /// Of a running demo.
    pub(super) fn new(scene: &Scene, backends: &[Backend], http: &[SocketAddr], https: &[SocketAddr]) -> Self {
        let own = rustix::process::geteuid().as_raw();
        let shown = |backend: &Backend| Shown {
            name: backend.name(),
            upstream: backend.upstream().to_string(),
            pid: backend.pid(),
            uid: backend.uid().unwrap_or(own),
        };
        let port = |addrs: &[SocketAddr]| addrs.first().map_or(0, SocketAddr::port);
        Self {
            program: std::env::args().next().unwrap_or_else(|| "vestibule".to_owned()),
            backends: backends.iter().map(shown).collect(),
            http: port(http),
            https: port(https),
            folder: scene.folder().to_owned(),
            site_file: scene.site_file("blog"),
            root: scene.root(),
            state: scene.state(),
            access_log: scene.access_log(),
        }
    }

    /// To standard output. Somebody who does not read it does not end the demo.
    pub(super) fn print(&self) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        match out.write_all(self.text().as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    fn text(&self) -> String {
        let mut text = String::from("Vestibule: three backends behind one port\n\n");
        for Shown { name, upstream, pid, uid } in &self.backends {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {:<15} -> {upstream}  (pid {pid}, uid {uid})", format!("{name}.localhost"));
        }
        let curl = format!("curl --cacert {}", quoted(&self.root));
        let url = |name: &str, path: &str| format!("https://{name}.localhost:{}{path}", self.https);
        for (what, line) in [
            ("Paste into another terminal:", format!("{curl} {}", url("blog", "/"))),
            ("Another tenant, same port:", format!("{curl} '{}'", url("shop", "/cart?item=7"))),
            ("A backend on a Unix socket:", format!("{curl} --http1.1 {}", url("api", "/v1"))),
            ("Server-sent events, one a second:", format!("{curl} --no-buffer '{}'", url("blog", "/clock?ticks=5"))),
            ("Clear HTTP, sent on to HTTPS:", format!("curl --include http://blog.localhost:{}/", self.http)),
        ] {
            let _ = writeln!(text, "\n{what}\n  {line}");
        }
        let _ = write!(
            text,
            "\n(A curl before 7.78 does not know .localhost: add --resolve '*:{https}:127.0.0.1')\n\n\
             Then edit {site} and repeat: point it at another backend, or write nonsense.\n\n  \
             {program} status --state {state}\n  \
             {program} sites --state {state}\n  \
             tail -f {log}\n\n\
             Ctrl-C ends everything and removes {folder}.\n",
            https = self.https,
            site = quoted(&self.site_file),
            program = quoted(Path::new(&self.program)),
            state = quoted(&self.state),
            log = quoted(&self.access_log),
            folder = self.folder.display(),
        );
        text
    }
}

/// For a POSIX shell.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_to_paste_carries_real_ports_and_paths() {
        let guide = Guide {
            program: "target/release/vestibule".into(),
            backends: vec![Shown { name: "blog", upstream: "127.0.0.1:41001".into(), pid: 7, uid: 60_001 }],
            http: 40_080,
            https: 40_443,
            folder: "/tmp/d".into(),
            site_file: "/tmp/d/sites.d/blog.yaml".into(),
            root: "/tmp/my d/root.pem".into(),
            state: "/tmp/d/state".into(),
            access_log: "/tmp/d/access.log".into(),
        };
        let text = guide.text();
        for line in [
            "  blog.localhost  -> 127.0.0.1:41001  (pid 7, uid 60001)",
            "  curl --cacert '/tmp/my d/root.pem' https://blog.localhost:40443/",
            "  curl --include http://blog.localhost:40080/",
            "  target/release/vestibule status --state /tmp/d/state",
            "Ctrl-C ends everything and removes /tmp/d.",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n---\n{text}");
        }
    }

    #[test]
    fn a_path_is_quoted_for_the_shell() {
        assert_eq!(quoted(Path::new("/tmp/a-b_c.1")), "/tmp/a-b_c.1");
        assert_eq!(quoted(Path::new("/tmp/it's")), r"'/tmp/it'\''s'");
    }
}
