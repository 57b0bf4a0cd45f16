//! [`Devtools`]: one conversation with a browser over the DevTools protocol, JSON messages on a WebSocket.
//!
//! Calls are made one after the other; events that come in meanwhile are kept in order and never thrown away, so that
//! a check may also ask what happened before it looked.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{WebSocketStream, tungstenite::Message};
use vestibule_testkit::client::websocket;

use crate::Outcome;

/// A browser that is alive answers sooner.
const CALL_LIMIT: Duration = Duration::from_secs(30);

/// Something that happened in the page.
pub(in crate::kestrel) struct Event {
    /// As the protocol calls it, `Network.responseReceived`.
    pub(in crate::kestrel) method: String,
    /// What belongs to it.
    pub(in crate::kestrel) params: Value,
}

/// See the module.
pub(super) struct Devtools {
    socket: WebSocketStream<TcpStream>,
    page: Option<String>,
    last_call: u64,
    events: Vec<Event>,
}

impl Devtools {
    /// To the browser as a whole.
    pub(super) async fn connect(address: SocketAddr, path: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        let socket = websocket(stream, &format!("ws://{address}{path}")).await?;
        Ok(Self { socket, page: None, last_call: 0, events: Vec::new() })
    }

    /// Opens a page; from now on calls go to it.
    pub(super) async fn open_page(&mut self) -> Outcome {
        let target = self.call("Target.createTarget", json!({"url": "about:blank"})).await?;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.call("Target.attachToTarget", attach).await?;
        self.page = Some(session["sessionId"].as_str().ok_or("no session with the page")?.to_owned());
        for domain in ["Page", "Network", "Runtime"] {
            self.call(&format!("{domain}.enable"), json!({})).await?;
        }
        Ok(())
    }

    /// Calls a method and gives its result.
    pub(super) async fn call(&mut self, method: &str, params: Value) -> Outcome<Value> {
        let exchange = timeout(CALL_LIMIT, self.exchange(method, params)).await;
        exchange.map_err(|_| format!("the browser does not answer {method}"))?
    }

    async fn exchange(&mut self, method: &str, params: Value) -> Outcome<Value> {
        self.last_call += 1;
        let id = self.last_call;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(page) = &self.page {
            message["sessionId"] = json!(page);
        }
        self.socket.send(Message::text(message.to_string())).await?;
        loop {
            let Some(mut answer) = self.receive().await? else { continue };
            if answer["id"] == id {
                return match answer.get("error") {
                    Some(error) => Err(format!("{method}: {error}").into()),
                    None => Ok(answer["result"].take()),
                };
            }
        }
    }

    /// Waits until an event, past or to come, is the wanted one.
    pub(super) async fn event<T>(
        &mut self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&[Event]) -> Option<T>,
    ) -> Outcome<T> {
        let found = timeout(limit, async {
            loop {
                if let Some(found) = wanted(&self.events) {
                    return Ok(found);
                }
                self.receive().await?;
            }
        });
        found.await.map_err(|_| format!("waited {limit:?} in vain for {what}"))?
    }

    /// All that happened so far.
    pub(super) fn events(&self) -> &[Event] {
        &self.events
    }

    /// Reads one message: an event is kept, an answer is given.
    async fn receive(&mut self) -> Outcome<Option<Value>> {
        let message = self.socket.next().await.ok_or("the browser has closed the conversation")??;
        let Message::Text(text) = message else { return Ok(None) };
        let mut value: Value = serde_json::from_str(&text)?;
        if value.get("id").is_some() {
            return Ok(Some(value));
        }
        let method = value["method"].as_str().unwrap_or_default().to_owned();
        self.events.push(Event { method, params: value["params"].take() });
        Ok(None)
    }
}
