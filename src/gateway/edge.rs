//! The edge: accepts connections, bounds them, and serves each in the protocol that it speaks.
//!
//! Our own accept loop around pingora's `HttpProxy` instead of pingora's `Server` and `Service`: caps are
//! applied before a connection costs anything, a failed bind is an ordinary error, tests use port 0, and the
//! head of each request is ours to read (see [`super::http1`]).

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use pingora::protocols::l4::stream::Stream as L4Stream;
use pingora::proxy::HttpProxy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::arrival::Client;
use super::guarded_stream::GuardedStream;
use super::http2::speaks_http2;
use super::proxy::Gateway;
use super::request::HeadLimits;
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
    /// Streams at once on a connection of HTTP/2.
    pub max_streams: u32,
    /// Whether HTTP/2 is served without TLS, to clients that begin with it.
    pub h2c: bool,
}

/// After an accept that failed, usually for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Between two looks for open requests whose tokens have expired: how much longer they may go on.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// Accepts and serves.
pub struct Edge {
    pub(super) proxy: Arc<HttpProxy<Gateway>>,
    pub(super) gateway: Gateway,
    pub(super) limits: EdgeLimits,
    connections: Arc<Semaphore>,
    /// Streams of HTTP/2 at once, of all connections: as many as connections, each of which is a request too.
    pub(super) streams: Arc<Semaphore>,
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
        let streams = Arc::new(Semaphore::new(limits.max_connections));
        Self { proxy: Arc::new(proxy), gateway, limits, connections, streams }
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

    /// Opens what the connection speaks and serves it to its end.
    async fn connection(
        self: &Arc<Self>,
        tcp: TcpStream,
        peer: SocketAddr,
        _permit: OwnedSemaphorePermit,
        stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let address = peer.ip().to_canonical();
        let client = Client {
            address,
            address_value: HeaderValue::try_from(address.to_string()).map_err(io::Error::other)?,
            proto: HeaderValue::from_static("http"),
        };
        if self.limits.h2c && speaks_http2(&tcp, self.limits.head_timeout).await? {
            self.http2(tcp, client, stop).await;
            return Ok(());
        }
        self.http1(GuardedStream::new(L4Stream::from(tcp)), client, stop).await;
        Ok(())
    }
}

struct Open<'a>(&'a Gateway);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.metrics().connections.dec();
    }
}
