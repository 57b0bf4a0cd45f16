//! [`Errand`]: one request whose answer is known to the last byte.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{Response, body::Frame, body::Incoming};
use vestibule_testkit::{
    Answer, Connection,
    client::{Body, no_body, whole},
    drawn::{Content, Random},
};

/// Bodies up to this are sent as a whole, with their length.
const WHOLE: u64 = 256 << 10;
/// A piece of a longer one.
const PIECE: usize = 16 << 10;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Errand {
    /// A body of so many bytes from that seed.
    Download(u64, u64),
    /// The same, sent; the backend gives its hash back.
    Upload(u64, u64),
    /// What the backend was asked.
    Echo(u64),
    /// Nothing but a status.
    Empty,
}

impl Errand {
    /// One of those, with bodies up to so many bytes.
    pub(super) fn draw(random: &mut Random, most: u64) -> Self {
        let seed = random.next();
        // Small ones are as likely as large ones.
        let most = most >> random.below(8);
        let size = random.below(most.max(1));
        match random.below(8) {
            0..=3 => Self::Download(size, seed),
            4 | 5 => Self::Upload(size, seed),
            6 => Self::Echo(seed),
            _ => Self::Empty,
        }
    }

    /// The request.
    pub(super) fn request(self, connection: &Connection) -> Result<Request<Body>, String> {
        let get = |path: String| connection.request(&path).body(no_body());
        let request = match self {
            Self::Download(size, seed) => get(format!("/drawn/{size}/{seed}")),
            Self::Echo(seed) => get(format!("/echo?seed={seed}")),
            Self::Empty => get("/status/204".to_owned()),
            Self::Upload(size, seed) => {
                let content = Content::new(seed, size);
                let body = if size <= WHOLE { whole(content.whole()) } else { streamed(content) };
                connection.request("/sink").method("POST").body(body)
            }
        };
        request.map_err(|error| error.to_string())
    }

    /// Is the answer right?
    pub(super) async fn check(self, response: Response<Incoming>) -> Result<(), String> {
        let status = response.status().as_u16();
        let expected = if matches!(self, Self::Empty) { 204 } else { 200 };
        if status != expected {
            let text = Answer::read(response).await.map(|answer| answer.text()).unwrap_or_default();
            let code = text.trim_end().rsplit('\n').next().unwrap_or_default().to_owned();
            return Err(format!("{self:?}: status {status}, {code}"));
        }
        match self {
            Self::Download(size, seed) => downloaded(response.into_body(), Content::new(seed, size)).await,
            Self::Upload(size, seed) => {
                let told = read(response).await?;
                let right = Content::new(seed, size).sha256();
                (told["sha256"] == right.as_str() && told["count"] == size).then_some(()).ok_or(format!("got {told}"))
            }
            Self::Echo(seed) => {
                let told = read(response).await?;
                let right = format!("/echo?seed={seed}");
                (told["target"] == right.as_str()).then_some(()).ok_or(format!("got {told}"))
            }
            Self::Empty => Ok(()),
        }
        .map_err(|what| format!("{self:?}: {what}"))
    }
}

async fn read(response: Response<Incoming>) -> Result<serde_json::Value, String> {
    let body = response.into_body().collect().await.map_err(|error| format!("cut: {error:?}"))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| format!("no JSON: {error}"))
}

async fn downloaded(mut body: Incoming, mut content: Content) -> Result<(), String> {
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| format!("cut after {count} bytes: {error:?}"))?;
        let Some(data) = frame.data_ref() else { continue };
        if !content.matches(data) {
            return Err(format!("other bytes than were sent, after {count}"));
        }
        count += data.len();
    }
    content.is_over().then_some(()).ok_or(format!("it ended after {count} bytes"))
}

/// A body that goes out as it is drawn.
pub(super) fn streamed(content: Content) -> Body {
    let pieces = stream::unfold(content, |mut content| async move {
        let piece = content.take(PIECE);
        (!piece.is_empty()).then(|| (Ok::<_, io::Error>(Frame::data(Bytes::from(piece))), content))
    });
    StreamBody::new(pieces).boxed_unsync()
}
