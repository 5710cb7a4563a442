//! Connections to a service for a request that asks for another protocol.
//!
//! The proxy library drives such a request in two halves, and the one that talks to the service hears two things:
//! that the request has no body, and the service's `101`. When it takes the `101` first, it takes the other for
//! the end of the new protocol and closes the connection (pingora issue 946): with a service on the same machine that
//! hit one WebSocket in twenty. So the service's first words are held back here for a few looks, within which
//! the empty body is certain to be noticed; no time passes, for each look asks for the next one.
//!
//! Over TLS, which is spoken through this connection, the service's first words about the request come after those of
//! the handshake; so what follows each of the first writes is held back, of which the request is one.
//!
//! These connections are never kept for another request.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Looks in vain. Both halves are polled by one task, one after the other: at the first look the empty body may not
/// have been handed over yet, at the second it has, and is taken. One more costs nothing.
const LOOKS: u8 = 3;

/// Writes after which bytes are held back. A handshake with the longest certificates takes a dozen and the longest
/// request three; what comes later belongs to the new protocol, and is no longer looked at.
const HELD_WRITES: u8 = 64;

/// Makes the connections.
#[derive(Debug)]
pub struct UpgradeConnector {
    /// Deadline of a connection.
    pub timeout: Duration,
}

#[async_trait]
impl L4Connect for UpgradeConnector {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Error::e_explain(ErrorType::InternalError, "a service has an internet address");
        };
        let connecting = tokio::time::timeout(self.timeout, TcpStream::connect(address));
        let socket = match connecting.await {
            Ok(Ok(socket)) => socket,
            Ok(Err(error)) => return Error::e_because(ErrorType::ConnectError, "no connection", error),
            Err(_) => return Error::e_explain(ErrorType::ConnectTimedout, "no connection in time"),
        };
        let held = HeldBack { socket, looks_left: LOOKS, writes_left: HELD_WRITES };
        Ok(Stream::from(VirtualSocketStream::new(Box::new(held))))
    }
}

/// A socket whose first bytes are held back.
#[derive(Debug)]
struct HeldBack {
    socket: TcpStream,
    looks_left: u8,
    writes_left: u8,
}

impl VirtualSocket for HeldBack {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.socket.set_nodelay(true),
            // Keep-alive probes are not asked for.
            _ => Ok(()),
        }
    }
}

impl AsyncRead for HeldBack {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(left) = self.looks_left.checked_sub(1) {
            self.looks_left = left;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for HeldBack {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(left) = self.writes_left.checked_sub(1) {
            self.writes_left = left;
            self.looks_left = LOOKS;
        }
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
