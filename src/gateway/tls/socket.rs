//! A TLS stream as a socket of the proxy library's.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Bytes of records that may wait for the socket. Small: what waits here counts as taken by the client, and a client
/// that takes nothing should be noticed.
const BUFFERED: usize = 32 * 1024;

/// A client's connection behind its handshake.
#[derive(Debug)]
pub(super) struct TlsSocket(TlsStream<TcpStream>);

impl TlsSocket {
    pub(super) fn new(mut stream: TlsStream<TcpStream>) -> Self {
        stream.get_mut().1.set_buffer_limit(Some(BUFFERED));
        Self(stream)
    }
}

impl VirtualSocket for TlsSocket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.0.get_ref().0.set_nodelay(true),
            // Keep-alive probes are not asked for.
            _ => Ok(()),
        }
    }
}

impl AsyncRead for TlsSocket {
    /// A write is done when its record is made, which may be before the socket takes it. Nobody needs to flush a piece
    /// of a body, so whoever waits for the client sends the rest of the records meanwhile.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.0.get_ref().1.wants_write()
            && let Poll::Ready(Err(error)) = Pin::new(&mut self.0).poll_flush(cx)
        {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TlsSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    /// Says `close_notify` first: what came before is all there was.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
