//! How the recording upstream answers.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::recorder::RecordedRequest;

/// An answer. All but [`Reply::Close`] and [`Reply::Raw`] wait for the whole request body.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// 200 with JSON: `{"method", "target", "headers": [[name, value], ..], "body_length"}`. The default.
    Describe,
    /// This status, without content.
    Status(u16),
    /// The default answer after a pause.
    Delay(Duration),
    /// Closes the connection as soon as the head is there, without an answer.
    Close,
    /// The default answer to the first request of a connection; closes it when another one's head is there,
    /// as a service does whose keep-alive time is just over.
    CloseReused,
    /// 200 with this many bytes `x`.
    Big(usize),
    /// 101 after a real handshake, then every text and binary message comes back. Without the
    /// handshake's header: 400.
    WebSocket,
    /// 200 `text/event-stream` without a length: `data: 0`, `data: 1`, ... with a pause before each.
    Events {
        /// How many.
        count: usize,
        /// Before each event.
        pause: Duration,
    },
    /// 200 with a `Content-Length`, in parts with a pause before each.
    Slow {
        /// The content.
        parts: Vec<Vec<u8>>,
        /// Before each part.
        pause: Duration,
    },
    /// These bytes as soon as the head is there, then the connection closes.
    Raw(Vec<u8>),
}

/// What becomes of the connection after an answer.
pub(super) enum After {
    NextRequest,
    WebSocket,
    Close,
}

/// Writes the answer to a request.
pub(super) async fn answer(
    stream: &mut TcpStream,
    request: &RecordedRequest,
    reply: &Reply,
) -> std::io::Result<After> {
    let headless = request.method == "HEAD";
    match reply {
        Reply::Describe | Reply::CloseReused => describe(stream, request).await?,
        Reply::Delay(pause) => {
            tokio::time::sleep(*pause).await;
            describe(stream, request).await?;
        }
        Reply::Status(status) => {
            let length = if *status == 204 || *status == 304 { "" } else { "content-length: 0\r\n" };
            let head = format!("HTTP/1.1 {status} As Told\r\n{length}\r\n");
            stream.write_all(head.as_bytes()).await?;
        }
        Reply::Close => return Ok(After::Close),
        Reply::Big(size) => {
            head(stream, "application/octet-stream", *size).await?;
            let mut left = if headless { 0 } else { *size };
            let part = vec![b'x'; 64 * 1024];
            while left > 0 {
                let now = left.min(part.len());
                stream.write_all(&part[..now]).await?;
                left -= now;
            }
        }
        Reply::WebSocket => {
            let keys = request.header("sec-websocket-key");
            let Some(key) = keys.first() else {
                stream.write_all(b"HTTP/1.1 400 No Handshake\r\ncontent-length: 0\r\n\r\n").await?;
                return Ok(After::NextRequest);
            };
            let accept = derive_accept_key(key.as_bytes());
            let head = format!(
                "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: {accept}\r\n\r\n"
            );
            stream.write_all(head.as_bytes()).await?;
            return Ok(After::WebSocket);
        }
        Reply::Events { count, pause } => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                        transfer-encoding: chunked\r\n\r\n";
            stream.write_all(head.as_bytes()).await?;
            for number in 0..*count {
                tokio::time::sleep(*pause).await;
                let event = format!("data: {number}\n\n");
                stream.write_all(format!("{:x}\r\n{event}\r\n", event.len()).as_bytes()).await?;
            }
            stream.write_all(b"0\r\n\r\n").await?;
        }
        Reply::Slow { parts, pause } => {
            head(stream, "application/octet-stream", parts.iter().map(Vec::len).sum()).await?;
            for part in parts {
                tokio::time::sleep(*pause).await;
                stream.write_all(part).await?;
            }
        }
        Reply::Raw(bytes) => {
            stream.write_all(bytes).await?;
            return Ok(After::Close);
        }
    }
    Ok(After::NextRequest)
}

async fn describe(stream: &mut TcpStream, request: &RecordedRequest) -> std::io::Result<()> {
    let body = json!({
        "method": request.method,
        "target": request.target,
        "headers": request.headers(),
        "body_length": request.body.len(),
    })
    .to_string();
    head(stream, "application/json", body.len()).await?;
    if request.method != "HEAD" {
        stream.write_all(body.as_bytes()).await?;
    }
    Ok(())
}

async fn head(stream: &mut TcpStream, media_type: &str, length: usize) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await
}

/// Sends every message back until the other side closes. `read_ahead`: bytes that came with the handshake.
pub(super) async fn echo_websocket(stream: TcpStream, read_ahead: Vec<u8>) {
    let mut socket = WebSocketStream::from_partially_read(stream, read_ahead, Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        let echoes = message.is_text() || message.is_binary();
        if echoes && socket.send(message).await.is_err() {
            return;
        }
    }
}
