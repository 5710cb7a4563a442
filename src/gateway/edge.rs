//! The edge: accepts connections, bounds them, and feeds requests to the proxy one by one.
//!
//! Our own accept loop around pingora's `HttpProxy` instead of pingora's `Server` and `Service`: caps are
//! applied before a connection costs anything, a failed bind is an ordinary error, tests use port 0, and the
//! head of each request is ours to read (see [`super::head_reader`]).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::HeaderValue;
use pingora::apps::{HttpPersistentSettings, HttpServerApp as _};
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::proxy::HttpProxy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::arrival::{Arrival, Client, Handed};
use super::client_connection::ClientConnection;
use super::guarded_stream::{GuardedStream, Violation};
use super::head_reader::{NoHead, last_words, read_head};
use super::proxy::Gateway;
use super::request::HeadLimits;
use super::respond;
use crate::api::Problem;
use crate::live::Cut;
use crate::telemetry::ConnectionRefusal;

/// Bounds of connections.
#[derive(Debug, Clone, Copy)]
pub struct EdgeLimits {
    /// Connections at once.
    pub max_connections: usize,
    /// Of a request head.
    pub head: HeadLimits,
    /// From the first byte of a head to its last; also for the first byte of a new connection.
    pub head_timeout: Duration,
    /// For the first byte of the next head on a kept connection.
    pub keepalive_timeout: Duration,
    /// Longest silence in a request body, and how long it may be waited for before its speed counts.
    pub body_timeout: Duration,
    /// The same of an answer.
    pub write_timeout: Duration,
}

/// How long reading away the rest of a refused body may take before the connection is closed instead.
const DRAIN: Duration = Duration::from_secs(2);
/// After an accept that failed, usually for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Between two looks for open requests whose tokens have expired: how much longer they may go on.
const SWEEP_EVERY: Duration = Duration::from_millis(500);
/// Pingora's keep-alive time: any will do, since the wait for the next head is ours.
const KEEP: u64 = 60;

/// Accepts and serves.
pub struct Edge {
    proxy: Arc<HttpProxy<Gateway>>,
    gateway: Gateway,
    limits: EdgeLimits,
    connections: Arc<Semaphore>,
}

impl Edge {
    /// An edge in front of `gateway`.
    pub fn new(gateway: Gateway, limits: EdgeLimits) -> Self {
        let conf = pingora::server::configuration::ServerConf {
            // Bounds tries over the servers of an upstream; each try is decided in `proxy`.
            max_retries: 8,
            upstream_keepalive_pool_size: 1024,
            ..Default::default()
        };
        let mut proxy = HttpProxy::new(gateway.clone(), Arc::new(conf));
        proxy.handle_init_modules();
        let connections = Arc::new(Semaphore::new(limits.max_connections));
        Self { proxy: Arc::new(proxy), gateway, limits, connections }
    }

    /// Serves until `stop` becomes true, then lets connections finish for at most `grace`. Returns whether all
    /// of them did.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: watch::Receiver<bool>,
        grace: Duration,
    ) -> bool {
        tokio::select! {
            finished = self.accept(listener, stop, grace) => finished,
            never = self.sweep() => match never {},
        }
    }

    /// Ends requests that outlive their tokens, in the grace of a stop too.
    async fn sweep(&self) -> Infallible {
        let mut sweeps = tokio::time::interval(SWEEP_EVERY);
        sweeps.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            sweeps.tick().await;
            self.gateway.end_expired();
        }
    }

    async fn accept(
        self: &Arc<Self>,
        listener: TcpListener,
        mut stop: watch::Receiver<bool>,
        grace: Duration,
    ) -> bool {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stopping| *stopping) => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => self.admit(tcp, peer, &stop),
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
        drop(listener);
        let all = u32::try_from(self.limits.max_connections).unwrap_or(u32::MAX);
        tokio::time::timeout(grace, self.connections.acquire_many(all)).await.is_ok()
    }

    fn admit(self: &Arc<Self>, tcp: TcpStream, peer: SocketAddr, stop: &watch::Receiver<bool>) {
        let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else {
            // Nothing is read and nothing is said: that is what makes refusing cheap.
            self.gateway.metrics().connection_refused(ConnectionRefusal::TooMany);
            return;
        };
        let (edge, stop) = (Arc::clone(self), stop.clone());
        #[expect(clippy::disallowed_methods, reason = "one task a connection, owned by its permit")]
        tokio::spawn(async move {
            edge.gateway.metrics().connections.inc();
            // The task may be dropped at any await: the gauge must come down then too.
            let _open = Open(&edge.gateway);
            if let Err(error) = edge.connection(tcp, peer, permit, stop).await {
                tracing::debug!(%error, "connection not set up");
            }
        });
    }

    async fn connection(
        &self,
        tcp: TcpStream,
        peer: SocketAddr,
        _permit: OwnedSemaphorePermit,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let address = peer.ip().to_canonical();
        let client = Client {
            address,
            address_value: HeaderValue::try_from(address.to_string()).map_err(io::Error::other)?,
            proto: HeaderValue::from_static("http"),
        };
        let mut stream = Box::new(GuardedStream::new(L4Stream::from(tcp)));
        let connection = Arc::new(self.gateway.connection());
        let mut settings: Option<HttpPersistentSettings> = None;
        let mut idle = self.limits.head_timeout;
        loop {
            let limits = &self.limits;
            let head = match read_head(&mut stream, &limits.head, idle, limits.head_timeout, &mut stop).await
            {
                Ok(head) => head,
                Err(no_head) => {
                    self.no_head(&mut stream, &client, no_head).await;
                    return Ok(());
                }
            };
            let received = head.bytes.get(head.end..).unwrap_or_default();
            let expected = stream.expect(&head.request, received, limits.body_timeout, limits.write_timeout);
            let arrival = Arrival {
                client: client.clone(),
                request: head.request,
                id: self.gateway.request_id(),
                started: head.started,
            };
            if let Err(violation) = expected {
                self.bad_body(&mut stream, &arrival, violation).await;
                return Ok(());
            }
            let handed = Handed { arrival, connection: Arc::clone(&connection) };
            let session = self.session(stream, settings.take(), head.bytes, handed, &stop);
            connection.begin();
            let mut request = self.proxy.process_new_http(session, &stop);
            let served = match connection.open.until_cut(&mut request).await {
                Err(why) => tokio::time::timeout(connection.grace(), &mut request).await.map_err(|_| why),
                served => served,
            };
            // With it goes, if it was cut, the connection to the service.
            drop(request);
            let reused = match served {
                Ok(Some(reused)) => reused,
                Ok(None) => return Ok(()),
                Err(why) => {
                    self.cut(&connection, why);
                    return Ok(());
                }
            };
            let (back, kept) = reused.consume();
            settings = kept;
            match GuardedStream::back(back) {
                Some(back) if back.body_ended() => stream = back,
                // Pingora saw the end of the body where there is none.
                Some(_) | None => return Ok(()),
            }
            idle = self.limits.keepalive_timeout;
        }
    }

    /// A pingora session that has received exactly the bytes that were judged.
    fn session(
        &self,
        stream: Box<GuardedStream>,
        settings: Option<HttpPersistentSettings>,
        bytes: BytesMut,
        handed: Handed,
        stop: &watch::Receiver<bool>,
    ) -> ServerSession {
        let mut session = ServerSession::new_http1(stream);
        if let Some(settings) = settings {
            settings.apply_to_session(&mut session);
        }
        let keep = handed.arrival.request.keep_alive() && !*stop.borrow();
        session.set_keepalive(keep.then_some(KEEP));
        session.set_read_timeout(Some(self.limits.body_timeout));
        session.set_write_timeout(Some(self.limits.write_timeout));
        session.set_total_drain_timeout(Some(DRAIN));
        // An answer that is out before the body was read must not be lost to a reset, which closing at once with
        // unread bytes would cause: the body is read away first, within `DRAIN`.
        session.set_close_on_response_before_downstream_finish(false);
        session.set_pipelined_prefix(bytes);
        session.set_connection_user_context(Some(Box::new(handed)));
        session
    }

    /// The request's future is gone, and with it the client's connection and the service's.
    fn cut(&self, connection: &ClientConnection, why: Cut) {
        match connection.left() {
            Some(left) => self.gateway.report_cut(&left, why),
            // It was over, and only its last bytes on their way: its line is written.
            None => tracing::debug!(?why, "a connection closed behind its last request"),
        }
    }

    async fn no_head(&self, stream: &mut GuardedStream, client: &Client, no_head: NoHead) {
        let problem = match no_head {
            NoHead::Gone => return,
            NoHead::TooSlow => Problem::new(
                http::StatusCode::REQUEST_TIMEOUT,
                "head_timeout",
                "the request head did not arrive in time",
            ),
            NoHead::Refused(refusal) => respond::refusal_problem(&refusal),
        };
        let id = self.gateway.request_id();
        self.gateway.report_refused_head(client.address, id, &problem);
        last_words(stream, &respond::raw(&problem, id)).await;
    }

    /// The part of a body that came with its head is already wrong.
    async fn bad_body(&self, stream: &mut GuardedStream, arrival: &Arrival, violation: Violation) {
        if let (Some(problem), _) = respond::violation_problem(violation) {
            self.gateway.report_refused_body(arrival, &problem);
            last_words(stream, &respond::raw(&problem, arrival.id)).await;
        }
    }
}

struct Open<'a>(&'a Gateway);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.metrics().connections.dec();
    }
}
