//! [`MemoryStore`]: the contract's calls on bounded maps.

use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::buckets::MemoryBuckets;
use super::expiring::ExpiringMap;
use crate::domain::attempts::{Attempt, Charged, Settlement};
use crate::domain::id::SessionId;
use crate::domain::session::Session;
use crate::store::{OneTimeCode, SharedStore, StoreError};

/// Purpose and SHA-256 of a code.
type CodeKey = (String, [u8; 32]);

/// Session records and one-time codes in this process.
///
/// Time is the monotonic clock: setting the system's clock expires nothing.
pub struct MemoryStore {
    sessions: Mutex<ExpiringMap<SessionId, Session>>,
    codes: Mutex<ExpiringMap<CodeKey, String>>,
    buckets: MemoryBuckets,
}

impl MemoryStore {
    /// Keeps at most `capacity` sessions, as many codes, buckets and known places; a session takes about half a
    /// kilobyte, the last two about 200 bytes each.
    pub fn new(capacity: usize) -> Self {
        Self {
            sessions: Mutex::new(ExpiringMap::new(capacity)),
            codes: Mutex::new(ExpiringMap::new(capacity)),
            buckets: MemoryBuckets::new(capacity),
        }
    }
}

#[async_trait]
impl SharedStore for MemoryStore {
    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn put_session(&self, session: &Session, ttl: Duration) -> Result<(), StoreError> {
        self.sessions.lock().put(session.id, session.clone(), ttl, Instant::now());
        Ok(())
    }

    async fn session(&self, id: SessionId) -> Result<Option<Session>, StoreError> {
        Ok(self.sessions.lock().find(&id, Instant::now()).cloned())
    }

    async fn remove_session(&self, id: SessionId) -> Result<(), StoreError> {
        self.sessions.lock().take(&id, Instant::now());
        Ok(())
    }

    async fn put_code(&self, code: &OneTimeCode, ttl: Duration) -> Result<(), StoreError> {
        let key = (code.purpose.clone(), code.code_hash);
        self.codes.lock().put(key, code.payload.clone(), ttl, Instant::now());
        Ok(())
    }

    async fn take_code(&self, purpose: &str, code_hash: &[u8; 32]) -> Result<Option<String>, StoreError> {
        Ok(self.codes.lock().take(&(purpose.to_owned(), *code_hash), Instant::now()))
    }
    async fn charge(&self, attempt: &Attempt) -> Result<Charged, StoreError> {
        Ok(self.buckets.charge(attempt, Instant::now()))
    }

    async fn settle(&self, settlement: &Settlement) -> Result<(), StoreError> {
        self.buckets.settle(settlement, Instant::now());
        Ok(())
    }
}
