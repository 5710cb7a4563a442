//! [`RedisStore`]: the contract's calls, each one a single command.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bb8_redis::bb8::{Pool, PooledConnection};
use redis::{Client, Cmd, ConnectionAddr, FromRedisValue};
use secrecy::ExposeSecret;

use super::attempts;
use super::error::{corrupt, judge, no_connection, unavailable};
use super::feed::Follower;
use super::manager::Manager;
use super::publish::publish;
use crate::config::RedisSettings;
use crate::domain::attempts::{Attempt, Charged, Settlement};
use crate::domain::id::SessionId;
use crate::domain::revocation::Revocation;
use crate::domain::session::Session;
use crate::store::observer::{Waiting, ended};
use crate::store::{FeedConnection, OneTimeCode, RevocationFeed, SharedStore, StoreError, StoreObserver};

/// Session records and one-time codes in Redis.
pub struct RedisStore {
    pool: Pool<Manager>,
    client: Client,
    prefix: String,
    deadline: Duration,
    observer: Arc<dyn StoreObserver>,
}

impl RedisStore {
    /// Prepares the pool. Connections are made by the first calls, so this works while Redis is down.
    ///
    /// For a `rediss://` URL it makes ring the process's TLS provider if none was chosen yet, because
    /// the Redis client takes no other way to be told. Certificates are checked against the system's
    /// roots.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the URL cannot be used.
    pub async fn connect(
        settings: &RedisSettings,
        observer: Arc<dyn StoreObserver>,
    ) -> Result<Self, StoreError> {
        // The parser's own words may quote the URL, so they are not passed on.
        let client = Client::open(settings.url.expose_secret())
            .map_err(|_| unavailable("redis.url is not a redis:// URL that can be used".to_owned()))?;
        match client.get_connection_info().addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => {
                return Err(unavailable("redis.url asks for TLS that checks nothing (#insecure)".to_owned()));
            }
            ConnectionAddr::TcpTls { .. } => {
                // An error means that somebody chose one meanwhile.
                let _chosen = rustls::crypto::ring::default_provider().install_default();
            }
            _ => {}
        }
        let pool = Pool::builder()
            .max_size(u32::try_from(settings.max_connections).unwrap_or(u32::MAX))
            .connection_timeout(settings.timeout)
            .test_on_check_out(true)
            .build_unchecked(Manager::new(client.clone(), settings.timeout));
        Ok(Self { pool, client, prefix: settings.key_prefix.clone(), deadline: settings.timeout, observer })
    }

    /// Runs a command on a pooled connection.
    async fn run<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let run = async { self.lease().await?.run(command).await.map_err(|error| judge(&error)) };
        self.within_deadline(run).await
    }

    async fn lease(&self) -> Result<PooledConnection<'_, Manager>, StoreError> {
        let _waiting = Waiting::begin(&self.observer);
        self.pool.get().await.map_err(|error| no_connection(&error))
    }

    /// Puts the deadline round `work`, which covers waiting for a connection too.
    async fn within_deadline<T>(
        &self,
        work: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let result = match tokio::time::timeout(self.deadline, work).await {
            Ok(result) => result,
            Err(_) => Err(unavailable(format!("no answer within {} ms", self.deadline.as_millis()))),
        };
        ended(&*self.observer, result)
    }

    fn stream_key(&self) -> String {
        format!("{}revocations", self.prefix)
    }

    fn session_key(&self, id: SessionId) -> String {
        format!("{}session:{id}", self.prefix)
    }

    fn code_key(&self, purpose: &str, code_hash: &[u8; 32]) -> String {
        let mut key = format!("{}code:{purpose}:", self.prefix);
        for byte in code_hash {
            for digit in [byte >> 4, byte & 0xf] {
                key.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
            }
        }
        key
    }
}

/// A record, which must be that of the session it was asked for.
fn read(json: &[u8], id: SessionId) -> Result<Session, StoreError> {
    // serde's own words quote the record.
    let session: Session = serde_json::from_slice(json).map_err(|error| {
        corrupt(format!("a session record cannot be read: {:?} at {}", error.classify(), error.column()))
    })?;
    if session.id == id {
        Ok(session)
    } else {
        Err(corrupt("a session record lies under another session's key".to_owned()))
    }
}

/// `SET` with an expiry of at least a millisecond; Redis refuses zero.
fn set(key: &str, value: &str, ttl: Duration) -> Cmd {
    let millis = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST_MILLIS);
    let mut command = redis::cmd("SET");
    command.arg(key).arg(value).arg("PX").arg(millis);
    command
}

/// A hundred years. Redis refuses an expiry that overflows its clock.
const LONGEST_MILLIS: u64 = 100 * 366 * 24 * 3600 * 1000;

#[async_trait]
impl SharedStore for RedisStore {
    async fn ping(&self) -> Result<(), StoreError> {
        self.run(&redis::cmd("PING")).await
    }

    async fn put_session(&self, session: &Session, ttl: Duration) -> Result<(), StoreError> {
        let json = serde_json::to_string(session)
            .map_err(|error| corrupt(format!("a session cannot be written: {error}")))?;
        self.run(&set(&self.session_key(session.id), &json, ttl)).await
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(self.session_key(id));
        let json: Option<Vec<u8>> = self.run(&command).await?;
        let Some(json) = json else { return Ok(None) };
        ended(&*self.observer, read(&json, id)).map(Some)
    }

    async fn remove_session(&self, id: SessionId) -> Result<(), StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.session_key(id));
        self.run(&command).await
    }

    async fn put_code(&self, code: &OneTimeCode, ttl: Duration) -> Result<(), StoreError> {
        self.run(&set(&self.code_key(&code.purpose, &code.code_hash), &code.payload, ttl)).await
    }

    async fn take_code(&self, purpose: &str, code_hash: &[u8; 32]) -> Result<Option<String>, StoreError> {
        let mut command = redis::cmd("GETDEL");
        command.arg(self.code_key(purpose, code_hash));
        self.run(&command).await
    }

    async fn charge(&self, attempt: &Attempt) -> Result<Charged, StoreError> {
        let answer = self.run(&attempts::charge(&self.prefix, attempt)).await?;
        ended(&*self.observer, attempts::charged(attempt, &answer))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError> {
        self.run(&attempts::settle(&self.prefix, settlement)).await
    }
}

#[async_trait]
impl RevocationFeed for RedisStore {
    async fn publish(&self, revocations: &[Revocation]) -> Result<(), StoreError> {
        let key = self.stream_key();
        self.within_deadline(async { publish(&mut *self.lease().await?, &key, revocations).await }).await
    }

    async fn follow(&self) -> Result<Box<dyn FeedConnection>, StoreError> {
        let observer = Arc::clone(&self.observer);
        let opened = Follower::open(&self.client, self.stream_key(), self.deadline, observer).await;
        Ok(Box::new(ended(&*self.observer, opened)?))
    }
}
