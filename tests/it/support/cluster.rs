//! Several gateways on one Postgres and one Redis, each edge through a fault proxy of its own.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use nix::sys::signal::Signal;

use super::app::{StoreKind, TestApp};
use super::app_config::AppBuilder;
use super::fault_proxy::{FaultProxy, Mode};
use super::services::{PrivateRedis, services};

/// One gateway with its two edges.
pub struct Replica {
    /// The program.
    pub app: TestApp,
    /// Its way to Postgres.
    pub postgres: FaultProxy,
    /// Its way to Redis.
    pub redis: FaultProxy,
}

impl Replica {
    /// Stops the process in place: its sockets stay open and it answers nothing.
    pub fn pause(&mut self) {
        self.app.signal(Signal::SIGSTOP);
    }

    /// The end of [`Replica::pause`].
    pub fn resume(&mut self) {
        self.app.signal(Signal::SIGCONT);
    }
}

/// The gateways, and what they share: a database, a key prefix, a key-encryption key.
pub struct Cluster {
    /// The gateways.
    pub replicas: Vec<Replica>,
    redis: Option<PrivateRedis>,
}

impl Cluster {
    /// This many gateways on the servers that all tests share.
    pub async fn start(count: usize) -> Self {
        Self::start_with(count, "").await
    }

    /// As [`Cluster::start`], with more configuration (TOML) for every gateway.
    pub async fn start_with(count: usize, config: &str) -> Self {
        let replicas = start_replicas(count, &services().redis_url(), config).await;
        Self { replicas, redis: None }
    }

    /// As [`Cluster::start`], with a Redis server of its own, which the test may flush and stop.
    pub async fn with_own_redis(count: usize) -> Self {
        let redis = PrivateRedis::start();
        let replicas = start_replicas(count, &redis.url(), "").await;
        Self { replicas, redis: Some(redis) }
    }

    /// Removes everything from its own Redis.
    pub async fn flush_redis(&self) {
        let url = self.redis.as_ref().expect("a Redis of its own").url();
        let client = redis::Client::open(url).expect("the URL can be used");
        let mut connection = client.get_multiplexed_async_connection().await.expect("Redis answers");
        redis::cmd("FLUSHALL").exec_async(&mut connection).await.expect("Redis forgets");
    }

    /// Stops its own Redis and starts it again, empty. Blocks the thread for a moment.
    pub fn restart_redis(&mut self) {
        let redis = self.own_redis();
        redis.stop();
        redis.start_again();
    }

    /// Its own Redis server.
    pub fn own_redis(&mut self) -> &mut PrivateRedis {
        self.redis.as_mut().expect("a Redis of its own")
    }

    /// Ends every fault of the edges.
    pub fn heal_edges(&self) {
        for replica in &self.replicas {
            replica.postgres.set(Mode::Pass);
            replica.redis.set(Mode::Pass);
        }
    }
}

async fn start_replicas(count: usize, redis_url: &str, config: &str) -> Vec<Replica> {
    let (database, prefix) = (services().new_database(), services().new_key_prefix());
    // At once: all run the migrations and bring a signing key.
    join_all((0..count).map(|_| async {
        let postgres = FaultProxy::start(server_of(&database));
        let redis = FaultProxy::start(server_of(redis_url));
        let app = AppBuilder::new(StoreKind::Embedded)
            .postgres_at(&postgres.in_url(&database), &redis.in_url(redis_url))
            .config(&format!("redis.key_prefix = '{prefix}'"))
            .config(&format!("token.key_encryption_key = '{}'", key_encryption_key()))
            .config(config)
            .start()
            .await;
        Replica { app, postgres, redis }
    }))
    .await
}

/// The same for all, and no placeholder.
fn key_encryption_key() -> String {
    STANDARD.encode(std::array::from_fn::<u8, 32, _>(|at| u8::try_from(at).unwrap().wrapping_mul(7)))
}

/// The `host:port` of a URL.
fn server_of(url: &str) -> SocketAddr {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    let server = authority.rsplit('@').next().unwrap_or_default();
    server.parse().unwrap_or_else(|error| panic!("{error}: {server} of {url}"))
}
