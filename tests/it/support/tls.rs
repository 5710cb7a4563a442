//! Certificates made by the test, and a TLS client that says exactly what it is told to.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion, version};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::guard::scratch_dir;
use super::raw::RawClient;

const DEADLINE: Duration = Duration::from_secs(10);

/// Somebody whose certificates are trusted.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// The PEM files of a certificate and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The chain.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Pair {
    /// Puts another pair's contents into these files.
    pub fn replace_with(&self, other: &Pair) {
        std::fs::copy(&other.chain, &self.chain).expect("a certificate is copied");
        std::fs::copy(&other.key, &self.key).expect("a key is copied");
    }

    /// A copy in files of its own.
    pub fn copied(&self, name: &str) -> Pair {
        let folder = scratch_dir("pair");
        let pair =
            Pair { chain: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}.key")) };
        pair.replace_with(self);
        pair
    }
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key is made");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority signs itself");
        let folder = scratch_dir("authority");
        std::fs::write(folder.join("ca.pem"), issuer.pem()).expect("the authority is written");
        Self { issuer, folder }
    }

    /// Its PEM file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for hosts. The first name also names the files.
    pub fn server(&self, names: &[&str]) -> Pair {
        self.issue(names, ExtendedKeyUsagePurpose::ServerAuth, |_| {})
    }

    /// The same, changed.
    pub fn server_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        self.issue(names, ExtendedKeyUsagePurpose::ServerAuth, change)
    }

    /// A certificate for a client.
    pub fn client(&self, name: &str) -> Pair {
        self.issue(&[name], ExtendedKeyUsagePurpose::ClientAuth, |_| {})
    }

    fn issue(
        &self,
        names: &[&str],
        usage: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Pair {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names.clone()).expect("the names are names");
        params.extended_key_usages = vec![usage];
        change(&mut params);
        let key = KeyPair::generate().expect("a key is made");
        let certificate = params.signed_by(&key, &self.issuer).expect("the authority signs");
        let folder = tempfile::tempdir_in(&self.folder).expect("a folder is made").keep();
        let pair = Pair { chain: folder.join("chain.pem"), key: folder.join("key.pem") };
        std::fs::write(&pair.chain, certificate.pem()).expect("the certificate is written");
        std::fs::write(&pair.key, key.serialize_pem()).expect("the key is written");
        pair
    }

    /// A client that trusts it.
    pub fn trusted(&self) -> TlsClient {
        TlsClient::trusting(&self.file())
    }
}

/// How a client shakes hands.
#[derive(Clone)]
pub struct TlsClient {
    authority: CertificateDer<'static>,
    versions: Vec<&'static SupportedProtocolVersion>,
    protocols: Vec<Vec<u8>>,
    certificate: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
}

impl TlsClient {
    /// Trusts the authority in this PEM file.
    pub fn trusting(authority: &Path) -> Self {
        Self {
            authority: leaf(authority),
            versions: vec![&version::TLS12, &version::TLS13],
            protocols: Vec::new(),
            certificate: None,
        }
    }

    /// Speaks this version only.
    pub fn version(self, version: &'static SupportedProtocolVersion) -> Self {
        Self { versions: vec![version], ..self }
    }

    /// Offers these protocols (ALPN).
    pub fn offers(self, protocols: &[&str]) -> Self {
        Self { protocols: protocols.iter().map(|name| name.as_bytes().to_vec()).collect(), ..self }
    }

    /// Shows this certificate when it is asked.
    pub fn shows(self, pair: &Pair) -> Self {
        let key = PrivateKeyDer::from_pem_slice(&bytes(&pair.key)).expect("the key is PEM");
        Self { certificate: Some((certificates(&pair.chain), Arc::new(key))), ..self }
    }

    /// Everything put together; one configuration remembers its sessions.
    pub fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).expect("the authority is one");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&self.versions)
            .expect("the versions are known")
            .with_root_certificates(roots);
        let mut config = match &self.certificate {
            Some((chain, key)) => builder
                .with_client_auth_cert(chain.clone(), key.clone_key())
                .expect("the client's certificate is usable"),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = self.protocols.clone();
        config.enable_early_data = true;
        Arc::new(config)
    }

    /// Shakes hands, naming this host.
    pub async fn handshake(&self, address: SocketAddr, host: &str) -> io::Result<TlsStream<TcpStream>> {
        handshake(self.config(), address, host).await
    }

    /// Shakes hands and is ready for a request.
    ///
    /// # Panics
    /// When the handshake fails.
    pub async fn connect(&self, address: SocketAddr, host: &str) -> RawClient {
        let stream = self.handshake(address, host).await;
        RawClient::over(stream.unwrap_or_else(|error| panic!("no handshake for {host}: {error}")))
    }
}

/// Shakes hands with a configuration that may remember earlier sessions.
pub async fn handshake(
    config: Arc<ClientConfig>,
    address: SocketAddr,
    host: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned()).expect("the host is a name");
    let tcp = TcpStream::connect(address).await?;
    tcp.set_nodelay(true)?;
    timeout(DEADLINE, TlsConnector::from(config).connect(name, tcp))
        .await
        .expect("a handshake comes to an end")
}

/// The leaf of a PEM file.
pub fn leaf(path: &Path) -> CertificateDer<'static> {
    certificates(path).remove(0)
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(&bytes(path)).map(|each| each.expect("the certificate is PEM")).collect()
}

fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("the file is there")
}
