//! A service that speaks HTTP/2 without TLS, by prior knowledge. Each request waits for the test to answer it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream, server};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(10);

/// The service; it ends with this.
pub struct H2Service {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    calls: Receiver<Call>,
    _serving: JoinSet<()>,
}

/// A request and the way to its answer.
pub struct Call {
    /// Of which connection, from 1.
    pub connection: usize,
    pub request: Request<RecvStream>,
    pub answer: SendResponse<Bytes>,
}

impl H2Service {
    pub async fn start() -> Self {
        Self::with(server::Builder::new()).await
    }

    /// With settings of its own.
    pub async fn with(builder: server::Builder) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&connections);
        let (sender, calls) = channel(100);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                open.spawn(serve(builder.clone(), stream, number, sender.clone()));
            }
        });
        Self { address, connections, calls, _serving: serving }
    }

    /// One that answers everything by itself with 200 and its name for the request: where it listens, for as long as
    /// the rest of what is returned lives.
    pub async fn answering() -> (SocketAddr, JoinSet<()>) {
        let service = Self::start().await;
        let address = service.address;
        let mut answers = JoinSet::new();
        answers.spawn(async move {
            let mut service = service; // all of it
            while let Some(call) = service.calls.recv().await {
                call.answer(200, &[("x-version", "2")], "over HTTP/2");
            }
        });
        (address, answers)
    }

    /// Connections so far, HTTP/2 or not.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The next request.
    ///
    /// # Panics
    /// When none comes.
    pub async fn call(&mut self) -> Call {
        timeout(DEADLINE, self.calls.recv()).await.expect("a request comes").expect("the service runs")
    }

    /// No request is there that the test has not taken.
    pub fn assert_no_call(&mut self, case: &str) {
        assert!(self.calls.try_recv().is_err(), "{case}: a request came");
    }
}

async fn serve(builder: server::Builder, stream: TcpStream, number: usize, calls: Sender<Call>) {
    let Ok(mut connection) = builder.handshake(stream).await else { return };
    while let Some(Ok((request, answer))) = connection.accept().await {
        if request.uri().path().ends_with("/leave") {
            // Takes no further request (GOAWAY), and still answers this one.
            connection.graceful_shutdown();
        }
        if calls.send(Call { connection: number, request, answer }).await.is_err() {
            return;
        }
    }
}

impl Call {
    /// Each value of a field of the request.
    pub fn header(&self, name: &str) -> Vec<String> {
        let values = self.request.headers().get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }

    /// What the request's body holds, up to its end.
    pub async fn body(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        while let Some(part) = self.part().await {
            body.extend_from_slice(&part);
        }
        body
    }

    /// The next part of the request's body; the end may be an empty one.
    pub async fn part(&mut self) -> Option<Bytes> {
        let stream = self.request.body_mut();
        let part = timeout(DEADLINE, stream.data()).await.expect("the body goes on or ends")?.unwrap();
        stream.flow_control().release_capacity(part.len()).unwrap();
        Some(part).filter(|part| !part.is_empty())
    }

    /// Answers with a head; the body follows.
    pub fn begin(&mut self, status: u16, fields: &[(&str, &str)]) -> SendStream<Bytes> {
        self.answer.send_response(head(status, fields), false).unwrap()
    }

    /// Answers with this body.
    pub fn answer(mut self, status: u16, fields: &[(&str, &str)], body: impl Into<Bytes>) {
        self.begin(status, fields).send_data(body.into(), true).unwrap();
    }

    /// Answers with a head alone.
    pub fn answer_head(mut self, status: u16, fields: &[(&str, &str)]) {
        self.answer.send_response(head(status, fields), true).unwrap();
    }
}

/// As trailers.
pub fn fields(fields: &[(&str, &str)]) -> HeaderMap {
    let parsed = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    fields.iter().map(parsed).collect()
}

fn head(status: u16, values: &[(&str, &str)]) -> Response<()> {
    let mut head = Response::builder().status(status).body(()).unwrap();
    *head.headers_mut() = fields(values);
    head
}
