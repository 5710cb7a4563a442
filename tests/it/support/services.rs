//! PostgreSQL and Redis for all tests of this process, started once, when the first test asks.
//!
//! Each test takes its own database and its own key prefix. A test that stops, pauses or floods a
//! server takes a [`PrivatePostgres`] or [`PrivateRedis`] instead.

use std::sync::OnceLock;

pub use super::postgres::PrivatePostgres;
pub use super::redis::PrivateRedis;

/// The shared servers.
pub struct Services {
    postgres: PrivatePostgres,
    redis: PrivateRedis,
}

/// The shared servers, started at the first call.
///
/// # Panics
/// When a server program is missing: `make test` installs it. A test never skips.
pub fn services() -> &'static Services {
    static SERVICES: OnceLock<Services> = OnceLock::new();
    SERVICES.get_or_init(|| Services { redis: PrivateRedis::start(), postgres: PrivatePostgres::start() })
}

impl Services {
    /// A fresh empty database; its URL.
    pub fn new_database(&self) -> String {
        self.postgres.new_database()
    }

    /// The URL of the Redis server that all tests share.
    pub fn redis_url(&self) -> String {
        self.redis.url()
    }

    /// A key prefix that nobody else uses.
    pub fn new_key_prefix(&self) -> String {
        format!("t{}:", uuid::Uuid::now_v7().simple())
    }
}
