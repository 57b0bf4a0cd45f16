//! [`discard`]: takes what is left of a request body that nobody wants.
//!
//! An HTTP/2 stream whose body is dropped unread is reset at once, together with the response that has just been
//! written, and clients such as curl then drop the response. RFC 9113 section 8.1 allows the reset; reading on for a
//! moment lets the answer arrive. HTTP/1.1 needs none of this: there the connection lingers when it closes.

use std::{pin::pin, time::Duration};

use bytes::Bytes;
use http_body::Body;
use tokio::time::timeout;

/// How long a body is still read.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(2);
/// How much of it, bytes.
const DISCARD_LIMIT: usize = 1024 * 1024;

/// Reads and throws away, for a while and up to a limit; the rest is refused by dropping the body.
pub async fn discard(body: impl Body<Data = Bytes>) {
    let mut left = DISCARD_LIMIT;
    let reading = async {
        let mut body = pin!(body);
        while let Some(Ok(frame)) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(rest) => left = rest,
                None => return,
            }
        }
    };
    if timeout(DISCARD_TIMEOUT, reading).await.is_err() {
        tracing::debug!("an unwanted request body did not end in time");
    }
}
