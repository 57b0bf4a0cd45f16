//! A backend that stops at every byte of a response: the client sees the cut, or a 502, and never a clean end.

use super::rig::{Origin, Plan, run, status};

const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/// What the client gets when the backend says only the first `cut` bytes.
async fn cut_at(response: &str, cut: usize) -> String {
    let origin = Origin::tcp().await;
    let gate = Plan::to([origin.addr.clone()]).open().await;
    let (_, answer) = tokio::join!(origin.serve_once(&response[..cut]), gate.ask(GET));
    answer
}

#[test]
fn a_response_with_a_length_is_never_cut_unnoticed() {
    run(async {
        let response = "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world";
        let head = response.find("\r\n\r\n").unwrap() + 4;
        for cut in 0..response.len() {
            let answer = cut_at(response, cut).await;
            if cut < head {
                assert_eq!(status(&answer), 502, "cut at {cut}: {answer}");
                continue;
            }
            assert_eq!(status(&answer), 200);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.to_ascii_lowercase().contains("content-length: 11"), "{head}");
            assert!(body.len() < 11, "cut at {cut}: {body:?}");
            assert!("hello world".starts_with(body));
        }
        assert!(cut_at(response, response.len()).await.ends_with("\r\n\r\nhello world"));
    });
}

#[test]
fn a_chunked_response_is_never_cut_unnoticed() {
    run(async {
        let response = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nx: y\r\n\r\n";
        let head = response.find("\r\n\r\n").unwrap() + 4;
        for cut in 0..response.len() {
            let answer = cut_at(response, cut).await;
            if cut < head {
                assert_eq!(status(&answer), 502, "cut at {cut}: {answer}");
                continue;
            }
            assert_eq!(status(&answer), 200);
            assert!(!answer.ends_with("0\r\n\r\n"), "cut at {cut}: {answer}");
        }
        assert!(cut_at(response, response.len()).await.ends_with("\r\nhello world\r\n0\r\n\r\n"));
    });
}

#[test]
fn malformed_chunks_are_a_cut() {
    run(async {
        for chunk in ["zz\r\n", "5\r\nhelloX", "-1\r\n", "5\r\nhello\n5\r\n", "ffffffffffffffffff\r\n"] {
            let response = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n{chunk}");
            let answer = cut_at(&response, response.len()).await;
            assert_eq!(status(&answer), 200);
            assert!(!answer.ends_with("0\r\n\r\n"), "{chunk:?}: {answer}");
        }
    });
}
