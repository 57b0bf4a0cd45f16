use super::*;

fn gate(side: Side) -> Gate {
    Gate::new(side, Limits { head: 1024, fields: 16, target: 256 }, |_| false)
}

/// Feeds a stream in pieces; says what passed, and the fault that ended it.
fn through(gate: &mut Gate, text: &[u8], size: usize) -> (Vec<u8>, Option<Fault>) {
    let (mut passed, mut come) = (0, 0);
    loop {
        match gate.admit(&text[passed..come]) {
            Ok(0) if come == text.len() => return (text[..passed].to_vec(), None),
            Ok(0) => come = (come + size).min(text.len()),
            Ok(taken) => passed += taken,
            Err(fault) => return (text[..passed].to_vec(), Some(fault)),
        }
    }
}

#[test]
fn a_pipeline_passes_up_to_the_first_fault() {
    let good = "POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabcPOST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n\
                2\r\nhi\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
    let bad = "GET / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n";
    for size in [1, 3, 1000] {
        let mut gate = gate(Side::Requests);
        let text = format!("{good}{bad}GET /after HTTP/1.1\r\n\r\n");
        let (passed, fault) = through(&mut gate, text.as_bytes(), size);
        assert_eq!(String::from_utf8(passed).unwrap(), good);
        assert_eq!(fault, Some(Fault::BothLengths));
        assert_eq!(gate.admit(b"GET / HTTP/1.1\r\n\r\n"), Err(Fault::BothLengths), "shut for good");
    }
}

#[test]
fn an_upgrade_waits_for_its_answer() {
    let head = b"GET / HTTP/1.1\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\r\n";
    let mut confirmed = gate(Side::Requests);
    let mut text = head.to_vec();
    text.extend(b"\x81\x05hello");
    assert_eq!(through(&mut confirmed, &text, 1000), (head.to_vec(), None));
    assert!(confirmed.is_undecided());
    let mut refused = confirmed.clone();
    confirmed.open();
    assert_eq!(confirmed.admit(b"\x81\x05hello"), Ok(7));
    refused.stay();
    assert_eq!(refused.admit(b"\x81\x05hello\r\n\r\n"), Err(Fault::RequestLine));
}

#[test]
fn responses_end_where_their_request_says() {
    let text = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc";
    let mut gate = gate(Side::Responses);
    gate.expect_response(false);
    assert_eq!(through(&mut gate, text, 1), (text.to_vec(), None));
    assert!(gate.is_between());
    gate.expect_response(true);
    let (passed, fault) = through(&mut gate, text, 1);
    let expected = (text.len() - 3, Some(Fault::StatusLine));
    assert_eq!((passed.len(), fault), expected, "a body where none may be does not pass");
}
