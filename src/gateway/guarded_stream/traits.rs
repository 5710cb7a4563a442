//! What the proxy library asks of a connection besides its bytes. Hardly anything of it is of use: who calls, and since when,
//! is known to the edge.

use std::os::fd::AsRawFd as _;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::AsyncWriteExt;

use super::stream::GuardedStream;

#[async_trait]
impl Shutdown for GuardedStream {
    async fn shutdown(&mut self) {
        // The client may have gone.
        let _closed = AsyncWriteExt::shutdown(self).await;
    }
}

#[async_trait]
impl Peek for GuardedStream {
    // Not supported: peeked bytes would pass unjudged, or be judged twice.
}

impl UniqueID for GuardedStream {
    fn id(&self) -> UniqueIDType {
        self.inner.as_raw_fd()
    }
}

impl Ssl for GuardedStream {}

impl GetTimingDigest for GuardedStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for GuardedStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }

    fn set_proxy_digest(&mut self, _: ProxyDigest) {}
}

impl GetSocketDigest for GuardedStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }

    fn set_socket_digest(&mut self, _: SocketDigest) {}
}
