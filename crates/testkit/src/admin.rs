//! HTTP over the gateway's admin socket.

use std::{io, path::Path};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::Answer;

/// One GET on a connection of its own.
pub async fn get(socket: &Path, target: &str) -> io::Result<Answer> {
    send(socket, Method::GET, target).await
}

/// One request without a body on a connection of its own.
pub async fn send(socket: &Path, method: Method, target: &str) -> io::Result<Answer> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let task = tokio::spawn(connection);
    let request = Request::builder().method(method).uri(target).header("host", "vestibule");
    let request = request.body(Full::<Bytes>::default()).map_err(io::Error::other)?;
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    let answer = Answer::read(response).await.map_err(io::Error::other);
    task.abort();
    answer
}
