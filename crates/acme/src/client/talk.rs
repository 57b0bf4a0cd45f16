//! [`Talk`]: one conversation with a CA: the library's way out to our transport, and what the library drops on the way back.
//!
//! Each operation has a talk of its own, so that what was seen last is what this operation saw: Retry-After, the alternate
//! chains, the body of a chain. On the way back, an answer without success becomes a [`Fault`] (the library would call a
//! page of HTML "invalid JSON"), and a success is brought into a form that the library reads (`normal`). Only a `badNonce`
//! is passed on as it is, because the library answers it with a fresh signature.
//!
//! **Write-ahead of keys.** The library makes new account keys itself and signs and sends in one go. A talk that
//! *withholds* keeps the next signed request instead of sending it and answers that all went well; whoever asked for that
//! makes the new key durable, and sends what was withheld then.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use super::{
    catalogue::Catalogue,
    fault::Fault,
    normal::normal,
    transport::{Answer, Transport},
};

const BAD_NONCE: &str = r#"{"type":"urn:ietf:params:acme:error:badNonce"}"#;
/// What a withheld registration is told for the account's URL; never asked for.
const WITHHELD: &str = "https://withheld.invalid/";

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Talk {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    transport: Arc<Transport>,
    catalogue: Arc<Catalogue>,
    directory_url: String,
    seen: Mutex<Seen>,
}

/// What was seen last, and what is to be done with the next request.
#[derive(Debug, Default)]
struct Seen {
    retry_after: Option<Duration>,
    alternates: Vec<String>,
    chain: Option<Bytes>,
    replaces: Option<String>,
    withholding: Option<Withholding>,
}

#[derive(Debug)]
enum Withholding {
    Next,
    Held(Box<Request<Bytes>>),
}

impl Talk {
    pub(super) fn new(transport: &Arc<Transport>, catalogue: &Arc<Catalogue>, directory_url: &str) -> Self {
        let (transport, catalogue) = (Arc::clone(transport), Arc::clone(catalogue));
        let directory_url = directory_url.to_owned();
        Self { shared: Arc::new(Shared { transport, catalogue, directory_url, seen: Mutex::default() }) }
    }

    pub(super) fn catalogue(&self) -> &Catalogue {
        &self.shared.catalogue
    }

    pub(super) fn directory_url(&self) -> &str {
        &self.shared.directory_url
    }

    /// For the library.
    pub(super) fn client(&self) -> Box<dyn HttpClient> {
        Box::new(self.clone())
    }

    /// What the last answer asked to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.seen().retry_after
    }

    /// The chain that came last, and where the CA has others.
    pub(super) fn chain(&self) -> Option<(Bytes, Vec<String>)> {
        let mut seen = self.seen();
        let chain = seen.chain.take()?;
        Some((chain, std::mem::take(&mut seen.alternates)))
    }

    /// Orders of this talk replace that certificate.
    pub(super) fn expect_replaces(&self, replaces: Option<&str>) {
        self.seen().replaces = replaces.map(str::to_owned);
    }

    /// The next signed request is kept instead of sent.
    pub(super) fn withhold(&self) {
        self.seen().withholding = Some(Withholding::Next);
    }

    /// Nothing is withheld any more.
    pub(super) fn send_again(&self) {
        self.seen().withholding = None;
    }

    /// Sends what was withheld.
    pub(super) async fn release(&self) -> Result<Answer, Fault> {
        let Some(Withholding::Held(request)) = self.seen().withholding.take() else {
            return Err(Fault::Library("nothing was signed".to_owned()));
        };
        let answer = self.shared.transport.exchange(*request).await?;
        if answer.status.is_success() { Ok(answer) } else { Err(Fault::of(&answer)) }
    }

    async fn answer(&self, request: Request<BodyWrapper<Bytes>>) -> Result<Response<Bytes>, Fault> {
        let (parts, body) = request.into_parts();
        // `BodyWrapper` holds its bytes already: this cannot wait, and cannot fail.
        let body = body.collect().await.map_or_else(|never| match never {}, http_body_util::Collected::to_bytes);
        let request = Request::from_parts(parts, body);
        if request.method() == Method::GET && *request.uri() == *self.shared.directory_url {
            return Ok(Response::new(self.shared.catalogue.body.clone()));
        }
        let method = request.method().clone();
        if method == Method::POST && matches!(self.seen().withholding, Some(Withholding::Next)) {
            self.seen().withholding = Some(Withholding::Held(Box::new(request)));
            let mut response = Response::new(Bytes::new());
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static(WITHHELD));
            return Ok(response);
        }
        let answer = self.shared.transport.exchange(request).await?;
        self.note(&answer);
        self.pass_on(&method, answer)
    }

    fn note(&self, answer: &Answer) {
        let mut seen = self.seen();
        seen.retry_after = answer.retry_after;
        if answer.status.is_success() && answer.is_chain() {
            seen.alternates = answer.links("alternate");
            seen.chain = Some(answer.body.clone());
        }
    }

    fn pass_on(&self, method: &Method, answer: Answer) -> Result<Response<Bytes>, Fault> {
        let (status, body) = match answer.status {
            // RFC 8555 section 7.2 wants 200 for HEAD; some answer 204, as for GET.
            status if status.is_success() && *method == Method::HEAD => (StatusCode::OK, Bytes::new()),
            status if status.is_success() => {
                let replaces = self.seen().replaces.clone();
                (status, normal(&answer.body, replaces.as_deref()).map_or(answer.body, Bytes::from))
            }
            status => match Fault::of(&answer) {
                fault if fault.problem_type() == Some("badNonce") => (StatusCode::BAD_REQUEST, Bytes::from(BAD_NONCE)),
                fault => {
                    tracing::debug!(status = status.as_u16(), %fault, "the CA refused a request");
                    return Err(fault);
                }
            },
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.shared.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpClient for Talk {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let talk = self.clone();
        Box::pin(async move {
            let (parts, body) = talk.answer(request).await.map_err(|fault| Error::Other(Box::new(fault)))?.into_parts();
            Ok(BytesResponse { parts, body: Box::new(body) })
        })
    }
}
