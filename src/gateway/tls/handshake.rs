//! From an accepted connection to a TLS stream.

use std::io;
use std::sync::Arc;

use rustls::server::Acceptor;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::LazyConfigAcceptor;

use super::failure::reason;
use super::protocol::Protocol;
use super::server::{SecuredBy, Tls};
use super::socket::TlsSocket;
use crate::telemetry::HandshakeFailure;

/// First byte of a TLS record that holds a handshake message (RFC 8446 section 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// A connection behind its handshake.
pub(super) struct Secured {
    pub stream: Box<TlsSocket>,
    pub protocol: Protocol,
    pub by: Arc<SecuredBy>,
}

/// A connection without TLS.
pub(super) enum Unsecured {
    /// The client speaks something else, perhaps HTTP; not a byte was taken.
    Plain(TcpStream),
    /// The handshake failed; the client was told by an alert where TLS has one.
    Failed(HandshakeFailure, Option<io::Error>),
}

impl Tls {
    /// Shakes hands.
    pub(super) async fn accept(&self, tcp: TcpStream, until: Instant) -> Result<Secured, Unsecured> {
        match timeout_at(until, self.shake(tcp)).await {
            Ok(shaken) => shaken,
            Err(_) => Err(Unsecured::Failed(HandshakeFailure::TooSlow, None)),
        }
    }

    async fn shake(&self, tcp: TcpStream) -> Result<Secured, Unsecured> {
        let mut first = [0];
        match tcp.peek(&mut first).await.map_err(failed)? {
            0 => return Err(Unsecured::Failed(HandshakeFailure::ClientGone, None)),
            _ if first != [HANDSHAKE_RECORD] => return Err(Unsecured::Plain(tcp)),
            _ => {}
        }
        let greeting = LazyConfigAcceptor::new(Acceptor::default(), tcp).await.map_err(failed)?;
        let (config, by) = {
            let entries = self.entries.load();
            let Some(entry) = entries.choose(greeting.client_hello().server_name()) else {
                return Err(Unsecured::Failed(HandshakeFailure::Other, None));
            };
            (Arc::clone(&entry.config), Arc::clone(&entry.by))
        };
        let stream = greeting.into_stream(config).await.map_err(failed)?;
        let protocol = Protocol::of(stream.get_ref().1.alpn_protocol());
        Ok(Secured { stream: Box::new(TlsSocket::new(stream)), protocol, by })
    }

    /// Whether a certificate in force is for this host.
    pub(super) fn covers(&self, host: &str) -> bool {
        self.entries.load().cover(host)
    }
}

fn failed(error: io::Error) -> Unsecured {
    Unsecured::Failed(reason(&error), Some(error))
}
