//! The control listener: `GET /records?since=N` and `POST /reset`.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::log::Log;

const DEADLINE: Duration = Duration::from_secs(10);
const LONGEST_HEAD: usize = 8 * 1024;

/// Answers one question and closes.
///
/// # Errors
/// The other side has gone or is too slow.
pub(super) async fn serve(mut stream: TcpStream, log: &Log) -> io::Result<()> {
    timeout(DEADLINE, answer(&mut stream, log)).await.unwrap_or_else(|late| Err(io::Error::other(late)))
}

async fn answer(stream: &mut TcpStream, log: &Log) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut part = [0; 1024];
        let size = stream.read(&mut part).await?;
        head.extend_from_slice(part.get(..size).unwrap_or_default());
        if size == 0 || head.len() > LONGEST_HEAD {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&head);
    let mut words = text.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (status, kind, body) = match (method, target.split_once('?').unwrap_or((target, ""))) {
        ("GET", ("/records", query)) => {
            let since = query.strip_prefix("since=").and_then(|number| number.parse().ok()).unwrap_or(0);
            let json = serde_json::to_string(&log.page(since)).map_err(io::Error::other)?;
            ("200 OK", "application/json", json)
        }
        ("POST", ("/reset", _)) => {
            log.reset();
            ("200 OK", "application/json", "{}".to_owned())
        }
        _ => ("404 Not Found", "text/plain", "GET /records?since=N, POST /reset\n".to_owned()),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}
