//! Connections to the gateway, plain or with TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::torture::case::Protocol;

/// For connecting and the TLS handshake.
const DEADLINE: Duration = Duration::from_secs(3);

/// Both directions of a connection.
pub(in crate::torture) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A connection.
pub(in crate::torture) type Stream = Box<dyn Duplex>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(in crate::torture) enum DialError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no connection within {DEADLINE:?}")]
    Late,
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("it does not speak HTTP/2 (ALPN)")]
    NoHttp2,
}

/// Makes connections to one gateway.
pub(in crate::torture) struct Connector {
    address: SocketAddr,
    tls: Option<Tls>,
}

struct Tls {
    name: ServerName<'static>,
    h1: TlsConnector,
    h2: TlsConnector,
}

impl Connector {
    /// Without TLS.
    pub(in crate::torture) fn plain(address: SocketAddr) -> Self {
        Self { address, tls: None }
    }

    /// With TLS; `insecure` takes any certificate.
    ///
    /// # Errors
    /// No TLS for this name, or no trusted roots.
    pub(in crate::torture) fn tls(
        address: SocketAddr,
        host: &str,
        insecure: bool,
    ) -> Result<Self, DialError> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let connector = |protocol: &[u8]| -> Result<TlsConnector, DialError> {
            let mut config = client_config(insecure)?;
            config.alpn_protocols = vec![protocol.to_vec()];
            Ok(TlsConnector::from(Arc::new(config)))
        };
        let (h1, h2) = (connector(b"http/1.1")?, connector(b"h2")?);
        Ok(Self { address, tls: Some(Tls { name, h1, h2 }) })
    }

    /// A new connection.
    ///
    /// # Errors
    /// [`DialError`].
    pub(in crate::torture) async fn dial(&self, over: Protocol) -> Result<Stream, DialError> {
        timeout(DEADLINE, self.dial_slowly(over)).await.unwrap_or(Err(DialError::Late))
    }

    async fn dial_slowly(&self, over: Protocol) -> Result<Stream, DialError> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let connector = match over {
            Protocol::H1 => &tls.h1,
            Protocol::H2 => &tls.h2,
        };
        let stream = connector.connect(tls.name.clone(), stream).await?;
        if over == Protocol::H2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(DialError::NoHttp2);
        }
        Ok(Box::new(stream))
    }
}

fn client_config(insecure: bool) -> Result<ClientConfig, DialError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    if insecure {
        let any = Arc::new(AnyCertificate { schemes });
        return Ok(builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// `--insecure`: the certificate of a local gateway is nobody's proof, and the token goes to loopback.
#[derive(Debug)]
struct AnyCertificate {
    schemes: Vec<SignatureScheme>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.schemes.clone()
    }
}
