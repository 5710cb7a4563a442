//! Serves a router on a listener of its own: the admin and the demo router. Clients of the gateway come through
//! the proxy instead.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

/// Connections at once of the admin listener: it is for a few operators and their programs.
pub const ADMIN_CONNECTIONS: usize = 64;
/// Of the admin listener.
pub const ADMIN_BOUNDS: ListenerBounds = ListenerBounds {
    connections: ADMIN_CONNECTIONS,
    head: Duration::from_secs(10),
    whole: Duration::from_secs(300),
};
/// Of the demo service, whose only client is the gateway: it keeps connections for seconds, and calls for as long as
/// their clients like.
pub const DEMO_BOUNDS: ListenerBounds = ListenerBounds {
    connections: 100_000,
    head: Duration::from_secs(60),
    whole: Duration::from_secs(24 * 3600),
};

/// After an accept that failed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What a client of a listener can hold.
#[derive(Debug, Clone, Copy)]
pub struct ListenerBounds {
    /// Connections at once. One more is closed at once.
    pub connections: usize,
    /// From the end of an answer, or the begin of the connection, to the end of the next head.
    pub head: Duration,
    /// A connection's whole life, however busy: the bound of a client that hardly reads its answer.
    pub whole: Duration,
}

/// Serves until `stopping` becomes true and the requests then in flight are answered.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bounds: ListenerBounds,
    mut stopping: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            // A sender that is gone means that the process is ending, too.
            _ = stopping.wait_for(|stopping| *stopping) => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tracing::debug!("a connection too many on a listener of our own");
            continue;
        };
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(bounds.head).max_buf_size(64 * 1024);
        let service = TowerToHyperService::new(router.clone());
        let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service));
        spawn(connection, place, bounds.whole);
    }
    drop(listener);
    graceful.shutdown().await;
}

fn spawn(
    connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
    place: OwnedSemaphorePermit,
    whole: Duration,
) {
    #[expect(
        clippy::disallowed_methods,
        reason = "one task a connection, owned by its place and its deadline"
    )]
    tokio::spawn(async move {
        match timeout(whole, connection).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "connection to a listener of our own ended"),
            Err(_) => tracing::debug!("connection to a listener of our own is over"),
        }
        drop(place);
    });
}
