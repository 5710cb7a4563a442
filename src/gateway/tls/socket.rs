//! A client's connection behind its handshake.

use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Bytes of records that may wait for the socket. Small: what waits here counts as taken by the client, and a client
/// that takes nothing should be noticed.
const BUFFERED: usize = 32 * 1024;

/// The TLS stream.
#[derive(Debug)]
pub struct TlsSocket(TlsStream<TcpStream>);

impl TlsSocket {
    pub(super) fn new(mut stream: TlsStream<TcpStream>) -> Self {
        stream.get_mut().1.set_buffer_limit(Some(BUFFERED));
        Self(stream)
    }
}

impl AsRawFd for TlsSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.get_ref().0.as_raw_fd()
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

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::pki_types::{PrivateKeyDer, ServerName};
    use rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio::time::timeout;
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;

    #[tokio::test]
    async fn records_that_wait_for_the_socket_are_sent_by_whoever_reads() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).unwrap();
        let ring = || Arc::new(rustls::crypto::ring::default_provider());
        let server =
            ServerConfig::builder_with_provider(ring()).with_safe_default_protocol_versions().unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let server = server.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        let client =
            ClientConfig::builder_with_provider(ring()).with_safe_default_protocol_versions().unwrap();
        let client = client.with_root_certificates(roots).with_no_client_auth();

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let name = ServerName::try_from("a.example").unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let (shaken, connected) = tokio::join!(
            TlsAcceptor::from(Arc::new(server)).accept(accepted),
            TlsConnector::from(Arc::new(client)).connect(name, tcp)
        );
        let (mut socket, mut client) = (TlsSocket::new(shaken.unwrap()), connected.unwrap());

        // Until nothing more is taken; what was taken last waits in its records.
        let mut taken = 0;
        let block = [7; 16 * 1024];
        while let Poll::Ready(written) =
            poll_fn(|cx| Poll::Ready(Pin::new(&mut socket).poll_write(cx, &block))).await
        {
            taken += written.unwrap();
        }
        let read = async {
            let mut content = vec![0; taken];
            timeout(Duration::from_secs(10), client.read_exact(&mut content))
                .await
                .expect("all comes")
                .unwrap();
        };
        let mut byte = [0];
        tokio::select! {
            () = read => {}
            never = socket.read(&mut byte) => panic!("the client has said nothing: {never:?}"),
        }
    }
}
