//! Apache's words.

use super::{Job, Setup};

/// The event MPM in one process; its proxy sets `X-Forwarded-For` and `-Host` by itself. It has no limits for a host.
pub(in crate::bench) fn apache(setup: &Setup<'_>) -> String {
    let (dir, listen) = (setup.dir.display(), setup.listen);
    let mut modules =
        vec!["mpm_event", "authz_core", "socache_shmcb", "ssl", "http2", "env", "headers", "proxy", "proxy_http"];
    modules.extend(setup.everything().then_some("status"));
    let modules: String = modules
        .iter()
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    // A WebSocket and a slow body each hold a thread.
    let threads = if setup.job == Job::Exchanges { 2_500 } else { 128 };
    format!(
        "{modules}ServerName localhost
ServerRoot {dir}
DefaultRuntimeDir {dir}
PidFile {dir}/apache.pid
ErrorLog {dir}/error.log
Listen {listen}
ListenBacklog 4096
StartServers 1
ServerLimit 1
ThreadLimit {threads}
ThreadsPerChild {threads}
MaxRequestWorkers {threads}
AsyncRequestWorkerFactor 64
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 300
Protocols h2 http/1.1
SSLProtocol -all +TLSv1.3
RequestHeader set X-Forwarded-Proto https
SetEnv proxy-sendchunked 1
{everything}{hosts}",
        everything = everything(setup),
        hosts = hosts(setup),
    )
}

fn everything(setup: &Setup<'_>) -> String {
    let (metrics, dir) = (setup.metrics, setup.dir.display());
    let text = format!(
        "BufferedLogs On
CustomLog {dir}/access.log \"%h %l %u %t \\\"%r\\\" %>s %O \\\"%{{Referer}}i\\\" \\\"%{{User-Agent}}i\\\"\"
Listen {metrics} http
<VirtualHost {metrics}>
<Location />
SetHandler server-status
</Location>
</VirtualHost>
"
    );
    setup.with(&text).to_owned()
}

fn hosts(setup: &Setup<'_>) -> String {
    let (listen, certificates, origin) = (setup.listen, setup.certificates.display(), setup.origin);
    let upgrade = if setup.job == Job::Exchanges { " upgrade=websocket" } else { "" };
    let host = |name: &str, stem: &str| {
        format!(
            "<VirtualHost {listen}>
ServerName {name}
SSLEngine on
SSLCertificateFile {certificates}/{stem}.crt
SSLCertificateKeyFile {certificates}/{stem}.key
ProxyPreserveHost On
ProxyPass / http://{origin}/{upgrade}
</VirtualHost>
"
        )
    };
    if setup.job == Job::Hosts {
        setup.names.iter().map(|name| host(name, &format!("hosts/{name}"))).collect()
    } else {
        host("localhost", "one")
    }
}
