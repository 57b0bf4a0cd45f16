//! Upstreams inside the test: [`HttpOrigin`] answers well, [`ScriptedOrigin`] sends and records exact bytes.

mod http;
mod listener;
mod scripted;

pub use http::HttpOrigin;
pub use listener::OriginAddr;
pub use scripted::{ScriptedOrigin, Step, always};

#[cfg(test)]
mod tests {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio::net::TcpStream;
    use tokio_tungstenite::tungstenite::Message;

    use super::*;
    use crate::{
        Connection,
        client::{no_body, websocket, whole},
    };

    fn tcp(origin: &impl ToString) -> std::net::SocketAddr {
        origin.to_string().parse().unwrap()
    }

    #[tokio::test]
    async fn an_http_origin_has_a_route_for_each_kind_of_exchange() {
        let origin = HttpOrigin::start_named("one").await;
        let mut client = Connection::clear(tcp(&origin), "a.test").await.unwrap();
        let echo = client.get("/echo?x=1").await.unwrap();
        assert_eq!((echo.header("x-origin"), echo.json()["target"].as_str()), (Some("one"), Some("/echo?x=1")));
        let sink = client.request("/sink").method("POST").body(whole("abc")).unwrap();
        let sink = client.answer(sink).await.unwrap().json();
        assert_eq!(sink["count"], 3);
        assert!(sink["sha256"].as_str().unwrap().starts_with("ba7816bf"), "{sink}");
        let count = client.request("/count").method("POST").body(whole("abcd")).unwrap();
        assert_eq!(client.answer(count).await.unwrap().text(), "4");
        assert_eq!(client.get("/bytes/100000").await.unwrap().body.len(), 100_000);
        let part = client.get("/whole/1000").await.unwrap();
        assert_eq!((part.body.len(), part.header("content-length")), (1_000, Some("1000")));
        let trailers = client.request("/trailers").header("te", "trailers").body(no_body()).unwrap();
        assert_eq!(client.answer(trailers).await.unwrap().trailers.unwrap()["x-checksum"], "42");
        assert_eq!(client.get("/status/204").await.unwrap().status, 204);
        let gate = tokio::spawn(async move { client.get("/gate").await.unwrap().text() });
        origin.at_gate(1).await;
        origin.open_gate();
        assert_eq!(gate.await.unwrap(), "through the gate");
        assert_eq!(origin.connections(), 1);
    }

    #[tokio::test]
    async fn an_http_origin_echoes_websocket_messages() {
        let origin = HttpOrigin::start().await;
        let stream = TcpStream::connect(tcp(&origin)).await.unwrap();
        let mut socket = websocket(stream, "ws://a.test/ws").await.unwrap();
        socket.send(Message::text("hello")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
        assert_eq!(origin.websockets(), 1);
    }

    #[tokio::test]
    async fn a_scripted_origin_records_exact_bytes() {
        let origin = ScriptedOrigin::start_always("hi").await;
        let mut client = Connection::clear(tcp(&origin), "a.test").await.unwrap();
        assert_eq!(client.get("/1").await.unwrap().text(), "hi");
        assert_eq!(client.get("/2").await.unwrap().text(), "hi");
        let expected = "GET /1 HTTP/1.1\r\nhost: a.test\r\n\r\nGET /2 HTTP/1.1\r\nhost: a.test\r\n\r\n";
        assert_eq!(origin.received(), [expected]);
    }
}
