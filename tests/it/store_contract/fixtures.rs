//! Stores of both kinds, and things to put into them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateward::config::{PostgresSettings, RedisSettings};
use gateward::domain::account::{Account, AccountStatus, NewAccount};
use gateward::domain::clock::Timestamp;
use gateward::domain::email::EmailAddress;
use gateward::domain::id::{AccountId, SessionId};
use gateward::domain::password::Password;
use gateward::domain::password_hash::PasswordHash;
use gateward::domain::session::{Session, SessionState, StatusIndex};
use gateward::store::postgres::PostgresStore;
use gateward::store::sqlite::SqliteStore;
use gateward::store::{DurableStore, StoreError, StoreObserver, Unobserved};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::services::services;

/// Long enough that a busy test machine makes nothing merely unavailable.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// "Now" in these tests.
pub const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// For stores that nobody asks for counts.
pub fn unobserved() -> Arc<dyn StoreObserver> {
    Arc::new(Unobserved)
}

pub async fn migrated_sqlite() -> (Arc<dyn DurableStore>, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("gateward.db"), unobserved()).unwrap();
    store.migrate().await.unwrap();
    (Arc::new(store), folder)
}

pub async fn migrated_postgres() -> Arc<dyn DurableStore> {
    let store = postgres_store(&services().new_database()).await;
    store.migrate().await.unwrap();
    Arc::new(store)
}

pub async fn postgres_store(url: &str) -> PostgresStore {
    PostgresStore::connect(&postgres_settings(url, PATIENCE), unobserved()).await.unwrap()
}

pub fn postgres_settings(url: &str, timeout: Duration) -> PostgresSettings {
    PostgresSettings { url: url.into(), max_connections: 8, timeout, tls_ca_file: None }
}

pub fn redis_settings(url: &str, key_prefix: String, timeout: Duration) -> RedisSettings {
    RedisSettings { url: url.into(), key_prefix, max_connections: 8, timeout }
}

/// A new account with this address, of which the normal form is the lower case.
pub fn new_account(address: &str) -> NewAccount {
    NewAccount {
        account: Account {
            id: AccountId::new(NOW, unique()),
            email: EmailAddress::from_stored(address.to_owned(), address.to_lowercase()),
            email_verified: false,
            name: Some("Zoë 🦀 O'Neill".to_owned()),
            roles: vec!["admin".to_owned(), "näh \"x\"".to_owned()],
            status: AccountStatus::Active,
            created_at: NOW,
        },
        password_hash: password_hash(1),
    }
}

/// Stores a new account and returns it.
pub async fn stored_account(store: &dyn DurableStore, address: &str) -> Account {
    let new = new_account(address);
    let account = new.account.clone();
    store.create_account(new).await.unwrap();
    account
}

/// A hash that differs with `salt`, of the lowest cost.
pub fn password_hash(salt: u8) -> PasswordHash {
    let password = Password::parse("correct horse battery staple".to_owned()).unwrap();
    PasswordHash::new(&password, 4, [salt; 16]).unwrap()
}

/// A live session that lasts a day.
pub fn session_of(account: AccountId) -> Session {
    Session {
        id: SessionId::new(NOW, unique()),
        account_id: account,
        created_at: NOW,
        last_used_at: NOW,
        expires_at: NOW.plus(DAY),
        address: Some("2001:db8::1".to_owned()),
        user_agent: Some("Mozilla/5.0 (\u{1f980})".to_owned()),
        status_index: Some(StatusIndex(7)),
        state: SessionState::Active,
    }
}

/// Stores `count` live sessions of an account.
pub async fn stored_sessions(store: &dyn DurableStore, account: AccountId, count: usize) -> Vec<Session> {
    let mut sessions = Vec::new();
    for _ in 0..count {
        let session = session_of(account);
        assert!(store.create_session(&session, None).await.unwrap());
        sessions.push(session);
    }
    sessions
}

/// Different at each call.
fn unique() -> [u8; 10] {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    bytes
}

/// Runs `count` calls at once and returns what they returned, in the order they ended.
pub async fn at_once<T, F>(count: usize, call: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let mut calls = JoinSet::new();
    for number in 0..count {
        calls.spawn(call(number));
    }
    calls.join_all().await
}

pub fn is_unavailable<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Unavailable { .. }))
}

pub fn is_corrupt<T>(result: &Result<T, StoreError>) -> bool {
    matches!(result, Err(StoreError::Corrupt { .. }))
}
