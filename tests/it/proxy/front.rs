//! A gateway with somebody logged in, and what every attack is judged by.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::app::{AppBuilder, TestApp};
use crate::support::raw::{RawClient, RawResponse, exchange};
use crate::support::recorder::RecordedRequest;

/// What should happen at once happens within this time, on a busy machine too.
pub const PROMPT: Duration = Duration::from_secs(5);

/// A running gateway on the embedded store and a person's token.
pub struct Front {
    pub app: TestApp,
    pub email: String,
    pub token: String,
}

impl Front {
    /// `/` for people, `/public` for everybody.
    pub async fn start() -> Self {
        Self::of(TestApp::embedded()).await
    }

    /// The same with more configuration.
    pub async fn with(config: &str) -> Self {
        Self::of(TestApp::embedded().config(config)).await
    }

    pub async fn of(builder: AppBuilder) -> Self {
        let app = builder.start().await;
        let (email, token) = app.new_person().await;
        app.recorder.forget();
        Self { app, email, token }
    }

    /// A head of this person: the request line without its version, `Host`, `Authorization`, then `lines`.
    pub fn head(&self, line: &str, lines: &[&str]) -> String {
        let authorization = format!("Authorization: Bearer {}", self.token);
        let lines: Vec<&str> = [authorization.as_str()].iter().chain(lines).copied().collect();
        head(line, &lines)
    }

    /// Sends bytes on a connection of their own; the answer.
    ///
    /// # Panics
    /// When there is none.
    pub async fn send(&self, bytes: impl AsRef<[u8]>) -> RawResponse {
        let bytes = bytes.as_ref();
        exchange(self.app.address, bytes)
            .await
            .unwrap_or_else(|none| panic!("{none:?} to {}", start_of(bytes)))
    }

    /// Sends bytes on a connection of their own; the answer, and the request that the service got.
    ///
    /// # Panics
    /// When the answer is no success or the service got none or several.
    pub async fn forwarded(&self, bytes: impl AsRef<[u8]>) -> (RawResponse, RecordedRequest) {
        self.app.recorder.forget();
        let answer = self.send(&bytes).await;
        assert!(answer.status < 300, "{} {}", answer.head, answer.text());
        let requests = self.app.recorder.requests();
        let [request] = &requests[..] else { panic!("{} requests arrived", requests.len()) };
        (answer, request.clone())
    }

    /// A new connection.
    pub async fn connect(&self) -> RawClient {
        RawClient::connect(self.app.address).await
    }

    /// The service got not one byte since the last `forget`.
    pub fn assert_nothing_forwarded(&self, case: &str) {
        let bytes: Vec<u8> = self.app.recorder.raw_bytes().concat();
        assert!(bytes.is_empty(), "{case}: the service got {}", start_of(&bytes));
    }

    /// No byte sequence like this reached the service.
    pub fn assert_never_forwarded(&self, needle: &str, case: &str) {
        let bytes: Vec<u8> = self.app.recorder.raw_bytes().concat();
        let found = bytes.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle.as_bytes()));
        assert!(!found, "{case}: {needle:?} in {}", bytes.escape_ascii());
    }

    /// The next good request, on a new connection, is answered promptly, and is all that the service gets;
    /// nothing has panicked, and nothing the client did was taken for a fault of ours.
    pub async fn assert_serves(&self, case: &str) {
        self.app.recorder.forget();
        let started = Instant::now();
        let (_, request) = self.forwarded(head("GET /public/good", &[])).await;
        assert_eq!(request.target, "/public/good", "{case}");
        assert!(started.elapsed() < PROMPT, "{case}: the next request took {:?}", started.elapsed());
        let faults = ["panicked", "inside the gateway", "without its arrival"];
        let log = self.app.log_lines();
        let fault = log.iter().find(|line| faults.iter().any(|fault| line.contains(fault)));
        assert!(fault.is_none(), "{case}: {fault:?}");
    }
}

/// A head of nobody: the request line without its version, `Host`, then `lines`.
pub fn head(line: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nHost: front.example\r\n{lines}\r\n")
}

/// `body` as chunks of at most `size` bytes.
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

/// Bytes without a pattern that a copy error could hide in.
pub fn noise(size: usize) -> Vec<u8> {
    let mut state: u32 = 0x9e37_79b9;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..size).map(next).collect()
}

fn start_of(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(300)].escape_ascii().to_string()
}
