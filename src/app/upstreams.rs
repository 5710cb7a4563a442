//! The upstreams of the configuration as the proxy takes them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::config;
use crate::gateway::{UpstreamProtocol, UpstreamSpec, UpstreamTls};

/// In the order of the configuration.
pub(super) fn specs(upstreams: &[config::UpstreamSettings]) -> Vec<UpstreamSpec> {
    upstreams.iter().map(spec).collect()
}

/// A service of the gateway's own.
pub(super) fn own(name: &str, address: SocketAddr) -> UpstreamSpec {
    UpstreamSpec {
        name: name.to_owned(),
        servers: vec![address.to_string()],
        connect_timeout: Duration::from_secs(2),
        read_timeout: Duration::from_mins(1),
        protocol: UpstreamProtocol::Http1,
        tls: None,
    }
}

fn spec(upstream: &config::UpstreamSettings) -> UpstreamSpec {
    UpstreamSpec {
        name: upstream.name.clone(),
        servers: upstream.servers.clone(),
        connect_timeout: upstream.connect_timeout,
        read_timeout: upstream.read_timeout,
        protocol: match upstream.protocol {
            config::UpstreamProtocol::Auto => UpstreamProtocol::Auto,
            config::UpstreamProtocol::Http1 => UpstreamProtocol::Http1,
            config::UpstreamProtocol::Http2 => UpstreamProtocol::Http2,
        },
        tls: upstream.tls.as_ref().map(|tls| UpstreamTls {
            server_name: tls.server_name.clone(),
            roots: tls.roots.clone(),
            client: tls.client.as_ref().map(|client| (client.chain.clone(), Arc::clone(&client.key))),
        }),
    }
}
