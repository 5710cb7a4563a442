//! Connections to the gateway, plain or with TLS.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::loadtest::options::{Protocol, Trust};

/// Both directions of a connection.
pub(in crate::loadtest) trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

/// A connection.
pub(in crate::loadtest) type Stream = Box<dyn Duplex>;

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Not the name of a host.
    #[error("no TLS for this host: {0}")]
    Name(#[from] rustls::pki_types::InvalidDnsNameError),
    /// The file holds no certificate.
    #[error("--ca-file: {0}")]
    Authorities(String),
    /// The library refuses.
    #[error("TLS: {0}")]
    Refused(#[from] rustls::Error),
}

/// Makes connections to one gateway.
#[derive(Clone)]
pub(in crate::loadtest) struct Connector {
    address: SocketAddr,
    protocol: Protocol,
    tls: Option<(ServerName<'static>, TlsConnector)>,
}

impl Connector {
    /// Without TLS.
    pub(in crate::loadtest) fn plain(address: SocketAddr, protocol: Protocol) -> Self {
        Self { address, protocol, tls: None }
    }

    /// With TLS.
    pub(in crate::loadtest) fn tls(
        address: SocketAddr,
        protocol: Protocol,
        host: &str,
        trust: &Trust,
    ) -> Result<Self, TlsError> {
        let name = ServerName::try_from(host.to_owned())?;
        let mut config = client_config(trust)?;
        let word: &[u8] = match protocol {
            Protocol::Http1 => b"http/1.1",
            Protocol::Http2 => b"h2",
        };
        config.alpn_protocols = vec![word.to_vec()];
        Ok(Self { address, protocol, tls: Some((name, TlsConnector::from(Arc::new(config)))) })
    }

    /// A new connection. The caller sets the deadline.
    ///
    /// # Errors
    /// It cannot be made, or does not speak the protocol.
    pub(in crate::loadtest) async fn dial(&self) -> io::Result<Stream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let Some((name, tls)) = &self.tls else { return Ok(Box::new(stream)) };
        let stream = tls.connect(name.clone(), stream).await?;
        if self.protocol == Protocol::Http2 && stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Err(io::Error::other("it does not speak HTTP/2 (ALPN)"));
        }
        Ok(Box::new(stream))
    }
}

fn client_config(trust: &Trust) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::Anybody => {
            let any = Arc::new(AnyCertificate { schemes });
            return Ok(builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth());
        }
        Trust::System => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Trust::Authorities(pem) => {
            let wrong = |error: &dyn std::fmt::Display| TlsError::Authorities(error.to_string());
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
            }
            if roots.is_empty() {
                return Err(wrong(&"it holds no certificate"));
            }
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// `--insecure`: the certificate of a gateway under test is nobody's proof.
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
