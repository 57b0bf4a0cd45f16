//! [`Curl`]: the real curl, told where the names lead and whom to trust.

use std::{net::SocketAddr, process::Stdio};

use tokio::process::Command;

use crate::Gateway;

/// A run of curl in the making.
#[derive(Debug)]
pub struct Curl {
    command: Command,
}

/// What curl wrote.
#[derive(Debug)]
pub struct Curled {
    /// Its exit code: 0 when it got any response (see "EXIT CODES" of curl(1)).
    pub exit: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Curl {
    /// A curl for which every name on any port leads to the gateway, by TLS or not.
    pub fn new(gateway: &Gateway) -> Self {
        Self::to(gateway.https(), gateway.http(), gateway.root_file())
    }

    fn to(https: SocketAddr, http: SocketAddr, root: impl AsRef<std::ffi::OsStr>) -> Self {
        let mut command = Command::new("curl");
        command
            .args(["--silent", "--show-error", "--max-time", "60", "--noproxy", "*"])
            .arg("--cacert")
            .arg(root.as_ref());
        for (port, address) in [(443, https), (80, http)] {
            command.arg("--connect-to").arg(format!(":{port}:{address}"));
        }
        command.stdin(Stdio::null()).kill_on_drop(true);
        Self { command }
    }

    /// Arguments of curl.
    #[must_use]
    pub fn args<S: AsRef<std::ffi::OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    /// Runs it.
    pub async fn run(mut self) -> Curled {
        let output = self.command.output().await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let exit = output.status.code().unwrap_or(-1);
        Curled { exit, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs it and gives standard output; a failure of curl fails the test.
    pub async fn text(self) -> String {
        let curled = self.run().await;
        assert_eq!(curled.exit, 0, "{curled:?}");
        curled.stdout
    }
}
