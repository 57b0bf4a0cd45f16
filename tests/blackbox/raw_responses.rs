//! Promise: what a backend says has one reading, or it is a 502, or a cut that the client sees; and never a part of the
//! next answer on the same connection. Raw bytes of backends, over HTTP/1.1 and HTTP/2 of clients.

mod case;
mod speaker;

use vestibule_testkit::{Connection, Gateway, Protocol, Site, client};

use case::{Case, Outcome, bodies, heads, interims, lengths, surpluses};
use speaker::Speaker;

/// Every case of the table has its one allowed outcome; the next answer is the right one.
async fn hold(cases: Vec<Case>) {
    let speaker = Speaker::start(cases.iter().map(|case| (case.bytes.clone(), case.after)).collect()).await;
    let site = Site::new("a.test").upstream(speaker.address());
    // One worker, so that the next request finds the connection of the one before.
    let gateway = Gateway::builder().workers(1).site("a.yaml", &site).start().await;
    let mut failures = Vec::new();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for (number, case) in cases.iter().enumerate() {
            let path = format!("/{number}");
            let got = ask(&mut gateway.connect("a.test", protocol).await, case.method, &path).await;
            let next = ask(&mut gateway.connect("a.test", protocol).await, "GET", "/canary").await;
            if got != case.expected || next != Outcome::Body("canary".to_owned()) {
                let said = case.bytes.escape_ascii();
                failures.push(format!("{protocol:?}, {}:\n    {got:?}, then {next:?}\n    said {said}", case.name));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), 2 * cases.len(), failures.join("\n"));
}

async fn ask(connection: &mut Connection, method: &str, path: &str) -> Outcome {
    let request = connection.request(path).method(method).body(client::no_body()).unwrap();
    match connection.answer(request).await {
        Err(_) => Outcome::Cut,
        // A page to HEAD has no words.
        Ok(answer) if answer.status == 502 && method == "HEAD" => Outcome::Invalid,
        Ok(answer) if answer.status == 502 && answer.text().contains("upstream_invalid") => Outcome::Invalid,
        Ok(answer) if answer.status == 502 => Outcome::Other(answer.text()),
        Ok(answer) => Outcome::Body(answer.text()),
    }
}

#[test]
fn no_table_has_lost_its_cases() {
    let all = [heads(), lengths(), bodies(), interims(), surpluses()].concat();
    assert!(all.len() >= 120, "{}", all.len());
}

#[tokio::test]
async fn a_malformed_head_is_a_502() {
    hold(heads()).await;
}

#[tokio::test]
async fn a_length_that_is_not_said_once_in_one_way_is_a_502() {
    hold(lengths()).await;
}

#[tokio::test]
async fn a_malformed_body_is_a_cut() {
    hold(bodies()).await;
}

#[tokio::test]
async fn interim_responses_and_unasked_switches_stay_in_their_place() {
    hold(interims()).await;
}

#[tokio::test]
async fn what_follows_the_end_of_a_response_is_nobodys_answer() {
    hold(surpluses()).await;
}
