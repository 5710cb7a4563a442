//! HTTP/2 without TLS (`server.h2c`): for clients that know beforehand (RFC 9113 section 3.3).
//!
//! An upgrade from HTTP/1.1 (`Upgrade: h2c`) is not served, whatever the configuration: its first request would
//! be one of both versions.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};

/// The first line of the preface. No request of HTTP/1.1 that is served begins so.
const BEGIN: &[u8] = b"PRI * HTTP/2.0\r\n";
/// Between two looks at a beginning that could still be either: the first time, and at most. Only whoever sends
/// single bytes sees it.
const LOOK_AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(640));

/// Whether what comes on this connection begins as HTTP/2 does. Takes no byte from it.
///
/// # Errors
/// The connection is broken, or it was not clear within `patience`.
pub(in crate::gateway) async fn speaks_http2(tcp: &TcpStream, patience: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + patience;
    let mut begin = [0; BEGIN.len()];
    let mut pause = LOOK_AGAIN.0;
    loop {
        let there = timeout_at(deadline, tcp.peek(&mut begin)).await.map_err(|_| io::ErrorKind::TimedOut)?;
        let begin = begin.get(..there?).unwrap_or_default();
        if begin == BEGIN {
            return Ok(true);
        }
        if begin.is_empty() || !BEGIN.starts_with(begin) {
            return Ok(false);
        }
        if Instant::now() >= deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        sleep(pause).await;
        pause = (pause * 2).min(LOOK_AGAIN.1);
    }
}
