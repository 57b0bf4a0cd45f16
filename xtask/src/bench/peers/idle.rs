//! What an idle TLS connection holds: resident memory before and after many of them.

use vestibule_testkit::{Connection, Protocol};

use super::{
    cell::Sample,
    peer::Running,
    stage::{HOST, Stage},
    workload::Workload,
};

/// So many connections stand open.
const CONNECTIONS: u32 = 1_000;

/// Opens them one after the other, each with one request, and leaves them open.
pub(super) async fn measure(stage: &Stage, running: &mut Running, protocol: Protocol) -> Result<Sample, String> {
    let address = running.address;
    let open = || async {
        let mut connection = Connection::secure(stage.trust(), address, HOST, protocol)
            .await
            .map_err(|error| format!("cannot connect: {error}"))?;
        let answer = connection.get(Workload::Idle.path()).await.map_err(|error| format!("no answer: {error}"))?;
        if answer.status == 200 { Ok(connection) } else { Err(format!("answered {}", answer.status)) }
    };
    // What the first connection brings to life is not the connection's.
    let first = open().await?;
    let before = running.usage()?.resident_kib;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(open().await?);
    }
    let after = running.usage()?.resident_kib;
    let closed = connections.iter().chain([&first]).filter(|connection| connection.is_closed()).count();
    if closed > 0 {
        return Err(format!("{closed} connections did not stay open"));
    }
    #[expect(clippy::cast_precision_loss, reason = "memory in KiB is far below 2^52")]
    let (added, after) = (after.saturating_sub(before) as f64, after as f64);
    Ok(Sample { rss_kib: Some(after), kib_per_connection: Some(added / f64::from(CONNECTIONS)), ..Sample::default() })
}
