//! A gateway that speaks TLS, and who trusts it.

use serde_json::json;

use super::front::PROMPT;
use crate::support::app::{AppBuilder, PASSWORD, TestApp};
use crate::support::raw::{RawClient, RawResponse};
use crate::support::tls::{Authority, Pair, TlsClient};
use crate::support::wait::eventually;

/// The first name of the usual certificate.
pub const HOST: &str = "gw.example";

/// A running gateway, its authority, and the files of its certificates.
pub struct TlsFront {
    pub app: TestApp,
    pub authority: Authority,
    pub pairs: Vec<Pair>,
}

impl TlsFront {
    /// One certificate for [`HOST`] and the loopback address.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// The same with more configuration.
    pub async fn with(config: &str) -> Self {
        Self::of(&[&[HOST, "127.0.0.1", "localhost"]], TestApp::embedded().config(config)).await
    }

    /// A certificate for each list of names.
    pub async fn of(names: &[&[&str]], builder: AppBuilder) -> Self {
        let authority = Authority::new();
        let pairs: Vec<Pair> = names.iter().map(|names| authority.server(names)).collect();
        let app = builder.tls(&pairs).start().await;
        Self { app, authority, pairs }
    }

    /// A client that trusts it.
    pub fn client(&self) -> TlsClient {
        self.authority.trusted()
    }

    /// A connection to [`HOST`].
    pub async fn connect(&self) -> RawClient {
        self.client().connect(self.app.address, HOST).await
    }

    /// One request on a connection of its own.
    pub async fn send(&self, bytes: impl AsRef<[u8]>) -> RawResponse {
        answer(&mut self.connect().await, bytes).await
    }

    /// Registers and logs in, all over TLS: an access token and a refresh token.
    pub async fn person(&self) -> (String, String) {
        let email = self.app.new_email();
        let credentials = json!({"email": email, "password": PASSWORD}).to_string();
        let mut client = self.connect().await;
        assert_eq!(answer(&mut client, post("/auth/register", &credentials)).await.status, 201);
        let pair = answer(&mut client, post("/auth/login", &credentials)).await;
        assert_eq!(pair.status, 200, "{}", pair.text());
        let token = |name: &str| pair.json()[name].as_str().unwrap().to_owned();
        (token("access_token"), token("refresh_token"))
    }

    /// A sample of `/metrics` reaches a value.
    pub async fn assert_metric(&self, sample: &str, value: &str) {
        let line = format!("{sample} {value}");
        let reached =
            eventually(PROMPT, || async { self.metrics().await.lines().any(|found| found == line) });
        let reached = reached.await;
        assert!(reached, "no {line} in\n{}", self.metrics().await);
    }

    async fn metrics(&self) -> String {
        self.app.get_admin("/metrics").await.text().await.unwrap()
    }
}

/// A head for [`HOST`]: the request line without its version, then `lines`.
pub fn head(line: &str, lines: &[&str]) -> String {
    head_for(HOST, line, lines)
}

/// The same for another host.
pub fn head_for(host: &str, line: &str, lines: &[&str]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{line} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")
}

/// A request with a JSON body.
pub fn post(path: &str, json: &str) -> String {
    let length = format!("Content-Length: {}", json.len());
    head(&format!("POST {path}"), &["Content-Type: application/json", &length]) + json
}

/// Sends and reads one answer.
pub async fn answer(client: &mut RawClient, bytes: impl AsRef<[u8]>) -> RawResponse {
    client.send(bytes).await;
    client.read_response().await.unwrap_or_else(|none| panic!("{none:?}"))
}
