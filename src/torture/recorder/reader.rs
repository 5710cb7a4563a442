//! Bytes of one upstream connection, read ahead and written to the log as they come.

use std::io;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::log::Log;

/// A head that goes on longer is cut off.
const LONGEST_HEAD: usize = 1024 * 1024;

/// Gateways keep idle connections for about a minute.
const IDLE: Duration = Duration::from_secs(90);

/// A connection and what was read ahead from it.
pub(super) struct Reader<'a> {
    pub(super) stream: TcpStream,
    pub(super) log: &'a Log,
    pub(super) connection: usize,
    buffer: Vec<u8>,
    /// The request that is arriving.
    seq: Option<usize>,
    began: bool,
    /// How much of the buffer the log has already.
    logged: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(stream: TcpStream, log: &'a Log, connection: usize) -> Self {
        Self { stream, log, connection, buffer: Vec::new(), seq: None, began: false, logged: 0 }
    }

    /// The next head with its empty line; `None` when no more requests come.
    pub(super) async fn head(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.began = false;
        self.seq = None;
        self.logged = 0;
        loop {
            // Empty lines before a request are skipped (RFC 9112, section 2.2), and no record.
            let blank = self.buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if !self.began {
                self.buffer.drain(..blank);
            }
            if !self.buffer.is_empty() && !self.began {
                self.began = true;
                self.seq = self.log.begin(self.connection);
            }
            let end = head_end(&self.buffer);
            // What has arrived of a head counts as seen, even if the rest never comes.
            let upto = end.unwrap_or(self.buffer.len());
            self.log.append(self.seq, self.buffer.get(self.logged..upto).unwrap_or_default());
            self.logged = upto;
            if let Some(end) = end {
                let head: Vec<u8> = self.buffer.drain(..end).collect();
                self.log.head_ended(self.seq, &head);
                return Ok(Some(head));
            }
            if self.buffer.len() > LONGEST_HEAD || !self.read().await? {
                return Ok(None);
            }
        }
    }

    /// The request has arrived whole.
    pub(super) fn complete(&self) {
        self.log.complete(self.seq);
    }

    /// Takes `size` bytes of body.
    pub(super) async fn take(&mut self, size: u64) -> io::Result<()> {
        let mut left = size;
        while left > 0 {
            if self.buffer.is_empty() && !self.read().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let part: Vec<u8> = self.buffer.drain(..count).collect();
            self.log.append(self.seq, &part);
            left = left.saturating_sub(count as u64);
        }
        Ok(())
    }

    /// Takes a line of the body's framing, with its line feed.
    pub(super) async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=at).collect();
                self.log.append(self.seq, &line);
                return Ok(line);
            }
            if self.buffer.len() > LONGEST_HEAD || !self.read().await? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Whether more bytes came.
    async fn read(&mut self) -> io::Result<bool> {
        let mut part = vec![0; 16 * 1024];
        let size = timeout(IDLE, self.stream.read(&mut part)).await.unwrap_or(Ok(0))?;
        self.buffer.extend_from_slice(part.get(..size).unwrap_or_default());
        Ok(size > 0)
    }
}

/// Where the empty line ends, with or without carriage returns.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let mut feeds = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at);
    let mut last = feeds.next()?;
    for at in feeds {
        let between = bytes.get(last.saturating_add(1)..at).unwrap_or_default();
        if matches!(between, b"" | b"\r") {
            return Some(at.saturating_add(1));
        }
        last = at;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::head_end;

    #[test]
    fn a_head_ends_at_its_empty_line_however_that_is_written() {
        for (bytes, end) in [
            ("GET / HTTP/1.1\r\n\r\nx", Some(18)),
            ("GET / HTTP/1.1\n\nx", Some(16)),
            ("GET / HTTP/1.1\n\r\nx", Some(17)),
            ("GET / HTTP/1.1\r\nA: b\r\n", None),
            ("GET / HTTP/1.1", None),
        ] {
            assert_eq!(head_end(bytes.as_bytes()), end, "{bytes:?}");
        }
    }
}
