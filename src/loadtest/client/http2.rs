//! Connections of HTTP/2, each shared by several requests at a time.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use h2::{Reason, RecvStream};
use http::header::{ACCEPT, AUTHORIZATION, HeaderValue, USER_AGENT};
use http::{Method, Request, Uri, Version};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::connect::Connector;
use crate::loadtest::judge::{Failure, Outcome};
use crate::loadtest::options::Options;

/// Answers that may be under way on a stream and on a connection, in bytes.
const WINDOWS: (u32, u32) = (1 << 20, 1 << 24);

/// The parts of a request around its token.
#[derive(Debug)]
pub(in crate::loadtest) struct RequestParts {
    method: Method,
    uri: Uri,
}

impl RequestParts {
    /// Of this run.
    pub(in crate::loadtest) fn new(options: &Options) -> Self {
        Self { method: options.method.clone(), uri: options.address.uri().clone() }
    }

    /// `credentials` is the value of `Authorization`.
    fn request(&self, credentials: Option<Bytes>) -> Result<Request<()>, Outcome> {
        let mut request = Request::new(());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = Version::HTTP_2;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, HeaderValue::from_static("gateward-loadtest"));
        headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
        if let Some(credentials) = credentials {
            let value = HeaderValue::from_maybe_shared(credentials);
            let mut value = value.map_err(|_| Outcome::Failed(Failure::Closed))?;
            // Not into the table of the connection: the next token is another one.
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(request)
    }
}

/// A connection, made anew when it is lost.
pub(in crate::loadtest) struct Http2Connection {
    connector: Connector,
    current: Mutex<Current>,
    /// What reads and writes; ends with this.
    drivers: RefCell<JoinSet<()>>,
}

#[derive(Default)]
struct Current {
    sender: Option<SendRequest<Bytes>>,
    /// Of how many.
    number: u64,
}

/// One request at a time on a connection.
pub(in crate::loadtest) struct Http2Lane {
    connection: Rc<Http2Connection>,
    parts: Arc<RequestParts>,
    limit: Duration,
}

impl Http2Connection {
    /// Not connected yet.
    pub(in crate::loadtest) fn new(connector: Connector) -> Rc<Self> {
        Rc::new(Self { connector, current: Mutex::default(), drivers: RefCell::default() })
    }

    /// A way to send on it, once it takes another request.
    async fn sender(&self) -> Result<SendRequest<Bytes>, Outcome> {
        let mut current = self.current.lock().await;
        if let Some(sender) = current.sender.clone() {
            let number = current.number;
            // Not held while it is full.
            drop(current);
            if let Ok(ready) = sender.ready().await {
                return Ok(ready);
            }
            current = self.current.lock().await;
            // Unless another request has found that out before.
            if current.number == number {
                current.sender = None;
            }
        }
        let sender = match current.sender.clone() {
            Some(sender) => sender,
            None => {
                // Held while it is made: the others wait for the same one.
                let made = self.connect().await.map_err(|_| Outcome::Failed(Failure::Connect))?;
                current.number = current.number.wrapping_add(1);
                current.sender.insert(made).clone()
            }
        };
        drop(current);
        sender.ready().await.map_err(|_| Outcome::Failed(Failure::Closed))
    }

    async fn connect(&self) -> std::io::Result<SendRequest<Bytes>> {
        let stream = self.connector.dial().await?;
        let handshake = Builder::new()
            .initial_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .enable_push(false)
            .handshake(stream);
        let (sender, connection) = handshake.await.map_err(std::io::Error::other)?;
        let mut drivers = self.drivers.borrow_mut();
        // Forgets those that have ended.
        while drivers.try_join_next().is_some() {}
        drivers.spawn_local(async move {
            // How it ends is told to its streams.
            let _ended = connection.await;
        });
        Ok(sender)
    }
}

impl Http2Lane {
    /// On this connection.
    pub(in crate::loadtest) fn new(
        connection: Rc<Http2Connection>,
        parts: Arc<RequestParts>,
        limit: Duration,
    ) -> Self {
        Self { connection, parts, limit }
    }

    /// Sends a request and reads its whole answer.
    pub(in crate::loadtest) async fn exchange(&mut self, credentials: Option<Bytes>) -> Outcome {
        let exchange = async {
            let first = self.once(credentials.clone()).await;
            // A gateway that closes the connection did not look at what came after: that may be sent again.
            if first == Err(Ending::NotLookedAt) { self.once(credentials).await } else { first }
        };
        match timeout(self.limit, exchange).await {
            Ok(Ok(status)) => Outcome::Answered(status),
            Ok(Err(Ending::Outcome(outcome))) => outcome,
            Ok(Err(Ending::NotLookedAt)) => Outcome::Failed(Failure::Closed),
            Err(_) => Outcome::Failed(Failure::Late),
        }
    }

    async fn once(&self, credentials: Option<Bytes>) -> Result<u16, Ending> {
        let mut sender = self.connection.sender().await?;
        let request = self.parts.request(credentials)?;
        let (answer, _) = sender.send_request(request, true).map_err(|error| ending(&error))?;
        let answer = answer.await.map_err(|error| ending(&error))?;
        let status = answer.status().as_u16();
        read(answer.into_body()).await.map_err(|error| ending(&error))?;
        Ok(status)
    }
}

/// Reads a body to its end; the library compares its length with what the head says.
async fn read(mut body: RecvStream) -> Result<(), h2::Error> {
    while let Some(data) = body.data().await {
        let length = data?.len();
        body.flow_control().release_capacity(length)?;
    }
    body.trailers().await?;
    Ok(())
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    NotLookedAt,
    Outcome(Outcome),
}

impl From<Outcome> for Ending {
    fn from(outcome: Outcome) -> Self {
        Self::Outcome(outcome)
    }
}

fn ending(error: &h2::Error) -> Ending {
    match error.reason() {
        // RFC 9113, sections 6.8 and 8.7.
        Some(Reason::NO_ERROR) if error.is_go_away() && error.is_remote() => Ending::NotLookedAt,
        Some(Reason::REFUSED_STREAM) if error.is_remote() => Ending::NotLookedAt,
        // Our library found the answer wrong.
        Some(Reason::PROTOCOL_ERROR) if error.is_library() => Ending::Outcome(Outcome::Misframed),
        _ => Ending::Outcome(Outcome::Failed(Failure::Closed)),
    }
}
