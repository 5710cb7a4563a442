//! The two listeners.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::log::Log;
use super::{control, upstream};

/// Connections of each listener at a time; more wait.
const MOST_CONNECTIONS: usize = 4096;

/// Why there is no recorder.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// Others would reach it.
    #[error(
        "{0} is no loopback address: whoever reaches the recorder reads every request; --anywhere allows it"
    )]
    NotLoopback(SocketAddr),
    /// The address is taken, or is not ours.
    #[error("cannot listen on {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

/// A recorder that listens, and answers while [`Recorder::run`] is polled.
pub struct Recorder {
    upstream: TcpListener,
    control: TcpListener,
    addresses: (SocketAddr, SocketAddr),
}

impl Recorder {
    /// Listens for the gateway on `listen` and for questions on `control`, on loopback addresses only.
    ///
    /// # Errors
    /// [`RecorderError`].
    pub async fn bind(listen: SocketAddr, control: SocketAddr) -> Result<Self, RecorderError> {
        for address in [listen, control] {
            if !address.ip().is_loopback() {
                return Err(RecorderError::NotLoopback(address));
            }
        }
        Self::bind_anywhere(listen, control).await
    }

    /// The same on any address: anybody who reaches it can read what it recorded.
    ///
    /// # Errors
    /// [`RecorderError::Bind`].
    pub async fn bind_anywhere(listen: SocketAddr, control: SocketAddr) -> Result<Self, RecorderError> {
        let (upstream, listen) = bind(listen).await?;
        let (control, asked) = bind(control).await?;
        Ok(Self { upstream, control, addresses: (listen, asked) })
    }

    /// Where the gateway's upstream is.
    pub fn address(&self) -> SocketAddr {
        self.addresses.0
    }

    /// Where the records are asked for.
    pub fn control_address(&self) -> SocketAddr {
        self.addresses.1
    }

    /// Records and answers for ever; dropping the future closes everything.
    pub async fn run(self) {
        let log = Arc::new(Log::default());
        let count = AtomicUsize::new(0);
        let for_control = Arc::clone(&log);
        tokio::join!(
            accept(&self.upstream, |stream| {
                let (log, connection) = (Arc::clone(&log), count.fetch_add(1, Ordering::Relaxed));
                async move { upstream::serve(stream, &log, connection).await }
            }),
            accept(&self.control, |stream| {
                let log = Arc::clone(&for_control);
                async move { control::serve(stream, &log).await }
            }),
        );
    }
}

async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), RecorderError> {
    let wrong = |error| RecorderError::Bind { address, error };
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let address = listener.local_addr().map_err(wrong)?;
    Ok((listener, address))
}

async fn accept<F, S>(listener: &TcpListener, serve: F)
where
    F: Fn(tokio::net::TcpStream) -> S,
    S: Future<Output = io::Result<()>> + Send + 'static,
{
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                // Else every answer in two writes waits for a delayed acknowledgement.
                let _gone = stream.set_nodelay(true);
                let served = serve(stream);
                connections.spawn(async move {
                    // The gateway's side of a broken connection is the gateway's business.
                    let _gone = served.await;
                    drop(permit);
                });
            }
            // Out of descriptors, mostly.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}
