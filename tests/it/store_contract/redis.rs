//! What only Redis can show: its connections go, records are under foreign hands.

use std::sync::Arc;
use std::time::Duration;

use gateward::store::SharedStore;
use gateward::store::redis::RedisStore;

use super::fixtures::{
    DAY, PATIENCE, at_once, is_corrupt, new_account, redis_settings, session_of, unobserved,
};
use crate::support::services::services;

async fn raw() -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(services().redis_url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

async fn store_with_prefix() -> (Arc<RedisStore>, String) {
    let prefix = services().new_key_prefix();
    let settings = redis_settings(&services().redis_url(), prefix.clone(), PATIENCE);
    (Arc::new(RedisStore::connect(&settings, unobserved()).await.unwrap()), prefix)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_no_session_is_corrupt() {
    let (store, prefix) = store_with_prefix().await;
    let session = session_of(new_account("person@example.com").account.id);
    let other = session_of(session.account_id);
    let key = format!("{prefix}session:{}", session.id);
    let mut raw = raw().await;
    let foreign = serde_json::to_string(&other).unwrap();
    for record in ["", "{}", "[1", "\u{0}", foreign.as_str()] {
        redis::cmd("SET").arg(&key).arg(record).exec_async(&mut raw).await.unwrap();
        assert!(is_corrupt(&store.session(session.id).await), "{record:?}");
    }
    store.put_session(&session, DAY).await.unwrap();
    assert_eq!(store.session(session.id).await.unwrap(), Some(session));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_it_writes_expires() {
    let (store, prefix) = store_with_prefix().await;
    let session = session_of(new_account("person@example.com").account.id);
    store.put_session(&session, DAY).await.unwrap();
    let mut raw = raw().await;
    let key = format!("{prefix}session:{}", session.id);
    let ttl: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut raw).await.unwrap();
    let day = i64::try_from(DAY.as_millis()).unwrap();
    assert!((day - 60_000..=day).contains(&ttl), "{ttl}");
}

/// Other tests share this server, so this test's connections are told by their database number.
const OWN_DATABASE: u32 = 7;

#[tokio::test(flavor = "multi_thread")]
async fn it_recovers_by_itself_after_all_connections_were_killed() {
    let url = format!("{}/{OWN_DATABASE}", services().redis_url().trim_end_matches('/'));
    let settings = redis_settings(&url, services().new_key_prefix(), Duration::from_secs(1));
    let store = Arc::new(RedisStore::connect(&settings, unobserved()).await.unwrap());
    let answers = async || {
        while store.ping().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let mut raw = raw().await;
    for _ in 0..10 {
        // Several at once, so that there are several connections.
        at_once(8, |_| {
            let store = Arc::clone(&store);
            async move { store.ping().await.is_ok() }
        })
        .await;
        tokio::time::timeout(PATIENCE, answers()).await.unwrap();
        let clients: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut raw).await.unwrap();
        let own = clients.lines().filter(|line| line.contains(&format!(" db={OWN_DATABASE} ")));
        let ids: Vec<&str> =
            own.map(|line| line.split(' ').next().unwrap().trim_start_matches("id=")).collect();
        assert!(!ids.is_empty());
        for id in ids {
            // One that has gone meanwhile cannot be killed, which is as good.
            let _gone = redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).exec_async(&mut raw).await;
        }
        tokio::time::timeout(PATIENCE, answers()).await.unwrap();
    }
}
