//! The edge: accepts connections, bounds them, and serves each in the protocol that it speaks.
//!
//! Our own accept loop around pingora's `HttpProxy` instead of pingora's `Server` and `Service`: caps are
//! applied before a connection costs anything, a failed bind is an ordinary error, tests use port 0, and the
//! head of each request is ours to read (see [`super::http1`]).

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pingora::proxy::HttpProxy;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::arrival::Client;
use super::guarded_stream::GuardedStream;
use super::http2::speaks_http2;
use super::places::{Place, Places};
use super::proxy::Gateway;
use super::request::HeadLimits;
use super::spare_file::SpareFile;
use super::tls::Tls;
use crate::domain::forwarding::TrustedProxies;

/// Bounds of connections.
#[derive(Debug, Clone)]
pub struct EdgeLimits {
    /// Connections at once.
    pub max_connections: usize,
    /// Of these, from one address, of IPv6 from one /64. None: all.
    pub max_connections_per_address: Option<usize>,
    /// Whether that holds for loopback addresses too.
    pub count_loopback: bool,
    /// Whose word counts about who calls, and whose connections are counted only in all.
    pub trusted_proxies: TrustedProxies,
    /// Of a connection; it is closed behind the last one. None: any number.
    pub max_requests_per_connection: Option<u64>,
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

/// Connections to services that are kept for another request, in all.
pub const KEPT_UPSTREAM_CONNECTIONS: usize = 1024;
/// After an accept that failed, usually for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// Between two looks for open requests whose tokens have expired: how much longer they may go on.
const SWEEP_EVERY: Duration = Duration::from_millis(500);

/// Accepts and serves.
pub struct Edge {
    pub(super) proxy: Arc<HttpProxy<Gateway>>,
    pub(super) gateway: Gateway,
    pub(super) limits: EdgeLimits,
    places: Arc<Places>,
    /// For streams of HTTP/2 at once, of all connections: as many as for connections, each of which is a request too.
    /// None of them waits.
    pub(super) streams: Arc<Places>,
    /// None: plain HTTP.
    tls: Option<Arc<Tls>>,
}

/// Which listener a connection came to.
#[derive(Debug, Clone, Copy)]
enum Door {
    /// `server.listen`.
    Front,
    /// `tls.redirect_listen`: plain HTTP, sent to the front.
    Redirect,
}

impl Edge {
    /// An edge in front of `gateway`.
    pub fn new(gateway: Gateway, limits: EdgeLimits) -> Self {
        let conf = pingora::server::configuration::ServerConf {
            // Bounds tries over the servers of an upstream; each try is decided in `proxy`.
            max_retries: 8,
            upstream_keepalive_pool_size: KEPT_UPSTREAM_CONNECTIONS,
            ..Default::default()
        };
        let mut proxy = HttpProxy::new(gateway.clone(), Arc::new(conf));
        proxy.handle_init_modules();
        let places = Places::new(limits.max_connections, limits.max_connections_per_address);
        let streams = Places::new(limits.max_connections, limits.max_connections_per_address);
        Self { proxy: Arc::new(proxy), gateway, limits, places, streams, tls: None }
    }

    /// The same edge, speaking TLS only.
    pub fn with_tls(self, tls: Arc<Tls>) -> Self {
        Self { tls: Some(tls), ..self }
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

    /// Sends plain HTTP to the TLS listener until `stop` becomes true; these connections count, and are waited for, with
    /// those of [`Edge::serve`].
    pub async fn redirect_to_tls(self: Arc<Self>, listener: TcpListener, stop: watch::Receiver<bool>) {
        self.accept_all(&listener, Door::Redirect, stop).await;
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
        stop: watch::Receiver<bool>,
        grace: Duration,
    ) -> bool {
        self.accept_all(&listener, Door::Front, stop).await;
        drop(listener);
        tokio::time::timeout(grace, self.places.emptied()).await.is_ok()
    }

    async fn accept_all(
        self: &Arc<Self>,
        listener: &TcpListener,
        door: Door,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut spare = SpareFile::new();
        loop {
            let accepted = tokio::select! {
                biased;
                _ = stop.wait_for(|stopping| *stopping) => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((tcp, peer)) => self.admit(tcp, peer, door, &stop),
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    spare.turn_away(listener).await;
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, tcp: TcpStream, peer: SocketAddr, door: Door, stop: &watch::Receiver<bool>) {
        let address = peer.ip().to_canonical();
        let entry = self.places.enter(self.counted(address));
        if let Some(why) = entry.displaced {
            self.gateway.metrics().connection_displaced(why);
        }
        let place = match entry.place {
            Ok(place) => place,
            Err(why) => {
                // Nothing is read and nothing is said: that is what makes refusing cheap.
                self.gateway.metrics().connection_refused(why);
                return;
            }
        };
        let (edge, stop) = (Arc::clone(self), stop.clone());
        #[expect(clippy::disallowed_methods, reason = "one task a connection, owned by its place")]
        tokio::spawn(async move {
            edge.gateway.metrics().connections.inc();
            // The task may be dropped at any await: the gauge must come down then too.
            let _open = Open(&edge.gateway);
            if let Err(error) = edge.connection(tcp, address, door, place, stop).await {
                tracing::debug!(%error, "connection not set up");
            }
        });
    }

    async fn speaks_http2(&self, tcp: &TcpStream, place: &Place) -> io::Result<bool> {
        tokio::select! {
            speaks = speaks_http2(tcp, self.limits.head_timeout) => speaks,
            () = place.lost() => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// The address that what this peer holds is counted for; none for one that speaks for many.
    pub(super) fn counted(&self, peer: IpAddr) -> Option<IpAddr> {
        let limits = &self.limits;
        let shared = limits.trusted_proxies.trusts(peer) || (peer.is_loopback() && !limits.count_loopback);
        (!shared).then_some(peer)
    }

    /// Opens what the connection speaks and serves it to its end.
    async fn connection(
        self: &Arc<Self>,
        tcp: TcpStream,
        address: IpAddr,
        door: Door,
        place: Place,
        stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        // Until its first request is there.
        place.wait();
        let client = Client::plain(address).map_err(io::Error::other)?;
        match (&self.tls, door) {
            (None, _) if self.limits.h2c && self.speaks_http2(&tcp, &place).await? => {
                // In boxes of their own: what idles over HTTP/1.1 need not have the room of the others.
                Box::pin(self.http2(tcp, client, place, stop)).await;
            }
            (None, _) => self.http1(GuardedStream::new(tcp), client, place, stop).await,
            (Some(tls), Door::Front) => Box::pin(self.secured(tls, tcp, client, place, stop)).await,
            (Some(tls), Door::Redirect) => Box::pin(self.redirect(tls, tcp, client, place, stop)).await,
        }
        Ok(())
    }
}

struct Open<'a>(&'a Gateway);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.metrics().connections.dec();
    }
}
