//! What a connection to a server is made of: protocol, TLS, deadlines.
//!
//! The proxy library keeps connections for peers that are the same to it, and does not look at trusted roots and
//! protocols then; so each upstream is a group of its own, and a connection that was checked for one never serves
//! another. Without a name it checks no certificate at all: a peer is made with a name or not at all.
//!
//! No HTTP/2 pings: gRPC servers take more than one in five minutes for abuse and end the connection
//! (`ENHANCE_YOUR_CALM`, "too_many_pings"), and a dead connection is found by the deadlines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::protocols::ALPN;
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::upgrade_connection::UpgradeConnector;

/// How long an unused connection is kept. Shorter than the keep-alive of common application servers (5 s of
/// uvicorn and Node.js), so that a request is not sent into a connection that is just being closed.
const KEEP_IDLE: Duration = Duration::from_secs(4);
/// Longest stall when sending a request.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests at once on one HTTP/2 connection; a server may allow fewer (RFC 9113 section 5.1.2 recommends no fewer).
const H2_STREAMS: u16 = 100;
/// Bytes of an answer that wait here for a slow client, on HTTP/2. Together they fit the connection's window, so
/// that no client stalls another.
const H2_STREAM_WINDOW: u32 = 128 * 1024;

/// A service, as configured.
#[derive(Debug, Clone)]
pub struct UpstreamSpec {
    /// Its name in logs.
    pub name: String,
    /// `host:port` of each server.
    pub servers: Vec<String>,
    /// For a connection, TLS included.
    pub connect_timeout: Duration,
    /// Longest silence of an answer.
    pub read_timeout: Duration,
    /// What is spoken.
    pub protocol: UpstreamProtocol,
    /// None: plain connections.
    pub tls: Option<UpstreamTls>,
}

/// What is spoken with a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// Over TLS what the server chooses, without TLS HTTP/1.1.
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS by prior knowledge.
    Http2,
}

/// TLS towards a service. Its certificate is always checked.
#[derive(Debug, Clone)]
pub struct UpstreamTls {
    /// Sent (SNI), and looked for in the certificate. None: the host of each server.
    pub server_name: Option<String>,
    /// Who may have issued the certificate. None: the system's roots.
    pub roots: Option<Vec<CertificateDer<'static>>>,
    /// The certificate that is shown, with those above it, and its key.
    pub client: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
}

/// Makes the peers of one upstream.
pub(super) struct PeerMaker {
    connect_timeout: Duration,
    read_timeout: Duration,
    protocol: UpstreamProtocol,
    tls: Option<TlsParts>,
    /// Keeps the connections of this upstream apart from all others.
    group: u64,
}

struct TlsParts {
    server_name: Option<String>,
    roots: Option<Arc<CaType>>,
    client: Option<Arc<CertKey>>,
}

impl PeerMaker {
    /// `index`: the place of the upstream in the configuration.
    pub(super) fn new(index: usize, spec: &UpstreamSpec) -> Self {
        Self {
            connect_timeout: spec.connect_timeout,
            read_timeout: spec.read_timeout,
            protocol: spec.protocol,
            tls: spec.tls.as_ref().map(TlsParts::new),
            group: u64::try_from(index).unwrap_or(u64::MAX >> 1) << 1,
        }
    }

    /// Whether nothing but HTTP/2 is spoken.
    pub(super) fn only_http2(&self) -> bool {
        self.protocol == UpstreamProtocol::Http2
    }

    /// One address of `server`, which is `host:port`. None: there is no name to check a certificate for.
    pub(super) fn peer(&self, server: &str, address: SocketAddr) -> Option<HttpPeer> {
        let mut peer = match &self.tls {
            None => HttpPeer::new(address, false, String::new()),
            Some(tls) => tls.peer(server, address)?,
        };
        peer.group_key = self.group;
        let options = &mut peer.options;
        options.alpn = match (self.protocol, &self.tls) {
            (UpstreamProtocol::Http1, _) | (UpstreamProtocol::Auto, None) => ALPN::H1,
            (UpstreamProtocol::Auto, Some(_)) => ALPN::H2H1,
            (UpstreamProtocol::Http2, _) => ALPN::H2,
        };
        options.connection_timeout = Some(self.connect_timeout);
        options.total_connection_timeout = Some(self.connect_timeout);
        options.read_timeout = Some(self.read_timeout);
        options.write_timeout = Some(WRITE_TIMEOUT);
        options.idle_timeout = Some(KEEP_IDLE);
        options.max_h2_streams = usize::from(H2_STREAMS);
        options.h2_stream_window_size = Some(H2_STREAM_WINDOW);
        options.h2_connection_window_size = Some(H2_STREAM_WINDOW * u32::from(H2_STREAMS));
        Some(peer)
    }

    /// Makes a peer one for a request that asks for another protocol, which only HTTP/1.1 can.
    pub(super) fn for_upgrade(&self, peer: &mut HttpPeer) {
        // A group of its own, never kept: no such connection serves another request, and none of those this one.
        peer.group_key = self.group | 1;
        peer.options.alpn = ALPN::H1;
        peer.options.idle_timeout = Some(Duration::ZERO);
        peer.options.custom_l4 = Some(Arc::new(UpgradeConnector { timeout: self.connect_timeout }));
    }
}

impl TlsParts {
    fn new(tls: &UpstreamTls) -> Self {
        let raw = |certificate: &CertificateDer<'_>| certificate.as_ref().to_vec();
        let parsed = |root: &CertificateDer<'_>| WrappedX509::new(raw(root), parse_x509);
        Self {
            server_name: tls.server_name.clone(),
            roots: tls.roots.as_ref().map(|roots| roots.iter().map(parsed).collect()),
            client: tls.client.as_ref().map(|(chain, key)| {
                Arc::new(CertKey::new(chain.iter().map(raw).collect(), key.secret_der().to_vec()))
            }),
        }
    }

    fn peer(&self, server: &str, address: SocketAddr) -> Option<HttpPeer> {
        let name = match &self.server_name {
            Some(name) => name,
            None => host_of(server)?,
        };
        if name.is_empty() {
            return None;
        }
        let mut peer = HttpPeer::new(address, true, name.to_owned());
        peer.options.ca.clone_from(&self.roots);
        peer.client_cert_key.clone_from(&self.client);
        Some(peer)
    }
}

/// The host of `host:port`, without the brackets of an IPv6 address and the dot of a rooted name.
fn host_of(server: &str) -> Option<&str> {
    let (host, _) = server.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some(host.strip_suffix('.').unwrap_or(host))
}

#[cfg(test)]
mod tests {
    use pingora::upstreams::peer::Peer as _;

    use super::*;

    fn spec(protocol: UpstreamProtocol, tls: bool) -> UpstreamSpec {
        UpstreamSpec {
            name: "api".to_owned(),
            servers: Vec::new(),
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
            protocol,
            tls: tls.then_some(UpstreamTls { server_name: None, roots: None, client: None }),
        }
    }

    fn peer(index: usize, spec: &UpstreamSpec, server: &str) -> Option<HttpPeer> {
        PeerMaker::new(index, spec).peer(server, "127.0.0.1:1".parse().unwrap())
    }

    #[test]
    fn what_is_offered_follows_from_protocol_and_tls() {
        for (protocol, tls, expected) in [
            (UpstreamProtocol::Auto, false, ALPN::H1),
            (UpstreamProtocol::Auto, true, ALPN::H2H1),
            (UpstreamProtocol::Http1, true, ALPN::H1),
            (UpstreamProtocol::Http2, false, ALPN::H2),
            (UpstreamProtocol::Http2, true, ALPN::H2),
        ] {
            let peer = peer(0, &spec(protocol, tls), "api:1").unwrap();
            assert_eq!((&peer.options.alpn, peer.is_tls()), (&expected, tls), "{protocol:?}");
        }
    }

    /// The library checks no certificate of a peer without a name.
    #[test]
    fn a_certificate_is_checked_for_a_name_or_there_is_no_peer() {
        let tls = spec(UpstreamProtocol::Auto, true);
        for (server, name) in [
            ("api.internal:443", Some("api.internal")),
            ("api.internal.:443", Some("api.internal")),
            ("[::1]:443", Some("::1")),
            ("127.0.0.1:443", Some("127.0.0.1")),
            (":443", None),
            ("[]:443", None),
            ("443", None),
        ] {
            let peer = peer(0, &tls, server);
            assert_eq!(peer.as_ref().map(|peer| peer.sni.as_str()), name, "{server}");
            assert!(peer.is_none_or(|peer| peer.verify_cert() && peer.verify_hostname()), "{server}");
        }
    }

    #[test]
    fn upstreams_and_upgrades_share_no_connection() {
        let spec = spec(UpstreamProtocol::Auto, true);
        let mut hashes = Vec::new();
        for index in 0..3 {
            let mut peer = peer(index, &spec, "api:1").unwrap();
            hashes.push(peer.reuse_hash());
            PeerMaker::new(index, &spec).for_upgrade(&mut peer);
            hashes.push(peer.reuse_hash());
        }
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 6);
    }
}
