//! TLS in front of a service that speaks without: it ends TLS, notes what the gateway said in the handshake, and passes
//! the bytes on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// A connection that was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handshake {
    /// The name that was asked for (SNI).
    pub name: Option<String>,
    /// The protocol that was agreed on (ALPN).
    pub protocol: Option<String>,
    /// Whether the client showed a certificate.
    pub certificate: bool,
}

/// The service; it ends with this.
pub struct TlsService {
    address: SocketAddr,
    handshakes: Arc<Mutex<Vec<Handshake>>>,
    _serving: JoinSet<()>,
}

impl TlsService {
    /// In front of `http1` or, where HTTP/2 was agreed on, `http2`.
    pub async fn start(config: Arc<ServerConfig>, http1: SocketAddr, http2: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let handshakes = Arc::<Mutex<Vec<Handshake>>>::default();
        let seen = Arc::clone(&handshakes);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let acceptor = TlsAcceptor::from(config);
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                connections.spawn(pass_on(acceptor.clone(), stream, Arc::clone(&seen), http1, http2));
            }
        });
        Self { address, handshakes, _serving: serving }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Handshakes that succeeded, in order.
    pub fn handshakes(&self) -> Vec<Handshake> {
        self.handshakes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn pass_on(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    seen: Arc<Mutex<Vec<Handshake>>>,
    http1: SocketAddr,
    http2: SocketAddr,
) {
    let Ok(mut stream) = acceptor.accept(stream).await else { return };
    let (_, session) = stream.get_ref();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let handshake = Handshake {
        name: session.server_name().map(str::to_owned),
        protocol: session.alpn_protocol().map(text),
        certificate: session.peer_certificates().is_some(),
    };
    let target = if handshake.protocol.as_deref() == Some("h2") { http2 } else { http1 };
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(handshake);
    let Ok(mut behind) = TcpStream::connect(target).await else { return };
    behind.set_nodelay(true).unwrap();
    // How it ends is the matter of both ends.
    let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
}
