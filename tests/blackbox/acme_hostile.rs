//! Promise: a tenant gets no certificate for a name of another, sees no challenge of another, is no way into the gateway's
//! own network, and keeps nobody waiting; and nothing that a client asks for makes the gateway prove a name to the wrong one.

mod acme_tls;
mod challenges;
mod tenants;

use std::{fs, os::unix::fs::chown, time::Duration};

use rustix::process::geteuid;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    time::timeout,
};
use vestibule_testkit::{ScriptedOrigin, SimulatedRig, Site, ca::Validation};

/// Two users of the machine who own nothing else.
const ANN: u32 = 64_001;
const BOB: u32 = 64_002;

/// Puts a site file under its name in one step, as that user where that can be; otherwise everything is one tenant's.
fn drop_as(rig: &SimulatedRig, uid: u32, file: &str, site: &Site) {
    let target = rig.gateway.sites_dir().join(file);
    let temporary = target.with_extension("tmp");
    fs::write(&temporary, site.text()).unwrap();
    if geteuid().is_root() {
        chown(&temporary, Some(uid), Some(uid)).unwrap();
    }
    fs::rename(&temporary, &target).unwrap();
}

/// Asks for a renewal, which the CA validates at that address. The answer comes when the order has ended: not here.
fn renew_watched_by(rig: &SimulatedRig, host: &str, validator: &ScriptedOrigin) {
    let address = validator.to_string().parse().unwrap();
    rig.ca.validate(Validation::Real { http: address, tls: address, dns: None });
    let (socket, target) = (rig.gateway.admin_socket(), format!("/v1/certs/renew?host={host}"));
    tokio::spawn(async move { vestibule_testkit::admin::send(&socket, http::Method::POST, &target).await });
}

/// Sends these bytes and reads to the end, or as long as anything comes.
async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), request: &str) -> String {
    // The other side may have closed already: then that is the answer.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The targets of all requests that came to an origin.
fn targets(origin: &ScriptedOrigin) -> Vec<String> {
    let heads = origin.received().concat();
    let lines = heads.lines().filter(|line| line.ends_with(" HTTP/1.1"));
    lines.filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect()
}
