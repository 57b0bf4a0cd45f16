//! Look-ups at recursive resolvers: bounded in time, number and size; answers forgotten within seconds, so that a change is
//! seen soon after it is made.
//!
//! Names in `/etc/hosts` do not count: no CA reads that file.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hickory_proto::{
    op::ResponseCode,
    rr::{Name, RData, Record, RecordType},
};
use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig},
    net::{DnsError, NetError, NoRecords, runtime::TokioRuntimeProvider},
};
use tokio::{sync::Semaphore, time::timeout};

use crate::printable::printable;

/// One question to one resolver.
const QUERY_TIMEOUT: Duration = Duration::from_secs(3);
/// How often it is asked again.
const ATTEMPTS: usize = 2;
/// One look-up in all, over every resolver and attempt.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(12);
/// No answer is remembered for longer, whatever its TTL says.
const TTL_LIMIT: Duration = Duration::from_secs(5);
/// Answers remembered.
const CACHE_LIMIT: u64 = 256;
/// Look-ups in flight at once.
const LOOKUPS_LIMIT: usize = 32;
/// Records of one answer that are looked at.
pub(super) const RECORDS_LIMIT: usize = 32;
/// A name in text, escapes included.
const NAME_SHOWN_LIMIT: usize = 255;

/// Asks recursive resolvers. Cheap to clone.
#[derive(Clone)]
pub(super) struct Lookups {
    resolver: TokioResolver,
    servers: Arc<[SocketAddr]>,
    at_once: Arc<Semaphore>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    #[error("it does not exist (NXDOMAIN)")]
    NoSuchName,
    #[error("it has no such records")]
    NoRecords,
    #[error("its DNS servers fail ({0})")]
    Failing(String),
    #[error("no DNS server answered in time")]
    Timeout,
    #[error("DNS cannot be asked: {0}")]
    Unreachable(String),
}

impl Problem {
    /// Does DNS say for sure that there is nothing?
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::NoSuchName | Self::NoRecords)
    }
}

impl Lookups {
    /// With these resolvers; without any, with those of the system.
    pub(super) fn new(resolvers: &[SocketAddr]) -> Result<Self, NetError> {
        let config = if resolvers.is_empty() {
            system_config()
        } else {
            ResolverConfig::from_parts(None, Vec::new(), resolvers.iter().map(|server| name_server(*server)).collect())
        };
        let servers = config.name_servers().iter().flat_map(addresses_of).take(RECORDS_LIMIT).collect();
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        let options = builder.options_mut();
        options.timeout = QUERY_TIMEOUT;
        options.attempts = ATTEMPTS;
        options.cache_size = CACHE_LIMIT;
        options.positive_max_ttl = Some(TTL_LIMIT);
        options.negative_max_ttl = Some(TTL_LIMIT);
        options.use_hosts_file = ResolveHosts::Never;
        options.try_tcp_on_error = true;
        let at_once = Arc::new(Semaphore::new(LOOKUPS_LIMIT));
        Ok(Self { resolver: builder.build()?, servers, at_once })
    }

    /// The resolvers asked.
    pub(super) fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }

    /// The records of an answer, aliases that lead to them included; never none.
    pub(super) async fn ask(&self, name: &Name, record_type: RecordType) -> Result<Vec<Record>, Problem> {
        // The semaphore is never closed; a look-up without a permit would do no harm either.
        let _permit = self.at_once.acquire().await;
        let asked = self.resolver.lookup(name.clone(), record_type);
        let lookup = timeout(LOOKUP_TIMEOUT, asked).await.map_err(|_| Problem::Timeout)?.map_err(problem)?;
        let records: Vec<_> = lookup.answers().iter().take(RECORDS_LIMIT).cloned().collect();
        if records.is_empty() { Err(Problem::NoRecords) } else { Ok(records) }
    }

    /// The addresses of a name.
    pub(super) async fn addresses(&self, name: &Name) -> Result<Vec<IpAddr>, Problem> {
        let (v4, v6) = tokio::join!(self.ask(name, RecordType::A), self.ask(name, RecordType::AAAA));
        let found = |answer: &Result<Vec<Record>, Problem>| -> Vec<IpAddr> {
            answer.iter().flatten().filter_map(|record| record.data.ip_addr()).collect()
        };
        let all = [found(&v4), found(&v6)].concat();
        match (v4, v6) {
            (Err(problem), Err(other)) => Err(if problem.is_absence() { other } else { problem }),
            _ if all.is_empty() => Err(Problem::NoRecords),
            _ => Ok(all),
        }
    }

    /// Where a name leads to after its CNAMEs: itself, if it is no alias.
    pub(super) async fn canonical(&self, name: &Name) -> Result<Name, Problem> {
        const CHAIN_LIMIT: usize = 8;
        let mut current = name.clone();
        for _ in 0..CHAIN_LIMIT {
            let answer = match self.ask(&current, RecordType::CNAME).await {
                Ok(records) => records,
                Err(problem) if problem.is_absence() => return Ok(current),
                Err(problem) => return Err(problem),
            };
            let next = answer.into_iter().filter(|record| record.name == current).find_map(alias);
            match next {
                Some(next) => current = next,
                None => return Ok(current),
            }
        }
        Err(Problem::Failing("its CNAMEs lead in circles".to_owned()))
    }
}

/// The name that an alias stands for.
pub(super) fn alias(record: Record) -> Option<Name> {
    match record.data {
        RData::CNAME(target) => Some(target.0),
        _ => None,
    }
}

/// For people.
pub(super) fn shown(name: &Name) -> String {
    let text = name.to_ascii();
    printable(text.strip_suffix('.').unwrap_or(&text), NAME_SHOWN_LIMIT)
}

/// Without a readable `/etc/resolv.conf` a resolver on this machine is asked, as resolv.conf(5) has it.
fn system_config() -> ResolverConfig {
    match hickory_resolver::system_conf::read_system_conf() {
        Ok((config, _)) if !config.name_servers().is_empty() => {
            // Without the search list: only whole names are asked for.
            ResolverConfig::from_parts(None, Vec::new(), config.name_servers().to_vec())
        }
        other => {
            let reason = other.err().map(|error| printable(&error.to_string(), NAME_SHOWN_LIMIT));
            tracing::warn!(reason, "the system names no DNS resolver: one on this machine is asked");
            let local = SocketAddr::from(([127, 0, 0, 1], 53));
            ResolverConfig::from_parts(None, Vec::new(), vec![name_server(local)])
        }
    }
}

fn name_server(server: SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.port();
        connection
    });
    NameServerConfig::new(server.ip(), true, connections.to_vec())
}

fn addresses_of(server: &NameServerConfig) -> Option<SocketAddr> {
    server.connections.first().map(|connection| SocketAddr::new(server.ip, connection.port))
}

fn problem(error: NetError) -> Problem {
    match error {
        NetError::Timeout => Problem::Timeout,
        NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code: ResponseCode::NXDomain, .. })) => {
            Problem::NoSuchName
        }
        NetError::Dns(DnsError::NoRecordsFound(NoRecords { response_code: ResponseCode::NoError, .. })) => {
            Problem::NoRecords
        }
        NetError::Dns(
            DnsError::NoRecordsFound(NoRecords { response_code: code, .. }) | DnsError::ResponseCode(code),
        ) => Problem::Failing(code_word(code)),
        NetError::Proto(_) | NetError::Truncated => Problem::Failing("their answers cannot be read".to_owned()),
        other => Problem::Unreachable(printable(&other.to_string(), NAME_SHOWN_LIMIT)),
    }
}

/// A response code as tools and manuals call it.
pub(super) fn code_word(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        ResponseCode::NotAuth => "NOTAUTH".to_owned(),
        ResponseCode::NotZone => "NOTZONE".to_owned(),
        other => format!("response code {}", u16::from(other)),
    }
}
