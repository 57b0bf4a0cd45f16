//! [`hold`]: runs a table of cases against one gateway, in the clear and over TLS, one connection each.

use std::{collections::HashSet, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split},
    net::TcpStream,
    time::timeout,
};
use vestibule_testkit::{Gateway, Site};

use super::case::{Case, Outcome, Transport};
use crate::recorder::{Arrival, Recorder};

/// Far beyond what a case takes; it ends a case that hangs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Every case of the table has its one allowed outcome, over both transports.
pub(super) async fn hold(cases: Vec<Case>) {
    let names: HashSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "each case has a name of its own");
    let recorder = Recorder::start().await;
    let site = Site::new("a.test").upstream(recorder.address()).line("redirect_to_https: false");
    let gateway = Gateway::builder().workers(1).site("a.yaml", &site).start().await;
    let mut failures = Vec::new();
    for transport in [Transport::Clear, Transport::Tls] {
        for case in cases.iter().filter(|case| case.only.is_none_or(|only| only == transport)) {
            if let Err(why) = run(&gateway, &recorder, case, transport).await {
                failures.push(format!(
                    "{transport:?}, {}:\n    {why}\n    sent {}",
                    case.name,
                    case.bytes.escape_ascii()
                ));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

async fn run(gateway: &Gateway, recorder: &Recorder, case: &Case, transport: Transport) -> Result<(), String> {
    let received = match transport {
        Transport::Clear => converse(TcpStream::connect(gateway.http()).await.unwrap(), &case.bytes).await,
        Transport::Tls => converse(gateway.tls("a.test").await, &case.bytes).await,
    };
    let arrived = recorder.take();
    let received = received.ok_or("the connection did not end")?;
    let answers = answers(&received, case).map_err(|why| format!("{why} in {}", received.escape_ascii()))?;
    let mut wanted_answers = Vec::new();
    let mut wanted_arrivals = Vec::new();
    for outcome in &case.expected {
        wanted_answers.push(match (outcome, transport) {
            (Outcome::Reaches(wanted), _) => {
                wanted_arrivals.push(wanted.arrival(transport));
                "ok"
            }
            (Outcome::Refused(word), _) => word,
            (Outcome::Foreign, Transport::Clear) => "http/1.1 400 bad request",
            (Outcome::Foreign, Transport::Tls) => "bad_request",
            (Outcome::Elsewhere, Transport::Clear) => "unknown_host",
            (Outcome::Elsewhere, Transport::Tls) => "misdirected",
        });
    }
    if answers != wanted_answers {
        return Err(format!("answered {answers:?}, wanted {wanted_answers:?}; arrived {arrived:?}"));
    }
    let arrived: Vec<Arrival> =
        arrived.into_iter().collect::<Result<_, _>>().map_err(|why| format!("breach: {why}"))?;
    let arrived: Vec<Arrival> = arrived.into_iter().map(Arrival::without_id).collect();
    if arrived != wanted_arrivals {
        return Err(format!("arrived {arrived:?}\n    wanted  {wanted_arrivals:?}"));
    }
    Ok(())
}

/// Sends all and reads all, to the end of the connection.
async fn converse<S: AsyncRead + AsyncWrite>(stream: S, bytes: &[u8]) -> Option<Vec<u8>> {
    let (mut reader, mut writer) = split(stream);
    let write = async {
        // A gateway that has refused may stop reading.
        let _ = writer.write_all(bytes).await;
        let _ = writer.flush().await;
    };
    let read = async {
        let mut received = Vec::new();
        // Closed without a close_notify is an error of the TLS stream; what came before counts.
        let _ = reader.read_to_end(&mut received).await;
        received
    };
    timeout(PATIENCE, async { tokio::join!(write, read).1 }).await.ok()
}

/// `ok` for what the backend answered, the code word for what the gateway answered.
fn answers(mut received: &[u8], case: &Case) -> Result<Vec<String>, String> {
    let mut answers = Vec::new();
    while !received.is_empty() {
        let end = received.windows(4).position(|window| window == b"\r\n\r\n").ok_or("a head without its end")? + 4;
        let head = String::from_utf8_lossy(&received[..end]).to_lowercase();
        received = &received[end..];
        if head.starts_with("http/1.1 100 ") {
            continue;
        }
        let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length: ")).ok_or("no length")?;
        let length: usize = length.parse().map_err(|_| "a bad length")?;
        let bodiless = case.bytes.starts_with(b"HEAD ") && answers.is_empty();
        let body = received.get(..if bodiless { 0 } else { length }).ok_or("a body that is cut")?;
        received = &received[body.len()..];
        let text = String::from_utf8_lossy(body);
        answers.push(match text.trim_end().rsplit_once('\n') {
            _ if head.starts_with("http/1.1 200 ") || head.starts_with("http/1.0 200 ") => "ok".to_owned(),
            Some((_, last)) => last.split(',').next().unwrap_or_default().to_owned(),
            None => head.lines().next().unwrap_or_default().to_owned(),
        });
    }
    Ok(answers)
}
