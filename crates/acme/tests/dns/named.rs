//! DNS-01 by dynamic update against BIND, whose idea of TSIG and of update policies is not ours.

use std::{
    net::{TcpListener, TcpStream, UdpSocket},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;
use vestibule_acme::{
    Config, FailureKind,
    config::DnsProvider,
    dns::{Dns, Way},
};
use vestibule_certs::Vault;
use vestibule_names::TenantId;

use crate::host;

/// 32 octets, as tsig-keygen would draw them.
const SECRET: &str = "wX3m8qT1rB6yV0zK5nJ2cH9fD4gL7sPaEuIoQeWxYhM=";
const ATTEMPTS: usize = 5;

/// A running name server, ended with its value.
struct Named {
    process: Child,
    port: u16,
    folder: TempDir,
}

impl Named {
    /// A port that was free for both protocols may be taken before the server is up: then once more.
    fn start() -> Self {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            let folder = tempfile::tempdir().unwrap();
            let port = free_port();
            write_files(folder.path(), port);
            let log = std::fs::File::create(folder.path().join("log")).unwrap();
            let process = Command::new(program())
                .args(["-g", "-c"])
                .arg(folder.path().join("named.conf"))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(log)
                .spawn()
                .unwrap();
            let mut named = Self { process, port, folder };
            if named.is_up() {
                return named;
            }
            last = named.log();
        }
        panic!("BIND does not start:\n{last}");
    }

    fn is_up(&mut self) -> bool {
        for _ in 0..1000 {
            let log = self.log();
            if log.contains("running") && TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }

    fn dns(&self) -> Dns {
        let mut config = Config::new(Vec::new());
        config.resolvers = vec![([127, 0, 0, 1], self.port).into()];
        let vault = Vault::open(&self.folder.path().join("vault")).unwrap();
        Dns::new(&config, vault).unwrap().with_authoritative_port(self.port)
    }

    fn provider(&self, key_name: &str, secret: &str) -> DnsProvider {
        let key_file = self.folder.path().join(format!("{key_name}.secret"));
        std::fs::write(&key_file, secret).unwrap();
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let server = ([127, 0, 0, 1], self.port).into();
        DnsProvider::Rfc2136 { server, key_name: key_name.to_owned(), algorithm: "hmac-sha256".to_owned(), key_file }
    }

    /// What it wrote down, each change included.
    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn program() -> &'static str {
    ["/usr/sbin/named", "/usr/bin/named"]
        .into_iter()
        .find(|path| Path::new(path).is_file())
        .unwrap_or_else(|| panic!("these tests need BIND; run\n    sudo apt-get install --no-install-recommends bind9"))
}

fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn write_files(folder: &Path, port: u16) {
    let shown = folder.display();
    let config = format!(
        r#"options {{
    directory "{shown}"; pid-file none; lock-file none; session-keyfile none;
    listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
    recursion no; dnssec-validation no; notify no;
}};
controls {{ }};
key "gateway" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
key "stranger" {{ algorithm hmac-sha256; secret "{SECRET}"; }};
zone "example.com" {{
    type primary; file "{shown}/zone";
    update-policy {{ grant gateway wildcard *.example.com. TXT; }};
}};
"#
    );
    std::fs::write(folder.join("named.conf"), config).unwrap();
    let zone = "$TTL 300\n@ SOA ns admin 1 60 60 60 3600\n@ NS ns\nns A 127.0.0.1\nblog A 192.0.2.7\n";
    std::fs::write(folder.join("zone"), zone).unwrap();
}

#[tokio::test]
async fn bind_takes_our_updates_and_we_take_its_signature() {
    let named = Named::start();
    let (dns, provider) = (named.dns(), named.provider("gateway", SECRET));
    let name = host("blog.example.com");
    let first = dns.present(Way::own(&provider, TenantId::OPERATOR), &name, "value-one").await.unwrap();
    let second = dns.present(Way::own(&provider, TenantId::OPERATOR), &name, "value-two").await.unwrap();
    dns.withdraw(first).await;
    // Taken away, it is no longer seen; the other one still is, which a second presentation would find at once.
    let again = dns.present(Way::own(&provider, TenantId::OPERATOR), &name, "value-two").await.unwrap();
    dns.withdraw(again).await;
    dns.withdraw(second).await;
    let log = named.log();
    for line in [
        "adding an RR at '_acme-challenge.blog.example.com' TXT \"value-one\"",
        "adding an RR at '_acme-challenge.blog.example.com' TXT \"value-two\"",
        "deleting an RR at _acme-challenge.blog.example.com TXT",
    ] {
        assert!(log.contains(line), "{line} in\n{log}");
    }
    assert!(!log.contains("denied"), "{log}");
}

#[tokio::test]
async fn bind_refuses_what_its_policy_does_not_allow() {
    let named = Named::start();
    let dns = named.dns();
    let wrong = SECRET.replace('w', "x");
    for (key, secret, words) in [
        ("stranger", SECRET, "the key stranger may not change _acme-challenge.blog.example.com"),
        ("gateway", wrong.as_str(), "the secret of the key gateway is another one there (BADSIG)"),
        ("nobody", SECRET, "it does not know the key nobody"),
    ] {
        let provider = named.provider(key, secret);
        let failure =
            dns.present(Way::own(&provider, TenantId::OPERATOR), &host("blog.example.com"), "VALUE").await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Configuration);
        assert!(failure.sentence.contains(words), "{}", failure.sentence);
    }
}
