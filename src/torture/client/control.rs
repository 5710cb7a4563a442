//! Questions to the recorder's control listener.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::h1::body_of;
use crate::torture::recorder::{Page, Record};

const DEADLINE: Duration = Duration::from_secs(10);

/// A page of records is some 4 MiB before base64.
const LONGEST_ANSWER: u64 = 64 * 1024 * 1024;

/// Why there are no records.
#[derive(Debug, thiserror::Error)]
pub(in crate::torture) enum ControlError {
    #[error("the recorder at {0} does not answer: start `gateward record`, and name its control address")]
    Silent(SocketAddr),
    #[error("what answers at {0} is no recorder")]
    Other(SocketAddr),
    #[error("the recorder is full: restart it")]
    Full,
}

/// The recorder's control listener.
#[derive(Debug, Clone, Copy)]
pub(in crate::torture) struct Control {
    /// Where it is.
    pub address: SocketAddr,
}

impl Control {
    /// The number that the next record gets.
    ///
    /// # Errors
    /// [`ControlError`].
    pub(in crate::torture) async fn position(self) -> Result<usize, ControlError> {
        Ok(self.page(usize::MAX).await?.next)
    }

    /// All records from this number on.
    ///
    /// # Errors
    /// [`ControlError`]; also when records were dropped, since a verdict without them is worth nothing.
    pub(in crate::torture) async fn since(self, mut since: usize) -> Result<Vec<Record>, ControlError> {
        let mut records = Vec::new();
        loop {
            let page = self.page(since).await?;
            if page.dropped > 0 {
                return Err(ControlError::Full);
            }
            records.extend(page.records);
            since = page.next;
            if !page.more {
                return Ok(records);
            }
        }
    }

    /// Empties it.
    ///
    /// # Errors
    /// [`ControlError`].
    pub(in crate::torture) async fn reset(self) -> Result<(), ControlError> {
        self.ask("POST /reset").await.map(drop)
    }

    async fn page(self, since: usize) -> Result<Page, ControlError> {
        let body = self.ask(&format!("GET /records?since={since}")).await?;
        serde_json::from_slice(&body).map_err(|_| ControlError::Other(self.address))
    }

    async fn ask(self, line: &str) -> Result<Vec<u8>, ControlError> {
        let question = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let head = format!("{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address);
            stream.write_all(head.as_bytes()).await?;
            let mut received = Vec::new();
            stream.take(LONGEST_ANSWER).read_to_end(&mut received).await?;
            Ok::<_, std::io::Error>(received)
        };
        let answer = timeout(DEADLINE, question).await;
        let received = answer.ok().and_then(Result::ok).ok_or(ControlError::Silent(self.address))?;
        let is_ok = received.starts_with(b"HTTP/1.1 200 ");
        let body = body_of(&received).filter(|_| is_ok);
        body.map(<[u8]>::to_vec).ok_or(ControlError::Other(self.address))
    }
}
