//! [`Transport`]: instant-acme's requests over a connection each, remembered, and spoiled on order.

use std::{
    fs,
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use vestibule_testkit::{
    Answer, Connection, Protocol,
    ca::SimulatedCa,
    client::{Trust, whole},
};

/// What happens to the next POST on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spoil {
    /// One bit of the signature flips.
    Signature,
    /// It goes to another path, which takes the same requests.
    Path(&'static str),
    /// It is sent twice; the second answer counts.
    Replay,
    /// Its content type is another one.
    ContentType,
    /// It has no user agent.
    NoAgent,
    /// It is no JSON.
    Junk,
}

/// Clones share everything.
#[derive(Clone)]
pub(crate) struct Transport {
    address: SocketAddr,
    trust: Trust,
    spoil: Arc<Mutex<Option<Spoil>>>,
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Transport {
    pub(crate) fn to(ca: &SimulatedCa) -> Self {
        let address = ca.directory().trim_start_matches("https://").trim_end_matches("/directory").parse().unwrap();
        let trust = Trust::roots(&fs::read_to_string(ca.root_file()).unwrap());
        Self { address, trust, spoil: Arc::default(), answers: Arc::default() }
    }

    pub(crate) fn boxed(&self) -> Box<dyn HttpClient> {
        Box::new(self.clone())
    }

    pub(crate) fn spoil(&self, how: Spoil) {
        *self.spoil.lock().unwrap() = Some(how);
    }

    /// The last answer.
    pub(crate) fn last(&self) -> Answer {
        self.answers.lock().unwrap().last().unwrap().clone()
    }

    async fn send(&self, request: Request<BodyWrapper<Bytes>>) -> Result<Answer, Error> {
        let (mut head, body) = request.into_parts();
        let mut body = body.collect().await.unwrap().to_bytes();
        let mut path = head.uri.path().to_owned();
        let spoil = if head.method == "POST" { self.spoil.lock().unwrap().take() } else { None };
        match spoil {
            Some(Spoil::Signature) => body = flip(&body),
            Some(Spoil::Path(other)) => path = other.to_owned(),
            Some(Spoil::ContentType) => {
                head.headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
            }
            Some(Spoil::NoAgent) => {
                head.headers.remove(header::USER_AGENT);
            }
            Some(Spoil::Junk) => body = Bytes::from_static(b"{"),
            Some(Spoil::Replay) | None => {}
        }
        let times = if spoil == Some(Spoil::Replay) { 2 } else { 1 };
        for _ in 0..times {
            let answer = self.once(&head, &path, body.clone()).await?;
            self.answers.lock().unwrap().push(answer);
        }
        Ok(self.last())
    }

    /// One request within a second: longer is for ever.
    async fn once(&self, head: &http::request::Parts, path: &str, body: Bytes) -> Result<Answer, Error> {
        let exchange = async {
            let secure = Connection::secure(&self.trust, self.address, "127.0.0.1", Protocol::Http1);
            let mut connection = secure.await.map_err(|error| Error::Other(error.into()))?;
            let mut request = connection.request(path).method(head.method.clone());
            request.headers_mut().unwrap().extend(head.headers.clone());
            connection.answer(request.body(whole(body)).unwrap()).await.map_err(|error| Error::Other(error.into()))
        };
        let exchange = tokio::time::timeout(Duration::from_secs(1), exchange);
        exchange.await.unwrap_or(Err(Error::Str("nothing for a second")))
    }
}

impl HttpClient for Transport {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let transport = self.clone();
        Box::pin(async move {
            let answer = transport.send(request).await?;
            let mut response = Response::new(Full::new(answer.body));
            (*response.status_mut(), *response.headers_mut()) = (answer.status, answer.headers);
            Ok(BytesResponse::from(response))
        })
    }
}

/// Another letter in the middle of the signature.
fn flip(body: &[u8]) -> Bytes {
    let mut jws: serde_json::Value = serde_json::from_slice(body).unwrap();
    let signature = jws["signature"].as_str().unwrap();
    let other = if &signature[10..11] == "A" { "B" } else { "A" };
    jws["signature"] = format!("{}{other}{}", &signature[..10], &signature[11..]).into();
    jws.to_string().into()
}
