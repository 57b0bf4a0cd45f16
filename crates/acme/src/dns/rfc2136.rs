//! DNS-01 by dynamic update (RFC 2136), signed with a shared key (TSIG, RFC 8945): the value is added beside others of the
//! same name, and taken away without touching them.
//!
//! An answer that says "done" counts only with a right signature. One that refuses needs none: nothing is built on it.

use std::{
    fmt,
    net::SocketAddr,
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use data_encoding::BASE64;
use hickory_proto::{
    op::{Message, OpCode, Query, ResponseCode, UpdateMessage},
    rr::{
        DNSClass, Name, RData, Record, RecordType, TSigner,
        rdata::{
            TXT,
            tsig::{TsigAlgorithm, TsigError},
        },
    },
};
use tokio::time::timeout;
use vestibule_certs::Vault;
use vestibule_names::TenantId;

use super::{
    authority,
    exchange::{Answer, Recursion, exchange, question},
    failed,
    lookup::{Lookups, code_word, shown},
    reach::Reach,
    secret,
    txt::Txt,
};
use crate::{
    failure::{Failure, FailureKind},
    printable::printable,
};

/// Of the record: long enough for every look of a CA, short enough not to stand in the way of the next one.
const RECORD_TTL: u32 = 60;
/// How far clocks may differ (RFC 8945 section 10 recommends it).
const FUDGE: u16 = 300;
/// Finding the zone and changing it, over all attempts.
const UPDATE_TIMEOUT: Duration = Duration::from_secs(45);
/// The only port to which a tenant may send us.
const DNS_PORT: u16 = 53;
/// Labels climbed in search of the zone.
const CLIMB_LIMIT: usize = 16;

/// What settings or a site say of a server.
pub(super) struct Access<'a> {
    pub(super) server: SocketAddr,
    pub(super) key_name: &'a str,
    pub(super) algorithm: &'a str,
    pub(super) key_file: &'a Path,
}

/// A server, and the key to one of its zones.
#[derive(Clone)]
pub(super) struct Updater {
    server: SocketAddr,
    signer: TSigner,
    zone: Name,
}

/// What is done with a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Add,
    Remove,
}

/// Adds the record; the answer takes it away again.
pub(super) async fn add(
    access: &Access<'_>,
    (vault, lookups): (&Vault, &Lookups),
    (whose, reach): (TenantId, Reach),
    txt: &Txt,
) -> Result<Updater, Failure> {
    let server = access.server;
    if !reach.allows(server.ip()) || (reach == Reach::Internet && server.port() != DNS_PORT) {
        return Err(wrong(format!(
            "the DNS server {server} may not be used by a site: only servers on the Internet at port {DNS_PORT}; ask the \
             operator to set it up as a provider"
        )));
    }
    let signer = signer(access, &secret::read(vault, access.key_file, whose).await?)?;
    let adding = async {
        let zone = find_zone(server, lookups, txt).await?;
        let updater = Updater { server, signer, zone };
        updater.change(Change::Add, txt).await?;
        Ok(updater)
    };
    timeout(UPDATE_TIMEOUT, adding).await.unwrap_or_else(|_| Err(silent(server, "it is too slow")))
}

/// The key as it signs.
fn signer(access: &Access<'_>, file: &[u8]) -> Result<TSigner, Failure> {
    let algorithm = match access.algorithm.to_ascii_lowercase().as_str() {
        "hmac-sha256" => TsigAlgorithm::HmacSha256,
        "hmac-sha384" => TsigAlgorithm::HmacSha384,
        "hmac-sha512" => TsigAlgorithm::HmacSha512,
        other => {
            let other = printable(other, 32);
            return Err(wrong(format!(
                "the TSIG algorithm `{other}` is not known: write hmac-sha256, hmac-sha384 or hmac-sha512"
            )));
        }
    };
    let name = Name::from_ascii(access.key_name).map_err(|_| {
        wrong(format!("`{}` is no name of a TSIG key: it is written as a host name", printable(access.key_name, 64)))
    })?;
    let path = access.key_file.display();
    let not_base64 =
        || wrong(format!("{path} holds no TSIG key: it must be base64, as tsig-keygen prints it after `secret`"));
    let key = BASE64.decode(file.trim_ascii()).map_err(|_| not_base64())?;
    if key.is_empty() {
        return Err(not_base64());
    }
    TSigner::new(key, algorithm, name.to_lowercase(), FUDGE)
        .map_err(|error| wrong(format!("{path} holds no TSIG key: {error}")))
}

/// The zone that must be changed, by what the server itself says; by the resolvers, when it answers only updates.
async fn find_zone(server: SocketAddr, lookups: &Lookups, txt: &Txt) -> Result<Name, Failure> {
    let mut current = txt.target.clone();
    for _ in 0..CLIMB_LIMIT {
        if current.is_root() {
            break;
        }
        let asked = exchange(server, &question(&current, RecordType::SOA, Recursion::None)).await;
        let answer = asked.map_err(|error| silent(server, &error.to_string()))?.message;
        if answer.metadata.response_code == ResponseCode::Refused {
            break;
        }
        let found = answer.answers.iter().chain(&answer.authorities).find(|record| {
            record.record_type() == RecordType::SOA && record.name.zone_of(&txt.target) && answer.metadata.authoritative
        });
        if let Some(record) = found {
            return Ok(record.name.clone());
        }
        current = current.base_name();
    }
    authority::zone_of(lookups, &txt.target).await.ok_or_else(|| {
        wrong(format!(
            "the DNS server {server} has no zone for {}: check `server`, and that the zone is there",
            txt.shown()
        ))
    })
}

impl Updater {
    /// Takes the record away again.
    pub(super) async fn remove(&self, txt: &Txt) -> Result<(), Failure> {
        let removing = self.change(Change::Remove, txt);
        timeout(UPDATE_TIMEOUT, removing).await.unwrap_or_else(|_| Err(silent(self.server, "it is too slow")))
    }

    async fn change(&self, change: Change, txt: &Txt) -> Result<(), Failure> {
        let mut request = self.message(change, txt);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let unsigned = |error: &dyn fmt::Display| wrong(format!("the DNS update cannot be signed: {error}"));
        let verifier = request.finalize(&self.signer, now).map_err(|error| unsigned(&error))?;
        let mut verifier = verifier.ok_or_else(|| unsigned(&"the key takes no part"))?;
        let answer = exchange(self.server, &request).await.map_err(|error| silent(self.server, &error.to_string()))?;
        if let Some(reason) = self.refusal(&answer, txt) {
            return Err(wrong(format!(
                "the DNS server {} does not take the update of {}: {reason}",
                self.server,
                txt.shown()
            )));
        }
        if !is_dated(&answer) || verifier.verify(&answer.bytes).is_err() {
            return Err(wrong(format!(
                "the answer of the DNS server {} to the update of {} is not signed with the key {}: somebody else may have \
                 sent it",
                self.server,
                txt.shown(),
                shown(self.signer.signer_name())
            )));
        }
        Ok(())
    }

    /// RFC 2136 sections 2.5.1 and 2.5.4.
    fn message(&self, change: Change, txt: &Txt) -> Message {
        let mut message = Message::query();
        message.metadata.op_code = OpCode::Update;
        message.add_zone(Query::query(self.zone.clone(), RecordType::SOA));
        let text = RData::TXT(TXT::new(vec![txt.value.clone()]));
        let mut record = Record::from_rdata(txt.target.clone(), RECORD_TTL, text);
        if change == Change::Remove {
            record.dns_class = DNSClass::NONE;
            record.ttl = 0;
        }
        message.add_update(record);
        message
    }

    /// Why the server does not want it, in words that say what to do.
    fn refusal(&self, answer: &Answer, txt: &Txt) -> Option<String> {
        let key = shown(self.signer.signer_name());
        match answer.message.signature().and_then(|signature| signature.data.error.as_ref()) {
            Some(TsigError::BadKey) => {
                return Some(format!("it does not know the key {key}, or not with this algorithm (BADKEY)"));
            }
            Some(TsigError::BadSig) => {
                return Some(format!("the secret of the key {key} is another one there (BADSIG)"));
            }
            Some(TsigError::BadTime) => {
                return Some("its clock and ours differ by more than five minutes (BADTIME)".to_owned());
            }
            Some(_) => return Some(format!("it finds fault with the signature of the key {key}")),
            None => {}
        }
        match answer.message.metadata.response_code {
            ResponseCode::NoError => None,
            ResponseCode::Refused => Some(format!(
                "the key {key} may not change {}: allow it in the zone's update policy (REFUSED)",
                txt.shown()
            )),
            ResponseCode::NotAuth => Some(format!(
                "it does not know the key {key}, or is no primary server of {} (NOTAUTH)",
                shown(&self.zone)
            )),
            code => Some(code_word(code)),
        }
    }
}

/// The library computes the window of time from what the answer says: it must not lie before time began.
fn is_dated(answer: &Answer) -> bool {
    let signature = answer.message.signature().map(|signature| &signature.data);
    signature.is_some_and(|tsig| tsig.time >= u64::from(tsig.fudge))
}

fn wrong(sentence: String) -> Failure {
    failed(FailureKind::Configuration, sentence)
}

fn silent(server: SocketAddr, reason: &str) -> Failure {
    failed(FailureKind::ValidationDns, format!("the DNS server {server} cannot be asked for an update: {reason}"))
}

/// Without the key.
impl fmt::Debug for Updater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Updater").field("server", &self.server).field("zone", &self.zone).finish_non_exhaustive()
    }
}
