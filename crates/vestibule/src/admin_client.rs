//! [`AdminClient`]: asks a running gateway over its admin socket. One question, one connection; every wait and every answer
//! has a limit.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{net::UnixStream, runtime::Runtime};
use vestibule_gateway::admin::model::AdminFailure;
use vestibule_site::Settings;

use crate::{
    cli::{PlaceFlags, ReachFlags},
    decide,
    exit::Exit,
    place::{ADMIN_SOCKET_NAME, Standing, Surroundings, TENANT_SOCKET},
    settings_file::Loaded,
};

/// From the question to the end of the answer, where the gateway only looks at what it has.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The same where it asks DNS or its engine first; it answers itself that it gave up before that.
const QUESTION_TIMEOUT: Duration = Duration::from_secs(60);
/// The same where it orders a certificate first, likewise.
const ORDER_TIMEOUT: Duration = Duration::from_secs(11 * 60);
/// The largest answer: a page of rows is far below it, the claims of a very full box are not.
const ANSWER_LIMIT: usize = 64 << 20;
/// How often a question is asked again that came too early, and the wait before that.
const TURNS: usize = 10;
const TURN_WAIT: Duration = Duration::from_secs(1);
/// Rows asked for at once.
const PAGE: u32 = 500;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    /// Nobody listens there, or not for us.
    #[error("no gateway answers on {socket}")]
    Connect {
        /// Where.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing says where to ask.
    #[error("no gateway to ask: no admin socket is known")]
    NoSocket,
    /// The run time for the question.
    #[error("cannot ask the gateway")]
    Runtime(#[source] io::Error),
    /// It took too long.
    #[error("the gateway on {socket} did not answer within {} s", patience.as_secs())]
    Timeout {
        /// Where.
        socket: PathBuf,
        /// How long was waited.
        patience: Duration,
    },
    /// What came is no HTTP.
    #[error("the conversation on {socket} broke off")]
    Http {
        /// Where.
        socket: PathBuf,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The answer is too large or broke off.
    #[error("the answer to {question} cannot be read: {why}")]
    Body {
        /// What was asked.
        question: String,
        /// In words: the transport boxes its errors.
        why: String,
    },
    /// The gateway says no.
    #[error("the gateway says: {error}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// Its sentence.
        error: String,
    },
    /// Not the JSON that was expected: another version, perhaps.
    #[error("the answer to {question} is not understood")]
    Malformed {
        /// What was asked.
        question: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Pages that do not come to an end.
    #[error("the pages of {question} go round in circles")]
    Circle {
        /// What was asked.
        question: String,
    },
}

impl AdminError {
    /// The exit code that tells it.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Connect { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => Exit::NO_PERMISSION,
            Self::Refused { status: StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, .. } => Exit::NO_PERMISSION,
            Self::Refused { status, .. } if status.is_client_error() => Exit::DATA,
            Self::Connect { .. } | Self::NoSocket | Self::Timeout { .. } | Self::Refused { .. } => Exit::UNAVAILABLE,
            Self::Runtime(_) => Exit::OS,
            Self::Http { .. } | Self::Body { .. } | Self::Malformed { .. } | Self::Circle { .. } => Exit::IO,
        }
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> Option<&'static str> {
        match self {
            Self::Connect { .. } if self.exit() == Exit::NO_PERMISSION => Some(
                "that socket belongs to the gateway's user, and the gateway has none for tenants (`admin: {tenants: \
                     PATH}` in its settings): ask as that user or as root",
            ),
            Self::Connect { .. } | Self::NoSocket => {
                Some("start one with 'vestibule run', or say where it is with --state DIR or --socket PATH")
            }
            Self::Malformed { .. } => Some("is the running gateway of the same version? compare 'vestibule --version'"),
            _ => None,
        }
    }
}

/// A page of rows and where the next one begins.
pub(crate) struct Page<T> {
    /// The rows.
    pub(crate) rows: Vec<T>,
    /// Pass as `after`.
    pub(crate) next: Option<String>,
}

/// Knows a gateway that listens.
#[derive(Debug)]
pub(crate) struct AdminClient {
    socket: PathBuf,
    runtime: Runtime,
}

impl AdminClient {
    /// The gateway that these flags mean: the first known socket on which somebody listens.
    pub(crate) fn reach(flags: &ReachFlags) -> Result<Self, AdminError> {
        Self::first(sockets(flags, &Surroundings::detect()))
    }

    /// The gateway of these folders; where nothing is said of folders, else that of the box.
    pub(crate) fn of_place(
        flags: &PlaceFlags,
        settings: &Settings,
        surroundings: &Surroundings,
    ) -> Result<Self, AdminError> {
        let mut sockets: Vec<PathBuf> = decide::folders(flags, settings, surroundings).sockets().cloned().collect();
        if flags.settings.is_none() && flags.sites.is_none() && flags.state.is_none() {
            sockets.extend(Some(PathBuf::from(TENANT_SOCKET)).filter(|socket| !sockets.contains(socket)));
        }
        Self::first(sockets)
    }

    /// The gateway on the first of these sockets on which one listens.
    #[cfg(test)]
    pub(crate) fn at(sockets: Vec<PathBuf>) -> Result<Self, AdminError> {
        Self::first(sockets)
    }

    fn first(sockets: Vec<PathBuf>) -> Result<Self, AdminError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(AdminError::Runtime)?;
        let mut refusal = AdminError::NoSocket;
        for socket in sockets {
            // Never waits: a full backlog is an error on a socket that does not block.
            match runtime.block_on(UnixStream::connect(&socket)) {
                Ok(_) => return Ok(Self { socket, runtime }),
                // "Not for you" says more than "nobody there": a gateway runs.
                Err(source) if refusal.exit() != Exit::NO_PERMISSION => {
                    refusal = AdminError::Connect { socket, source };
                }
                Err(_) => {}
            }
        }
        Err(refusal)
    }

    /// Asks for one thing.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, AdminError> {
        self.exchange(&Question::new(Method::GET, path, query), ANSWER_TIMEOUT)
    }

    /// Asks for one thing about certificates, for which the gateway may ask others.
    pub(crate) fn inquire<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, AdminError> {
        self.exchange(&Question::new(Method::GET, path, query), QUESTION_TIMEOUT)
    }

    /// Has something done, which may take as long as an order at a CA.
    pub(crate) fn order<T: DeserializeOwned>(&self, path: &str, query: &[(&str, &str)]) -> Result<T, AdminError> {
        self.exchange(&Question::new(Method::POST, path, query), ORDER_TIMEOUT)
    }

    /// Hands something in.
    pub(crate) fn hand_in<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, AdminError> {
        let mut question = Question::new(Method::POST, path, &[]);
        question.body = serde_json::to_vec(body)
            .map_err(|source| AdminError::Malformed { question: path.to_owned(), source })?
            .into();
        self.exchange(&question, ORDER_TIMEOUT)
    }

    fn exchange<T: DeserializeOwned>(&self, question: &Question, patience: Duration) -> Result<T, AdminError> {
        let once = async || {
            let answer = tokio::time::timeout(patience, ask(&self.socket, question)).await;
            answer.unwrap_or_else(|_| Err(AdminError::Timeout { socket: self.socket.clone(), patience }))
        };
        let bytes = self.runtime.block_on(async {
            for _ in 0..TURNS {
                match once().await {
                    // A question waits for its turn; a command is somebody's decision, and its turn may be minutes away.
                    Err(AdminError::Refused { status: StatusCode::TOO_MANY_REQUESTS, .. })
                        if question.method == Method::GET =>
                    {
                        tokio::time::sleep(TURN_WAIT).await;
                    }
                    answer => return answer,
                }
            }
            once().await
        })?;
        serde_json::from_slice(&bytes)
            .map_err(|source| AdminError::Malformed { question: question.target.clone(), source })
    }

    /// Asks for every row, page after page.
    pub(crate) fn all<A: DeserializeOwned, T>(
        &self,
        path: &str,
        mut page: impl FnMut(A) -> Page<T>,
    ) -> Result<Vec<T>, AdminError> {
        let limit = PAGE.to_string();
        let mut rows = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = vec![("limit", limit.as_str())];
            query.extend(after.as_deref().map(|after| ("after", after)));
            let Page { rows: more, next } = page(self.inquire(path, &query)?);
            rows.extend(more);
            match next {
                None => return Ok(rows),
                // Pages come in order of site: anything else would never end.
                Some(next) if after.as_ref().is_some_and(|after| *after >= next) => {
                    return Err(AdminError::Circle { question: path.to_owned() });
                }
                next => after = next,
            }
        }
    }
}

/// Where a gateway may answer, best guess first.
fn sockets(flags: &ReachFlags, surroundings: &Surroundings) -> Vec<PathBuf> {
    if let Some(socket) = &flags.socket {
        return vec![socket.clone()];
    }
    if let Some(state) = &flags.state {
        return vec![state.join(ADMIN_SOCKET_NAME)];
    }
    // The operator's socket of each gateway comes before its tenants': who may open it is told everything there.
    // A settings file that cannot be read or has errors must not keep anybody from asking how things stand.
    let place = PlaceFlags::default();
    let settings = Loaded::find(&place, surroundings).unwrap_or_default().settings;
    let mut sockets: Vec<PathBuf> = decide::folders(&place, &settings, surroundings).sockets().cloned().collect();
    for standing in [Standing::User, Standing::System] {
        let socket = surroundings.state(standing).map(|state| state.join(ADMIN_SOCKET_NAME));
        sockets.extend(socket.filter(|socket| !sockets.contains(socket)));
    }
    sockets.extend(Some(PathBuf::from(TENANT_SOCKET)).filter(|socket| !sockets.contains(socket)));
    sockets
}

/// One request.
struct Question {
    method: Method,
    target: String,
    /// JSON, or nothing.
    body: Bytes,
}

impl Question {
    fn new(method: Method, path: &str, query: &[(&str, &str)]) -> Self {
        let mut target = path.to_owned();
        if !query.is_empty() {
            target.push('?');
            target = form_urlencoded::Serializer::for_suffix(target, path.len() + 1).extend_pairs(query).finish();
        }
        Self { method, target, body: Bytes::new() }
    }
}

/// One question on a connection of its own.
async fn ask(socket: &Path, question: &Question) -> Result<Bytes, AdminError> {
    let connect = |source| AdminError::Connect { socket: socket.to_owned(), source };
    let broke = |source| AdminError::Http { socket: socket.to_owned(), source };
    let stream = UnixStream::connect(socket).await.map_err(connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke)?;
    let request = Request::builder()
        .method(question.method.clone())
        .uri(&question.target)
        .header(header::HOST, "vestibule")
        .header(header::ACCEPT, "application/json")
        .header(header::CONNECTION, "close")
        .body(Full::new(question.body.clone()))
        .expect("a path with an encoded query is a request target");
    let exchange = async move {
        let response = sender.send_request(request).await.map_err(broke)?;
        let status = response.status();
        let body =
            Limited::new(response.into_body(), ANSWER_LIMIT).collect().await.map_err(|why| AdminError::Body {
                question: question.target.clone(),
                why: if why.is::<LengthLimitError>() {
                    format!("larger than {ANSWER_LIMIT} bytes")
                } else {
                    why.to_string()
                },
            })?;
        read(status, body.to_bytes())
    };
    // The connection's own error reaches the exchange, which says it better.
    let (_, answer) = tokio::join!(connection, exchange);
    answer
}

/// The bytes of an answer, or the sentence of a refusal.
fn read(status: StatusCode, bytes: Bytes) -> Result<Bytes, AdminError> {
    if status.is_success() {
        return Ok(bytes);
    }
    let told: Option<AdminFailure> = serde_json::from_slice(&bytes).ok();
    Err(AdminError::Refused { status, error: told.map_or_else(|| status.to_string(), |failure| failure.error) })
}

#[cfg(test)]
mod tests;
