//! Visitors who come anew: a connection and a handshake for each, one or several requests, and the end.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    task::{JoinError, JoinSet},
    time::timeout,
};
use tokio_rustls::rustls::{ClientConfig, client::Resumption};

use super::{
    client::{Client, get},
    pace::Pace,
    paced::{judge, loaded, whole_micros},
};
use crate::bench::peers::{
    hosts::Zipf,
    load::Loaded,
    stage::{HOST, Stage},
};

/// Who comes, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench::peers) struct Visits {
    per_second: u32,
    /// Requests of each.
    requests: u32,
    handshake: Handshake,
    hosts: Hosts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handshake {
    Full,
    Resumed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hosts {
    One,
    Many,
}

/// More at once means that the proxy does not keep up, and is not waited for.
const OPEN_LIMIT: usize = 2_000;
/// What is still open this long after the last visit has failed.
const PATIENCE: Duration = Duration::from_secs(10);
/// Visitors who come back have each a memory of their own for the server's tickets: so many, if none is there twice at once.
const REGULARS: usize = 1_000;

impl Visits {
    /// For the first time, each.
    pub(in crate::bench::peers) const FULL: Self =
        Self { per_second: 1_000, requests: 1, handshake: Handshake::Full, hosts: Hosts::One };
    /// Again and again.
    pub(in crate::bench::peers) const RESUMED: Self = Self { handshake: Handshake::Resumed, ..Self::FULL };
    /// For the first time, to one of many hosts.
    pub(in crate::bench::peers) const HOSTS: Self =
        Self { per_second: 300, requests: 10, handshake: Handshake::Full, hosts: Hosts::Many };
}

/// Visitors at the door.
pub(in crate::bench::peers) struct Crowd<'a> {
    visits: Visits,
    address: SocketAddr,
    path: &'static str,
    length: u64,
    /// What those have who are not on a visit: whoever comes for the first time has nothing, and shares one.
    memories: VecDeque<Arc<ClientConfig>>,
    hosts: Option<(&'a [String], Zipf)>,
}

/// One visitor.
struct Visitor {
    tls: Arc<ClientConfig>,
    address: SocketAddr,
    host: String,
    request: Vec<u8>,
    requests: u32,
    length: u64,
}

/// What one saw.
struct Visited {
    /// From the moment the visit was due to the end of the first answer.
    micros: u64,
    resumed: bool,
    tls: Arc<ClientConfig>,
}

impl<'a> Crowd<'a> {
    /// Those who are to come back have been there once.
    pub(in crate::bench::peers) async fn gather(
        visits: Visits,
        stage: &'a Stage,
        address: SocketAddr,
        (path, length): (&'static str, u64),
    ) -> Result<Self, String> {
        let memory = |sessions| {
            let mut tls = stage.tls();
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            tls.resumption = sessions;
            Arc::new(tls)
        };
        let names = stage.names();
        let hosts = (visits.hosts == Hosts::Many).then(|| (names, Zipf::among(names.len())));
        let mut crowd = Self { visits, address, path, length, memories: VecDeque::new(), hosts };
        match visits.handshake {
            Handshake::Full => crowd.memories.push_back(memory(Resumption::disabled())),
            Handshake::Resumed => {
                for _ in 0..REGULARS {
                    crowd.memories.push_back(memory(Resumption::in_memory_sessions(8)));
                    let visited = crowd.next()?.visit(Instant::now()).await?;
                    crowd.memories.push_front(visited.tls);
                }
            }
        }
        Ok(crowd)
    }

    /// Lets them come for so long.
    pub(in crate::bench::peers) async fn run(mut self, seconds: u32) -> Result<Loaded, String> {
        let lasting = Duration::from_secs(seconds.into());
        let per_second = self.visits.per_second;
        let mut pace = Pace::new(per_second.into(), lasting).map_err(|error| format!("no timer: {error}"))?;
        let begin = Instant::now();
        let (mut open, mut seen) = (JoinSet::new(), Vec::new());
        while let Some((_, due)) = pace.due().await.map_err(|error| format!("no timer: {error}"))? {
            open.spawn(self.next()?.visit(due));
            while let Some(visited) = open.try_join_next() {
                seen.push(self.note(visited)?);
            }
            if open.len() > OPEN_LIMIT {
                return Err(format!("does not keep up with {per_second} new connections a second"));
            }
        }
        let rest = timeout(PATIENCE, async {
            while let Some(visited) = open.join_next().await {
                seen.push(self.note(visited)?);
            }
            Ok::<_, String>(())
        });
        rest.await.map_err(|_| format!("not all answers came within {PATIENCE:?}"))??;
        self.visits.judge(&seen)?;
        let mut loaded = loaded(seen.iter().map(|(micros, _)| *micros).collect(), begin.elapsed())?;
        loaded.requests *= u64::from(self.visits.requests);
        Ok(loaded)
    }

    /// Who comes next.
    fn next(&mut self) -> Result<Visitor, String> {
        let tls = match self.visits.handshake {
            Handshake::Full => self.memories.front().cloned(),
            // The one who was away the longest.
            Handshake::Resumed => self.memories.pop_back(),
        };
        let tls = tls.ok_or("all who were to come back are still there: it does not keep up")?;
        let host = match &mut self.hosts {
            Some((names, zipf)) => names[zipf.next()].clone(),
            None => HOST.to_owned(),
        };
        let request = get(&format!("{host}:{}", self.address.port()), self.path);
        let (address, requests, length) = (self.address, self.visits.requests, self.length);
        Ok(Visitor { tls, address, host, request, requests, length })
    }

    /// How long it took, and whether the handshake was short.
    fn note(&mut self, visited: Result<Result<Visited, String>, JoinError>) -> Result<(u64, bool), String> {
        let Visited { micros, resumed, tls } = visited.map_err(|error| error.to_string())??;
        if self.visits.handshake == Handshake::Resumed {
            self.memories.push_front(tls);
        }
        Ok((micros, resumed))
    }
}

impl Visits {
    /// Were the handshakes those that were to be measured? One in twenty may have met a ticket that was used already.
    fn judge(self, seen: &[(u64, bool)]) -> Result<(), String> {
        let resumed = seen.iter().filter(|(_, resumed)| *resumed).count();
        let good = match self.handshake {
            Handshake::Full => resumed == 0,
            Handshake::Resumed => resumed * 20 >= seen.len() * 19,
        };
        if good { Ok(()) } else { Err(format!("{resumed} of {} handshakes were resumed", seen.len())) }
    }
}

impl Visitor {
    async fn visit(self, due: Instant) -> Result<Visited, String> {
        let mut client = Client::connect(&self.tls, self.address, &self.host).await?;
        let mut micros = 0;
        for number in 0..self.requests {
            let answer = client.exchange(&self.request).await?;
            judge(answer.status, answer.length, self.length)?;
            if number == 0 {
                micros = whole_micros(due.elapsed());
            }
        }
        Ok(Visited { micros, resumed: client.is_resumed(), tls: self.tls })
    }
}
