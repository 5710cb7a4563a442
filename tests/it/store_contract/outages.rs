//! Servers that refuse or keep silent: the caller learns it in time, and no secret is in the words.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use gateward::store::postgres::PostgresStore;
use gateward::store::redis::RedisStore;
use gateward::store::{DurableStore, SharedStore, StoreError};
use tokio::time::{Instant, timeout};

use super::fixtures::{is_unavailable, postgres_settings, redis_settings};

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
            let store = PostgresStore::connect(&postgres_settings(&url, DEADLINE)).await.unwrap();
            unavailable_soon(store.ping()).await;
            unavailable_soon(store.credentials("person@example.com")).await;
        }
        let url = format!("postgres://gate:{SECRET}@{}/main", refusing());
        let store = PostgresStore::connect(&postgres_settings(&url, DEADLINE)).await.unwrap();
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
            let store = RedisStore::connect(&settings).await.unwrap();
            unavailable_soon(store.ping()).await;
            unavailable_soon(store.take_code("reset", &[0; 32])).await;
        }
    }
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_refused_without_being_quoted() {
    for url in [&format!("postgres://gate:{SECRET}@h:port/d"), &format!("mysql://gate:{SECRET}@h/d"), SECRET]
    {
        let error = PostgresStore::connect(&postgres_settings(url, DEADLINE)).await.err().unwrap();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    }
    for url in [&format!("redis://:{SECRET}@h:port/"), &format!("http://:{SECRET}@h/"), SECRET] {
        let settings = redis_settings(url, "t:".to_owned(), DEADLINE);
        let error = RedisStore::connect(&settings).await.err().unwrap();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error:?}");
    }
}
