//! How the gateway speaks with the servers of an upstream: checked values of `[[upstream]]`.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What is spoken with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// Over TLS what the server chooses (ALPN), HTTP/2 first; without TLS HTTP/1.1.
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS by prior knowledge (RFC 9113 section 3.3).
    Http2,
}

/// TLS towards a service. Its certificate is always checked.
#[derive(Debug, Clone)]
pub struct UpstreamTls {
    /// The name that is sent (SNI) and that the certificate must have. None: the host of each server.
    pub server_name: Option<String>,
    /// Who may have issued the certificate. None: the system's roots. Not empty.
    pub roots: Option<Vec<CertificateDer<'static>>>,
    /// What the gateway shows of itself.
    pub client: Option<ClientCertificate>,
}

/// A certificate of the gateway and its key, which belong together.
#[derive(Debug, Clone)]
pub struct ClientCertificate {
    /// The certificate, then those between it and a root. Not empty.
    pub chain: Vec<CertificateDer<'static>>,
    /// The private key of the first; redacted in `Debug`.
    pub key: Arc<PrivateKeyDer<'static>>,
}
