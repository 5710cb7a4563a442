//! The services behind the gateway: addresses, and whose turn it is.
//!
//! Host names are resolved before serving and again every ten seconds, away from requests; a request reads the
//! present addresses and never waits for a resolver. A name that does not resolve keeps its last addresses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pingora::upstreams::peer::HttpPeer;
use tokio::sync::watch;

use super::upgrade_connection::UpgradeConnector;

/// Between two resolutions.
const RESOLVE_EVERY: Duration = Duration::from_secs(10);
/// How long a resolver may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept. Shorter than the keep-alive of common application servers (5 s of
/// uvicorn and Node.js), so that a request is not sent into a connection that is just being closed.
const KEEP_IDLE: Duration = Duration::from_secs(4);
/// Longest stall when sending a request.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Keeps the connections of upgrades apart from the others.
const UPGRADES: u64 = 1;

/// A service, as configured.
#[derive(Debug, Clone)]
pub struct UpstreamSpec {
    /// Its name in logs.
    pub name: String,
    /// `host:port` of each server.
    pub servers: Vec<String>,
    /// For a connection.
    pub connect_timeout: Duration,
    /// Longest silence of an answer.
    pub read_timeout: Duration,
}

struct Upstream {
    settings: UpstreamSpec,
    /// The last addresses of each server, in the order of the configuration.
    found: Mutex<Vec<Vec<SocketAddr>>>,
    /// The same as requests take them.
    peers: ArcSwap<Vec<HttpPeer>>,
    turn: AtomicUsize,
}

/// All upstreams, in the order of the configuration. Cheap to clone.
#[derive(Clone)]
pub struct Upstreams(Arc<Vec<Upstream>>);

impl Upstreams {
    /// Resolves every server. A name that does not resolve yet may do so later.
    pub async fn resolve(settings: &[UpstreamSpec]) -> Self {
        let mut upstreams = Vec::with_capacity(settings.len());
        for settings in settings {
            let upstream = Upstream::new(settings.clone());
            upstream.refresh().await;
            upstreams.push(upstream);
        }
        Self(Arc::new(upstreams))
    }

    /// The name of an upstream.
    pub fn name(&self, index: usize) -> Option<&str> {
        self.0.get(index).map(|upstream| upstream.settings.name.as_str())
    }

    /// The next server's turn; none when no name resolves.
    pub fn next(&self, index: usize) -> Option<Box<HttpPeer>> {
        let upstream = self.0.get(index)?;
        let peers = upstream.peers.load();
        let turn = upstream.turn.fetch_add(1, Ordering::Relaxed);
        let at = turn.checked_rem(peers.len())?;
        peers.get(at).cloned().map(Box::new)
    }

    /// The same, for a request that asks for another protocol.
    pub fn next_for_upgrade(&self, index: usize) -> Option<Box<HttpPeer>> {
        let mut peer = self.next(index)?;
        // A group of its own, never kept: no such connection serves another request, and none of those this one.
        peer.group_key = UPGRADES;
        peer.options.idle_timeout = Some(Duration::ZERO);
        let timeout = self.0.get(index)?.settings.connect_timeout;
        peer.options.custom_l4 = Some(Arc::new(UpgradeConnector { timeout }));
        Some(peer)
    }

    /// How many servers there are to try.
    pub fn servers(&self, index: usize) -> usize {
        self.0.get(index).map_or(0, |upstream| upstream.peers.load().len())
    }

    /// Keeps addresses fresh until `stop` becomes true.
    pub async fn follow(self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                _ = stop.wait_for(|stopping| *stopping) => return,
                () = tokio::time::sleep(RESOLVE_EVERY) => {}
            }
            for upstream in self.0.iter() {
                upstream.refresh().await;
            }
        }
    }
}

impl Upstream {
    fn new(settings: UpstreamSpec) -> Self {
        let found = Mutex::new(vec![Vec::new(); settings.servers.len()]);
        Self { settings, found, peers: ArcSwap::default(), turn: AtomicUsize::new(0) }
    }

    async fn refresh(&self) {
        let mut changed = false;
        for (index, server) in self.settings.servers.iter().enumerate() {
            match lookup(server).await {
                Ok(addresses) => {
                    if let Some(last) = self.found.lock().get_mut(index) {
                        changed |= *last != addresses;
                        *last = addresses;
                    }
                }
                Err(reason) => {
                    let upstream = self.settings.name.as_str();
                    tracing::warn!(upstream, server, reason, "server has no address");
                }
            }
        }
        if changed {
            let peers = self.found.lock().iter().flatten().map(|at| self.peer(*at)).collect();
            self.peers.store(Arc::new(peers));
        }
    }

    fn peer(&self, address: SocketAddr) -> HttpPeer {
        let mut peer = HttpPeer::new(address, false, String::new());
        let options = &mut peer.options;
        options.connection_timeout = Some(self.settings.connect_timeout);
        options.total_connection_timeout = Some(self.settings.connect_timeout);
        options.read_timeout = Some(self.settings.read_timeout);
        options.write_timeout = Some(WRITE_TIMEOUT);
        options.idle_timeout = Some(KEEP_IDLE);
        peer
    }
}

async fn lookup(server: &str) -> Result<Vec<SocketAddr>, String> {
    match tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host(server)).await {
        Ok(Ok(addresses)) => Ok(addresses.collect()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the resolver did not answer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_that_no_longer_resolves_keeps_its_addresses_next_to_one_that_does() {
        let upstream = Upstream::new(UpstreamSpec {
            name: "api".to_owned(),
            // Without a port nothing resolves, and no resolver is asked.
            servers: vec!["gone".to_owned(), "127.0.0.1:2".to_owned()],
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
        });
        upstream.found.lock()[0] = vec!["127.0.0.1:1".parse().unwrap()];
        upstream.refresh().await;
        let peers: Vec<_> = upstream.peers.load().iter().map(|peer| peer._address.to_string()).collect();
        assert_eq!(peers, ["127.0.0.1:1", "127.0.0.1:2"]);
    }
}
