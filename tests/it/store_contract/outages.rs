//! Servers that refuse or keep silent: the caller learns it in time, and no secret is in the words.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gateward::store::postgres::PostgresStore;
use gateward::store::redis::RedisStore;
use gateward::store::sqlite::SqliteStore;
use gateward::store::{DurableStore, SharedStore, StoreError, StoreObserver};
use tokio::time::{Instant, timeout};

use super::fixtures::{PATIENCE, is_unavailable, new_account, postgres_settings, redis_settings, unobserved};

const SECRET: &str = "hunter2-is-secret";
const DEADLINE: Duration = Duration::from_millis(250);
const SOON: Duration = Duration::from_secs(1);

/// An address that nobody listens on.
fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A listener that accepts (its backlog does) and never says a word.
fn silent() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn unavailable_soon<T>(call: impl Future<Output = Result<T, StoreError>>) {
    let begin = Instant::now();
    let result = timeout(SOON, call).await.unwrap();
    assert!(is_unavailable(&result));
    let error = result.err().unwrap();
    assert!(begin.elapsed() < SOON);
    assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgres_that_refuses_or_keeps_silent_is_unavailable_soon() {
    let (_listener, silent) = silent();
    for address in [refusing(), silent] {
        for mode in ["disable", "prefer", "verify-full"] {
            let url = format!("postgres://gate:{SECRET}@{address}/main?sslmode={mode}");
            let store =
                PostgresStore::connect(&postgres_settings(&url, DEADLINE), unobserved()).await.unwrap();
            unavailable_soon(store.ping()).await;
            unavailable_soon(store.credentials("person@example.com")).await;
        }
        let url = format!("postgres://gate:{SECRET}@{}/main", refusing());
        let store = PostgresStore::connect(&postgres_settings(&url, DEADLINE), unobserved()).await.unwrap();
        unavailable_soon(store.migrate()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_or_keeps_silent_is_unavailable_soon() {
    let (_listener, silent) = silent();
    for address in [refusing(), silent] {
        for scheme in ["redis", "rediss"] {
            let url = format!("{scheme}://:{SECRET}@{address}/");
            let settings = redis_settings(&url, "t:".to_owned(), DEADLINE);
            let store = RedisStore::connect(&settings, unobserved()).await.unwrap();
            unavailable_soon(store.ping()).await;
            unavailable_soon(store.take_code("reset", &[0; 32])).await;
        }
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_refused_without_being_quoted() {
    for url in [&format!("postgres://gate:{SECRET}@h:port/d"), &format!("mysql://gate:{SECRET}@h/d"), SECRET]
    {
        let error =
            PostgresStore::connect(&postgres_settings(url, DEADLINE), unobserved()).await.err().unwrap();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    }
    for url in [&format!("redis://:{SECRET}@h:port/"), &format!("http://:{SECRET}@h/"), SECRET] {
        let settings = redis_settings(url, "t:".to_owned(), DEADLINE);
        let error = RedisStore::connect(&settings, unobserved()).await.err().unwrap();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    }
}

/// Counts what it hears: waits, answers, failures.
#[derive(Default)]
struct Heard {
    waits: AtomicU32,
    answers: AtomicU32,
    failures: AtomicU32,
}

impl Heard {
    fn so_far(&self) -> (u32, u32, u32) {
        let of = |count: &AtomicU32| count.load(Ordering::Relaxed);
        (of(&self.waits), of(&self.answers), of(&self.failures))
    }
}

impl StoreObserver for Heard {
    fn waited(&self, wait: Duration) {
        assert!(wait < PATIENCE, "{wait:?}");
        self.waits.fetch_add(1, Ordering::Relaxed);
    }
    fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
    }
    fn failed(&self, error: &StoreError) {
        assert!(!matches!(error, StoreError::EmailTaken));
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_observer_hears_of_every_wait_and_failure() {
    let (folder, heard) = (tempfile::tempdir().unwrap(), Arc::new(Heard::default()));
    let sqlite = SqliteStore::open(&folder.path().join("gateward.db"), heard.clone()).unwrap();
    assert!(sqlite.accounts(None, 1).await.is_err(), "there is no such table yet");
    assert_eq!(heard.so_far(), (1, 0, 1));
    sqlite.migrate().await.unwrap();
    let (_, answers, _) = heard.so_far();
    sqlite.create_account(new_account("person@example.com")).await.unwrap();
    assert_eq!(heard.so_far(), (3, answers + 1, 1));
    let taken = sqlite.create_account(new_account("person@example.com")).await;
    assert!(matches!(taken, Err(StoreError::EmailTaken)));
    assert_eq!(heard.so_far(), (4, answers + 2, 1), "an answer is no failure");

    let (_listener, silent) = silent();
    for address in [refusing(), silent] {
        let heard = Arc::new(Heard::default());
        let settings = postgres_settings(&format!("postgres://gate@{address}/main"), DEADLINE);
        let postgres = PostgresStore::connect(&settings, heard.clone()).await.unwrap();
        unavailable_soon(postgres.ping()).await;
        assert_eq!(heard.so_far(), (1, 0, 1), "postgres at {address}");

        let heard = Arc::new(Heard::default());
        let settings = redis_settings(&format!("redis://{address}/"), "t:".to_owned(), DEADLINE);
        let redis = RedisStore::connect(&settings, heard.clone()).await.unwrap();
        unavailable_soon(redis.ping()).await;
        assert_eq!(heard.so_far(), (1, 0, 1), "redis at {address}");
    }
}
