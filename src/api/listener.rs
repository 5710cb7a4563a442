//! Serves a router on a listener of its own: the admin and the demo router. Clients of the gateway come through
//! the proxy instead.

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Serves until `stopping` becomes true and the requests then in flight are answered.
pub async fn serve(listener: TcpListener, router: Router, mut stopping: watch::Receiver<bool>) {
    let stop = async move {
        // A sender that is gone means that the process is ending, too.
        let _stop = stopping.wait_for(|stopping| *stopping).await;
    };
    if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(stop).await {
        tracing::error!(%error, "a listener ended");
    }
}
