//! The client against a peer of a few lines on a real socket: it answers each connection with the next canned response.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    thread::JoinHandle,
};

use serde_json::{Value, json};

use super::*;

/// A folder of this test's own.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("vestibule-admin-{name}-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Answers the client's probe, then one connection per response; tells the request lines it saw.
fn peer(folder: &Folder, responses: Vec<String>) -> (PathBuf, JoinHandle<Vec<String>>) {
    let socket = folder.0.join("admin.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let serve = move || {
        let mut seen = Vec::new();
        drop(listener.accept().unwrap());
        for response in responses {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
                head.push(byte[0]);
            }
            seen.push(String::from_utf8(head).unwrap().lines().next().unwrap().to_owned());
            stream.write_all(response.as_bytes()).unwrap();
        }
        seen
    };
    (socket, std::thread::spawn(serve))
}

fn response(status: &str, body: &Value) -> String {
    let body = body.to_string();
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
}

#[derive(serde::Deserialize)]
struct Numbers {
    numbers: Vec<u32>,
    next: Option<String>,
}

fn numbers(client: &AdminClient) -> Result<Vec<u32>, AdminError> {
    client.all("/v1/numbers", |page: Numbers| Page { rows: page.numbers, next: page.next })
}

#[test]
fn every_page_is_asked_for_with_the_place_escaped() {
    let folder = Folder::new("pages");
    let (socket, peer) = peer(
        &folder,
        vec![
            response("200 OK", &json!({"numbers": [1, 2], "next": "shop/a&b.yaml"})),
            response("200 OK", &json!({"numbers": [3], "next": null})),
        ],
    );
    assert_eq!(numbers(&AdminClient::at(vec![socket]).unwrap()).unwrap(), [1, 2, 3]);
    assert_eq!(
        peer.join().unwrap(),
        ["GET /v1/numbers?limit=500 HTTP/1.1", "GET /v1/numbers?limit=500&after=shop%2Fa%26b.yaml HTTP/1.1"]
    );
}

#[test]
fn pages_in_a_circle_come_to_an_end() {
    let folder = Folder::new("circle");
    let page = response("200 OK", &json!({"numbers": [1], "next": "a"}));
    let (socket, peer) = peer(&folder, vec![page.clone(), page]);
    assert!(matches!(numbers(&AdminClient::at(vec![socket]).unwrap()), Err(AdminError::Circle { .. })));
    peer.join().unwrap();
}

#[test]
fn a_refusal_is_told_in_the_gateways_words() {
    let check = |name: &str, status: &str, body: Value, exit: Exit, told: &str| {
        let folder = Folder::new(name);
        let (socket, peer) = peer(&folder, vec![response(status, &body)]);
        let error = AdminClient::at(vec![socket]).unwrap().get::<Value>("/v1/explain", &[("url", "x y")]).unwrap_err();
        assert_eq!((error.exit(), error.to_string().as_str()), (exit, told));
        assert_eq!(peer.join().unwrap(), ["GET /v1/explain?url=x+y HTTP/1.1"]);
    };
    check("bad", "400 Bad Request", json!({"error": "no URL"}), Exit::DATA, "the gateway says: no URL");
    check("denied", "403 Forbidden", json!({"error": "not you"}), Exit::NO_PERMISSION, "the gateway says: not you");
    check(
        "busy",
        "503 Service Unavailable",
        json!("?"),
        Exit::UNAVAILABLE,
        "the gateway says: 503 Service Unavailable",
    );
}

#[test]
fn what_changes_something_is_posted() {
    let folder = Folder::new("post");
    let (socket, peer) = peer(
        &folder,
        vec![
            response("200 OK", &json!({"issuance": "0000000001-a.test"})),
            response("409 Conflict", &json!({"error": "no site has a name of this certificate"})),
        ],
    );
    let client = AdminClient::at(vec![socket]).unwrap();
    let answer: Value = client.order("/v1/certs/renew", &[("host", "*.a.test")]).unwrap();
    assert_eq!(answer["issuance"], "0000000001-a.test");
    let refused = client.hand_in::<Value>("/v1/certs/import", &json!({"chain": "", "key": ""})).unwrap_err();
    assert!(matches!(refused, AdminError::Refused { status: StatusCode::CONFLICT, .. }), "{refused:?}");
    assert_eq!(peer.join().unwrap(), ["POST /v1/certs/renew?host=*.a.test HTTP/1.1", "POST /v1/certs/import HTTP/1.1"]);
}

#[test]
fn what_is_no_answer_is_an_error_and_not_a_wait() {
    let check = |name: &str, response: &str, exit: Exit| {
        let folder = Folder::new(name);
        let (socket, peer) = peer(&folder, vec![response.to_owned()]);
        let error = AdminClient::at(vec![socket]).unwrap().get::<Numbers>("/v1/numbers", &[]).map(|_| ()).unwrap_err();
        assert_eq!(error.exit(), exit, "{error:?}");
        peer.join().unwrap();
    };
    check("garbage", "what?\r\n\r\n", Exit::IO);
    check("cut", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", Exit::IO);
    check("other", &response("200 OK", &json!({"letters": []})), Exit::IO);
    check("huge", &format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", ANSWER_LIMIT + 1), Exit::IO);
}

#[test]
fn nobody_there_is_unavailable() {
    let folder = Folder::new("nobody");
    let error = AdminClient::at(vec![folder.0.join("admin.sock")]).map(|_| ()).unwrap_err();
    assert_eq!(error.exit(), Exit::UNAVAILABLE);
    // A socket file that a killed gateway left behind.
    let stale = folder.0.join("stale.sock");
    drop(UnixListener::bind(&stale).unwrap());
    assert_eq!(AdminClient::at(vec![stale]).map(|_| ()).unwrap_err().exit(), Exit::UNAVAILABLE);
}

#[test]
fn a_place_that_was_named_is_the_only_one_asked() {
    let surroundings =
        Surroundings { standing: Standing::User, xdg_state_home: Some("/x".into()), home: Some("/home/ann".into()) };
    let check = |state: Option<&str>, socket: Option<&str>, expected: &[&str]| {
        let flags = ReachFlags { state: state.map(PathBuf::from), socket: socket.map(PathBuf::from) };
        let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
        assert_eq!(sockets(&flags, &surroundings), expected);
    };
    check(Some("/s"), None, &["/s/admin.sock"]);
    check(None, Some("/run/v.sock"), &["/run/v.sock"]);
    check(None, None, &["/x/vestibule/admin.sock", "/var/lib/vestibule/admin.sock", "/run/vestibule/admin.sock"]);
}
