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

use super::upstream_peer::{PeerMaker, UpstreamSpec};

/// Between two resolutions.
const RESOLVE_EVERY: Duration = Duration::from_secs(10);
/// How long a resolver may take.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5);
struct Upstream {
    settings: UpstreamSpec,
    maker: PeerMaker,
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
        for (index, settings) in settings.iter().enumerate() {
            let upstream = Upstream::new(index, settings.clone());
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

    /// The same, for a request that asks for another protocol; [`Upstreams::only_http2`] must not be.
    pub fn next_for_upgrade(&self, index: usize) -> Option<Box<HttpPeer>> {
        let mut peer = self.next(index)?;
        self.0.get(index)?.maker.for_upgrade(&mut peer);
        Some(peer)
    }

    /// Whether nothing but HTTP/2 may be spoken with it.
    pub fn only_http2(&self, index: usize) -> bool {
        self.0.get(index).is_some_and(|upstream| upstream.maker.only_http2())
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
    fn new(index: usize, settings: UpstreamSpec) -> Self {
        let found = Mutex::new(vec![Vec::new(); settings.servers.len()]);
        let maker = PeerMaker::new(index, &settings);
        Self { settings, maker, found, peers: ArcSwap::default(), turn: AtomicUsize::new(0) }
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
            self.peers.store(Arc::new(self.present_peers()));
        }
    }

    fn present_peers(&self) -> Vec<HttpPeer> {
        let found = self.found.lock();
        let each = self.settings.servers.iter().zip(found.iter());
        each.flat_map(|(server, addresses)| addresses.iter().map(move |at| (server, *at)))
            .filter_map(|(server, address)| self.maker.peer(server, address))
            .collect()
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
    use crate::gateway::upstream_peer::UpstreamProtocol;

    #[tokio::test]
    async fn a_name_that_no_longer_resolves_keeps_its_addresses_next_to_one_that_does() {
        let settings = UpstreamSpec {
            name: "api".to_owned(),
            // Without a port nothing resolves, and no resolver is asked.
            servers: vec!["gone".to_owned(), "127.0.0.1:2".to_owned()],
            connect_timeout: Duration::from_secs(1),
            read_timeout: Duration::from_secs(1),
            protocol: UpstreamProtocol::Auto,
            tls: None,
        };
        let upstream = Upstream::new(0, settings);
        upstream.found.lock()[0] = vec!["127.0.0.1:1".parse().unwrap()];
        upstream.refresh().await;
        let peers: Vec<_> = upstream.peers.load().iter().map(|peer| peer._address.to_string()).collect();
        assert_eq!(peers, ["127.0.0.1:1", "127.0.0.1:2"]);
    }
}
