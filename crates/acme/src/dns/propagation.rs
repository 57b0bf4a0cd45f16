//! Waiting until a TXT record is seen where a CA will look: at each authoritative server of its zone, or at the resolvers
//! when the zone's servers cannot be found (as inside a company).
//!
//! A server that answers without the record is waited for; one that does not answer at all is not, as long as others do.
//! When nobody has answered for a while, and when only resolvers (which remember absence) were asked in vain, the CA may
//! judge: it may see more than we do.

use std::{net::SocketAddr, time::Duration};

use futures_util::future::join_all;
use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RData, RecordType},
};
use tokio::time::{Instant, sleep};

use super::{
    authority::Authority,
    exchange::{Answer, Recursion, exchange, question},
};

/// Between two looks: short at first, since most servers show a change at once.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(1), Duration::from_secs(2)];
/// How long it is tried when no server answers at all.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);

/// Whom to ask.
pub(super) enum Witnesses {
    /// The zone's own servers.
    Authorities(Vec<Authority>),
    /// Resolvers, whose "no" may be old.
    Resolvers(Vec<SocketAddr>),
}

/// How the waiting ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// Everybody who answers shows it.
    Everywhere,
    /// Nobody could be asked, or only resolvers that may remember an older answer.
    Unknown,
    /// An authoritative server does not show it.
    Missing(SocketAddr),
}

/// What one server says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    Here,
    Missing(SocketAddr),
    Nothing,
}

/// Waits until the value is seen, at most until `deadline`.
pub(super) async fn settle(witnesses: &Witnesses, name: &Name, value: &str, deadline: Instant) -> Seen {
    let started = Instant::now();
    let mut pauses = PAUSES.iter().copied();
    let mut heard = false;
    loop {
        let said = ask_all(witnesses, name, value).await;
        let missing = said.iter().find_map(|says| match says {
            Says::Missing(server) => Some(*server),
            _ => None,
        });
        heard |= said.iter().any(|says| *says != Says::Nothing);
        if missing.is_none() && said.contains(&Says::Here) {
            return Seen::Everywhere;
        }
        let pause = pauses.next().unwrap_or(PAUSES[PAUSES.len() - 1]);
        let now = Instant::now();
        if now + pause >= deadline || (!heard && now.duration_since(started) > SILENCE_LIMIT) {
            return match (missing, witnesses) {
                (Some(server), Witnesses::Authorities(_)) => Seen::Missing(server),
                _ => Seen::Unknown,
            };
        }
        sleep(pause).await;
    }
}

async fn ask_all(witnesses: &Witnesses, name: &Name, value: &str) -> Vec<Says> {
    match witnesses {
        Witnesses::Authorities(servers) => {
            join_all(servers.iter().map(|server| ask(&server.addresses, name, value, Recursion::None))).await
        }
        Witnesses::Resolvers(servers) => {
            join_all(servers.iter().map(|server| ask(std::slice::from_ref(server), name, value, Recursion::Desired)))
                .await
        }
    }
}

/// Asks one server, at the first of its addresses that answers.
async fn ask(addresses: &[SocketAddr], name: &Name, value: &str, recursion: Recursion) -> Says {
    for address in addresses {
        match exchange(*address, &question(name, RecordType::TXT, recursion)).await {
            Ok(answer) => return judge(&answer, *address, value, recursion),
            Err(error) => tracing::debug!(%address, %error, "a DNS server did not answer"),
        }
    }
    Says::Nothing
}

/// A server that refuses, fails or points elsewhere says nothing about the record: it may not be the zone's any more.
fn judge(answer: &Answer, address: SocketAddr, value: &str, recursion: Recursion) -> Says {
    let has_it = answer.message.answers.iter().any(|record| match &record.data {
        RData::TXT(text) => text.txt_data.concat() == value.as_bytes(),
        _ => false,
    });
    let may_deny = recursion == Recursion::Desired || answer.message.metadata.authoritative;
    match answer.message.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain if has_it => Says::Here,
        ResponseCode::NoError | ResponseCode::NXDomain if may_deny => Says::Missing(address),
        _ => Says::Nothing,
    }
}
