//! A DNS server in the test: recursive resolver and authority in one, on loopback, UDP and TCP on one port. It says what
//! the test tells it to, also what no good server would.
//!
//! Dynamic updates are taken when their TSIG is right; nothing is cached and nothing is forwarded.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::{SystemTime, UNIX_EPOCH},
};

use hickory_proto::{
    op::{Message, OpCode, ResponseCode},
    rr::{
        DNSClass, Name, RData, Record, RecordType, TSigResponseContext, TSigner,
        rdata::{CAA, CNAME, NS, SOA, TXT},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    task::JoinSet,
};

/// What is said to a question instead of records.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mood {
    /// This code.
    Code(ResponseCode),
    /// Nothing at all.
    Silent,
    /// Bytes that are no message.
    Garbage,
}

#[derive(Default)]
struct Zone {
    records: BTreeMap<(Name, RecordType), Vec<RData>>,
    moods: BTreeMap<(Name, RecordType), Mood>,
    apexes: BTreeSet<Name>,
    truncate_udp: bool,
    key: Option<TSigner>,
    sign_with: Option<TSigner>,
    updates: usize,
    /// What was asked for, in order.
    questions: Vec<(Name, RecordType)>,
}

/// A running server; ends with its value.
pub(crate) struct Server {
    address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    _tasks: JoinSet<()>,
}

pub(crate) fn name(text: &str) -> Name {
    Name::from_ascii(format!("{}.", text.trim_end_matches('.'))).unwrap().to_lowercase()
}

impl Server {
    pub(crate) async fn start() -> Self {
        // Both sockets on one port: the first may be taken for the other protocol.
        let (tcp, udp) = loop {
            let tcp = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (tcp, udp);
            }
        };
        let address = tcp.local_addr().unwrap();
        let zone = Arc::new(Mutex::new(Zone::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&zone)));
        tasks.spawn(serve_tcp(tcp, Arc::clone(&zone)));
        Self { address, zone, _tasks: tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn add(&self, at: &str, data: RData) -> &Self {
        self.zone.lock().unwrap().records.entry((name(at), data.record_type())).or_default().push(data);
        self
    }

    pub(crate) fn address_of(&self, at: &str, address: &str) -> &Self {
        let data = match address.parse::<IpAddr>().unwrap() {
            IpAddr::V4(v4) => RData::A(v4.into()),
            IpAddr::V6(v6) => RData::AAAA(v6.into()),
        };
        self.add(at, data)
    }

    pub(crate) fn alias(&self, at: &str, target: &str) -> &Self {
        self.add(at, RData::CNAME(CNAME(name(target))))
    }

    /// To a target of any octets.
    pub(crate) fn odd_alias(&self, at: &str, target: &[&[u8]]) -> &Self {
        self.add(at, RData::CNAME(CNAME(Name::from_labels(target.iter().copied()).unwrap())))
    }

    pub(crate) fn caa(&self, at: &str, flags: u8, tag: &str, value: &[u8]) -> &Self {
        let mut caa = CAA::new_issue(flags & 128 != 0, None, Vec::new());
        // Not by the constructors, which refuse what a hostile zone may hold.
        caa.tag = tag.to_owned();
        caa.value = value.to_vec();
        self.add(at, RData::CAA(caa))
    }

    /// A zone whose only server is this one.
    pub(crate) fn zone(&self, apex: &str) -> &Self {
        let server = format!("ns.{apex}");
        self.zone.lock().unwrap().apexes.insert(name(apex));
        self.add(apex, RData::SOA(SOA::new(name(&server), name("admin.invalid"), 1, 60, 60, 60, 3600)));
        self.add(apex, RData::NS(NS(name(&server))));
        self.address_of(&server, "127.0.0.1")
    }

    pub(crate) fn mood(&self, at: &str, record_type: RecordType, mood: Mood) -> &Self {
        self.zone.lock().unwrap().moods.insert((name(at), record_type), mood);
        self
    }

    pub(crate) fn truncate_udp(&self) -> &Self {
        self.zone.lock().unwrap().truncate_udp = true;
        self
    }

    /// Takes updates signed with this key; answers are signed with it too.
    pub(crate) fn key(&self, key: TSigner) -> &Self {
        let mut zone = self.zone.lock().unwrap();
        zone.sign_with = Some(key.clone());
        zone.key = Some(key);
        drop(zone);
        self
    }

    /// Signs answers with another key (or not at all) than updates are taken with.
    pub(crate) fn sign_with(&self, key: Option<TSigner>) -> &Self {
        self.zone.lock().unwrap().sign_with = key;
        self
    }

    pub(crate) fn texts(&self, at: &str) -> Vec<String> {
        let zone = self.zone.lock().unwrap();
        let found = zone.records.get(&(name(at), RecordType::TXT)).into_iter().flatten();
        found
            .map(|data| if let RData::TXT(txt) = data { text_of(txt) } else { unreachable!("only TXT there") })
            .collect()
    }

    pub(crate) fn add_text(&self, at: &str, value: &str) -> &Self {
        self.add(at, RData::TXT(TXT::new(vec![value.to_owned()])))
    }

    /// How often the records of a name were asked for.
    pub(crate) fn questions(&self, at: &str, record_type: RecordType) -> usize {
        let asked = (name(at), record_type);
        self.zone.lock().unwrap().questions.iter().filter(|known| **known == asked).count()
    }

    pub(crate) fn updates(&self) -> usize {
        self.zone.lock().unwrap().updates
    }
}

fn text_of(txt: &TXT) -> String {
    String::from_utf8(txt.txt_data.concat()).unwrap()
}

async fn serve_udp(socket: UdpSocket, zone: Arc<Mutex<Zone>>) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let reply = zone.lock().unwrap().reply(&buffer[..length], Transport::Udp);
        if let Some(reply) = reply {
            socket.send_to(&reply, peer).await.unwrap();
        }
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Mutex<Zone>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve_connection(stream, Arc::clone(&zone)));
    }
}

async fn serve_connection(mut stream: TcpStream, zone: Arc<Mutex<Zone>>) {
    while let Ok(length) = stream.read_u16().await {
        let mut buffer = vec![0; usize::from(length)];
        if stream.read_exact(&mut buffer).await.is_err() {
            return;
        }
        let reply = zone.lock().unwrap().reply(&buffer, Transport::Tcp);
        if let Some(reply) = reply {
            let framed = [&(reply.len() as u16).to_be_bytes()[..], &reply].concat();
            if stream.write_all(&framed).await.is_err() {
                return;
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

impl Zone {
    fn reply(&mut self, bytes: &[u8], transport: Transport) -> Option<Vec<u8>> {
        let request = Message::from_vec(bytes).ok()?;
        if request.metadata.op_code == OpCode::Update {
            return Some(self.update(&request, bytes));
        }
        let query = request.queries.first()?.clone();
        let asked = query.name().to_lowercase();
        self.questions.push((asked.clone(), query.query_type()));
        let mut reply = Message::response(request.metadata.id, OpCode::Query);
        reply.add_query(query.clone());
        reply.metadata.authoritative = true;
        reply.metadata.recursion_available = true;
        match self.moods.get(&(asked.clone(), query.query_type())) {
            Some(Mood::Silent) => return None,
            Some(Mood::Garbage) => return Some(vec![0xff; 24]),
            Some(Mood::Code(code)) => reply.metadata.response_code = *code,
            None => self.answer(&mut reply, &asked, query.query_type()),
        }
        if transport == Transport::Udp && self.truncate_udp {
            reply.metadata.truncation = true;
            reply.answers.clear();
        }
        Some(reply.to_vec().unwrap())
    }

    fn answer(&self, reply: &mut Message, asked: &Name, record_type: RecordType) {
        let mut current = asked.clone();
        for _ in 0..20 {
            let found = self.records.get(&(current.clone(), record_type)).cloned().unwrap_or_default();
            if !found.is_empty() {
                reply.add_answers(found.into_iter().map(|data| Record::from_rdata(current.clone(), 300, data)));
                return;
            }
            let Some(RData::CNAME(target)) =
                self.records.get(&(current.clone(), RecordType::CNAME)).and_then(|found| found.first()).cloned()
            else {
                break;
            };
            reply.add_answer(Record::from_rdata(current, 300, RData::CNAME(target.clone())));
            current = target.0;
        }
        if !self.records.keys().any(|(known, _)| current.zone_of(known)) {
            reply.metadata.response_code = ResponseCode::NXDomain;
        }
        if let Some(apex) =
            self.apexes.iter().filter(|apex| apex.zone_of(&current)).max_by_key(|apex| apex.num_labels())
            && let Some(soa) = self.records.get(&(apex.clone(), RecordType::SOA)).and_then(|found| found.first())
        {
            reply.add_authority(Record::from_rdata(apex.clone(), 3600, soa.clone()));
        }
    }

    /// RFC 2136 section 3, as far as TXT records go; RFC 8945 section 5.2.
    fn update(&mut self, request: &Message, bytes: &[u8]) -> Vec<u8> {
        self.updates += 1;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let id = request.metadata.id;
        let mut reply = Message::response(id, OpCode::Update);
        reply.add_queries(request.queries.clone());
        let verified = self.key.as_ref().and_then(|key| key.verify_message_byte(bytes, None, true).ok());
        let Some((mac, ..)) = verified else {
            reply.metadata.response_code = ResponseCode::NotAuth;
            if let Some(key) = &self.key {
                let context = TSigResponseContext::bad_signature(id, now, key.clone());
                reply.set_signature(context.sign(&reply.to_vec().unwrap()).unwrap());
            }
            return reply.to_vec().unwrap();
        };
        let is_ours = request.queries.first().is_some_and(|zone| self.apexes.contains(&zone.name().to_lowercase()));
        if is_ours {
            request.authorities.iter().for_each(|record| self.apply(record));
        } else {
            reply.metadata.response_code = ResponseCode::NotZone;
        }
        if let Some(key) = &self.sign_with {
            let context = TSigResponseContext::new(id, now, key.clone(), mac, None);
            reply.set_signature(context.sign(&reply.to_vec().unwrap()).unwrap());
        }
        reply.to_vec().unwrap()
    }

    fn apply(&mut self, record: &Record) {
        let at = self.records.entry((record.name.to_lowercase(), record.record_type())).or_default();
        match record.dns_class {
            DNSClass::NONE => at.retain(|known| *known != record.data),
            DNSClass::ANY => at.clear(),
            _ if at.contains(&record.data) => {}
            _ => at.push(record.data.clone()),
        }
        if at.is_empty() {
            self.records.remove(&(record.name.to_lowercase(), record.record_type()));
        }
    }
}
