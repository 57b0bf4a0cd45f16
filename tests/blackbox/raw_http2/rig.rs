//! [`hold`]: runs a table of cases against one gateway over TLS, one connection each.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use vestibule_testkit::{Gateway, Site};

use super::{
    case::{CANARY, Case, Outcome, Start, canary, got},
    frame::{
        ACK, DATA, END_STREAM, GOAWAY, HEADERS, PING, PREFACE, RST_STREAM, Received, SETTINGS, frame, settings, status,
    },
};
use crate::recorder::{Arrival, Recorder, Transport, Wanted};

/// Far beyond what a case takes; it ends a case that hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Every case of the table has its one allowed outcome.
pub(super) async fn hold(cases: Vec<Case>) {
    let names: HashSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "each case has a name of its own");
    let recorder = Recorder::start().await;
    let site = Site::new("a.test").upstream(recorder.address());
    let gateway = Gateway::builder().workers(1).site("a.yaml", &site).start().await;
    let mut failures = Vec::new();
    for case in &cases {
        if let Err(why) = run(&gateway, &recorder, case).await {
            failures.push(format!("{}:\n    {why}", case.name));
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

async fn run(gateway: &Gateway, recorder: &Recorder, case: &Case) -> Result<(), String> {
    let mut client = Client::connect(gateway).await;
    let finished = timeout(PATIENCE, converse(&mut client, case)).await;
    let seen = client.seen;
    finished.map_err(|_| format!("it hangs; seen {seen:?}"))?;
    let arrived = recorder.take();
    check_frames(&seen, case)?;
    let arrived: Vec<Arrival> =
        arrived.into_iter().collect::<Result<_, _>>().map_err(|why| format!("breach: {why}"))?;
    check_arrivals(arrived.into_iter().map(Arrival::without_id).collect(), case)
}

/// Sends all, part by part, and reads until the canary is answered or the connection has ended.
async fn converse(client: &mut Client, case: &Case) {
    if case.start == Start::Orderly {
        // Answers that use no dynamic table can be read without one.
        client.send(&[PREFACE, &settings(&[(1, 0)])].concat()).await;
        client.read_until(|seen| seen.settings > 0).await;
        client.send(&frame(SETTINGS, ACK, 0, [])).await;
    }
    let last = case.parts.len() - 1;
    for part in &case.parts[..last] {
        client.send(part).await;
        client.read_until(|seen| seen.answers.get(&1).is_some_and(|answer| answer.ended)).await;
    }
    client.send(&[&case.parts[last][..], &canary()].concat()).await;
    client.read_until(|seen| seen.has_all(case)).await;
    if client.seen.goaway.is_some_and(|code| code != 0) {
        let _ = client.stream.shutdown().await; // it lingers for our end
        client.read_until(|_| false).await;
    }
}

/// What the gateway has said on a connection.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) settings: usize,
    pub(super) pongs: Vec<Vec<u8>>,
    pub(super) resets: BTreeMap<u32, u32>,
    pub(super) answers: BTreeMap<u32, Answer>,
    pub(super) goaway: Option<u32>,
    pub(super) ended: bool,
}

/// What came on one stream.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    pub(super) ended: bool,
}

impl Answer {
    /// The code word of a page of the gateway's, or all there is.
    fn word(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let last = text.trim_end().rsplit('\n').next().unwrap_or_default();
        last.split(',').next().unwrap_or_default().to_owned()
    }
}

impl Seen {
    fn note(&mut self, frame: Received) {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => self.settings += 1,
            PING if frame.flags & ACK != 0 => self.pongs.push(frame.payload),
            RST_STREAM => drop(self.resets.insert(frame.stream, frame.number(0))),
            GOAWAY => self.goaway = Some(frame.number(4)),
            HEADERS | DATA => {
                let answer = self.answers.entry(frame.stream).or_default();
                answer.ended = frame.flags & END_STREAM != 0;
                match (frame.kind, status(&frame.payload)) {
                    (HEADERS, Some(status)) => answer.status = status,
                    _ => answer.body.extend(frame.payload),
                }
            }
            _ => {}
        }
    }

    /// Is there nothing more to come?
    fn has_all(&self, case: &Case) -> bool {
        self.goaway.is_some_and(|code| code != 0)
            || self.answers.get(&CANARY).is_some_and(|answer| answer.ended)
                && case.expected.iter().all(|outcome| match outcome {
                    Outcome::Answered(stream, ..) | Outcome::Reaches(stream, _) => {
                        self.answers.get(stream).is_some_and(|answer| answer.ended)
                    }
                    // What these say comes before the answer to the canary, or not at all.
                    Outcome::Resets(..) | Outcome::Pongs(_) | Outcome::Dies(_) | Outcome::Closes => true,
                })
    }
}

/// One end of a connection, which remembers what it was told.
pub(super) struct Client {
    stream: TlsStream<TcpStream>,
    held: Vec<u8>,
    pub(super) seen: Seen,
}

impl Client {
    pub(super) async fn connect(gateway: &Gateway) -> Self {
        let stream = gateway.trust().connect(gateway.https(), "a.test", &[b"h2"]).await.unwrap();
        Self { stream, held: Vec::new(), seen: Seen::default() }
    }

    /// A gateway that has refused may stop reading.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    pub(super) async fn read_until(&mut self, enough: impl Fn(&Seen) -> bool) {
        while !enough(&self.seen) && !self.seen.ended {
            // Closed without a close_notify is an error of the TLS stream; what came before counts.
            self.seen.ended = !matches!(self.stream.read_buf(&mut self.held).await, Ok(1..));
            while let Some(frame) = Received::take(&mut self.held) {
                self.seen.note(frame);
            }
        }
    }
}

fn check_frames(seen: &Seen, case: &Case) -> Result<(), String> {
    let mut resets = BTreeMap::new();
    let mut answers = BTreeMap::new();
    let (mut goaway, mut pongs) = (None, Vec::new());
    let mut ends = false;
    for outcome in &case.expected {
        match outcome {
            Outcome::Dies(code) => (goaway, ends) = (Some(*code), true),
            Outcome::Closes => ends = true,
            Outcome::Resets(stream, code) => drop(resets.insert(*stream, *code)),
            Outcome::Answered(stream, status, word) => drop(answers.insert(*stream, (*status, (*word).to_owned()))),
            Outcome::Reaches(stream, _) => drop(answers.insert(*stream, (200, "ok".to_owned()))),
            Outcome::Pongs(payload) => pongs.push(payload.to_vec()),
        }
    }
    if !ends {
        answers.insert(CANARY, (200, "ok".to_owned()));
    }
    let mut answered: BTreeMap<u32, (u16, String)> =
        seen.answers.iter().map(|(stream, answer)| (*stream, (answer.status, answer.word()))).collect();
    if case.may_arrive.is_some() && !answers.contains_key(&1) {
        answered.remove(&1);
    }
    let same =
        (seen.goaway, seen.ended, &seen.resets, &answered, &seen.pongs) == (goaway, ends, &resets, &answers, &pongs);
    if same {
        return Ok(());
    }
    Err(format!(
        "wanted GOAWAY {goaway:?}, end {ends}, resets {resets:?}, answers {answers:?}, pongs {pongs:?}\n    \
         got    GOAWAY {:?}, end {}, resets {:?}, answers {answered:?}, pongs {:?}",
        seen.goaway, seen.ended, seen.resets, seen.pongs
    ))
}

fn check_arrivals(mut arrived: Vec<Arrival>, case: &Case) -> Result<(), String> {
    let mut wanted: Vec<Arrival> = Vec::new();
    for outcome in &case.expected {
        if let Outcome::Reaches(_, request) = outcome {
            wanted.push(request.arrival(Transport::Tls));
        }
    }
    if !case.expected.iter().any(|outcome| matches!(outcome, Outcome::Dies(_) | Outcome::Closes)) {
        wanted.push(Wanted { line: "GET /canary HTTP/1.1".to_owned(), ..got(&[]) }.arrival(Transport::Tls));
    }
    if let Some(tolerated) = &case.may_arrive {
        let tolerated = tolerated.arrival(Transport::Tls);
        arrived.retain(|arrival| *arrival != tolerated || wanted.contains(arrival));
    }
    arrived.sort();
    wanted.sort();
    if arrived == wanted { Ok(()) } else { Err(format!("arrived {arrived:?}\n    wanted  {wanted:?}")) }
}
