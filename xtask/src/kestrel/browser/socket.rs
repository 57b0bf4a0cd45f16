//! [`Socket`]: a WebSocket of the page, as the events of DevTools tell its life.

use serde_json::Value;

use super::Event;

/// A WebSocket that the page opened.
pub(in crate::kestrel) struct Socket {
    /// Its URL.
    pub(in crate::kestrel) url: String,
    /// The status of the handshake's answer, when it is there.
    pub(in crate::kestrel) status: Option<u64>,
    /// Frames that the page has sent.
    pub(in crate::kestrel) sent: usize,
    /// Frames that came.
    pub(in crate::kestrel) received: usize,
    /// Has it been closed?
    pub(in crate::kestrel) closed: bool,
}

/// The WebSockets in those events, in the order in which they were opened.
pub(in crate::kestrel) fn sockets(events: &[Event]) -> Vec<Socket> {
    let mut sockets: Vec<(Value, Socket)> = Vec::new();
    for Event { method, params } in events {
        let id = &params["requestId"];
        if method == "Network.webSocketCreated" {
            let url = params["url"].as_str().unwrap_or_default().to_owned();
            sockets.push((id.clone(), Socket { url, status: None, sent: 0, received: 0, closed: false }));
        }
        let Some((_, socket)) = sockets.iter_mut().find(|(known, _)| known == id) else { continue };
        match method.as_str() {
            "Network.webSocketHandshakeResponseReceived" => socket.status = params["response"]["status"].as_u64(),
            "Network.webSocketFrameSent" => socket.sent += 1,
            "Network.webSocketFrameReceived" => socket.received += 1,
            "Network.webSocketClosed" => socket.closed = true,
            _ => {}
        }
    }
    sockets.into_iter().map(|(_, socket)| socket).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sockets_are_told_apart() {
        let event = |method: &str, params: Value| Event { method: format!("Network.{method}"), params };
        let events = [
            event("webSocketCreated", json!({"requestId": "1", "url": "wss://a.test/x"})),
            event("webSocketCreated", json!({"requestId": "2", "url": "wss://a.test/y"})),
            event("webSocketHandshakeResponseReceived", json!({"requestId": "2", "response": {"status": 101}})),
            event("webSocketFrameSent", json!({"requestId": "2"})),
            event("webSocketFrameReceived", json!({"requestId": "2"})),
            event("webSocketClosed", json!({"requestId": "1"})),
        ];
        let all = sockets(&events);
        let shown: Vec<_> = all.iter().map(|s| (s.url.as_str(), s.status, s.sent, s.received, s.closed)).collect();
        assert_eq!(shown, [("wss://a.test/x", None, 0, 0, true), ("wss://a.test/y", Some(101), 1, 1, false)]);
    }
}
