//! The smallest proxy that pingora makes: one service, one peer, one worker thread.

use async_trait::async_trait;
use pingora::Result;
use pingora::modules::http::HttpModules;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::Server;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;

/// The argument that makes this program the proxy; two addresses follow, to listen on and of the service.
pub const MODE: &str = "--bare-proxy";

struct Bare {
    peer: HttpPeer,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    /// None: compression, which is there otherwise, costs and is not used.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn upstream_peer(&self, _session: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(self.peer.clone()))
    }
}

/// Proxies until it is killed.
pub fn run(listen: &str, service: &str) {
    let settings = ServerConf { threads: 1, upstream_keepalive_pool_size: 128, ..ServerConf::default() };
    let mut server = Server::new_with_opt_and_conf(None, settings);
    server.bootstrap();
    let peer = HttpPeer::new(service, false, String::new());
    let mut proxy = http_proxy_service(&server.configuration, Bare { peer });
    proxy.add_tcp(listen);
    server.add_service(proxy);
    server.run_forever();
}
