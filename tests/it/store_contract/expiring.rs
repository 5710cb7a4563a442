//! The shared store: what is put is there until it expires, and a code works once.

use std::sync::Arc;
use std::time::Duration;

use gateward::domain::account::Account;
use gateward::domain::session::{EndReason, Session, SessionState};
use gateward::store::memory::MemoryStore;
use gateward::store::redis::RedisStore;
use gateward::store::{OneTimeCode, SharedStore};

use super::fixtures::{DAY, NOW, PATIENCE, at_once, new_account, redis_settings, session_of, unobserved};
use crate::support::services::services;

pub async fn redis_store() -> RedisStore {
    let services = services();
    let settings = redis_settings(&services.redis_url(), services.new_key_prefix(), PATIENCE);
    RedisStore::connect(&settings, unobserved()).await.unwrap()
}

macro_rules! on_both_shared_kinds {
    ($($check:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                super::$check(std::sync::Arc::new(super::MemoryStore::new(10_000))).await;
            })+
        }
        mod in_redis {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $check() {
                super::$check(std::sync::Arc::new(super::redis_store().await)).await;
            })+
        }
    };
}
pub(crate) use on_both_shared_kinds;

on_both_shared_kinds!(
    a_session_is_put_found_replaced_and_removed,
    a_session_goes_when_it_expires,
    a_code_goes_when_it_expires,
    of_a_hundred_takers_of_a_code_one_gets_it,
    codes_of_different_purpose_or_hash_are_different,
);

fn account() -> Account {
    new_account("person@example.com").account
}

fn code(purpose: &str, hash: u8, payload: &str) -> OneTimeCode {
    OneTimeCode { purpose: purpose.to_owned(), code_hash: [hash; 32], payload: payload.to_owned() }
}

async fn a_session_is_put_found_replaced_and_removed(store: Arc<dyn SharedStore>) {
    store.ping().await.unwrap();
    let session = session_of(account().id);
    let ended = Session {
        state: SessionState::Revoked { at: NOW, reason: EndReason::Logout },
        address: None,
        ..session.clone()
    };
    assert_eq!(store.session(session.id).await.unwrap(), None);
    store.put_session(&session, DAY).await.unwrap();
    assert_eq!(store.session(session.id).await.unwrap().as_ref(), Some(&session));
    store.put_session(&ended, Duration::MAX).await.unwrap();
    assert_eq!(store.session(session.id).await.unwrap().as_ref(), Some(&ended));
    store.remove_session(session.id).await.unwrap();
    assert_eq!(store.session(session.id).await.unwrap(), None);
    store.remove_session(session.id).await.unwrap();
}

async fn a_session_goes_when_it_expires(store: Arc<dyn SharedStore>) {
    let (short, long) = (session_of(account().id), session_of(account().id));
    store.put_session(&short, Duration::from_millis(50)).await.unwrap();
    store.put_session(&long, DAY).await.unwrap();
    let gone = async {
        while store.session(short.id).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    assert!(store.session(long.id).await.unwrap().is_some());
}

async fn a_code_goes_when_it_expires(store: Arc<dyn SharedStore>) {
    store.put_code(&code("reset", 2, "b"), DAY).await.unwrap();
    // Asking for a code takes it, so each round puts it again.
    let gone = async {
        loop {
            store.put_code(&code("reset", 1, "a"), Duration::ZERO).await.unwrap();
            tokio::task::yield_now().await;
            if store.take_code("reset", &[1; 32]).await.unwrap().is_none() {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.unwrap();
    assert_eq!(store.take_code("reset", &[2; 32]).await.unwrap().as_deref(), Some("b"));
}

async fn of_a_hundred_takers_of_a_code_one_gets_it(store: Arc<dyn SharedStore>) {
    store.put_code(&code("verify_email", 9, "sübject"), DAY).await.unwrap();
    let taken = at_once(100, |_| {
        let store = Arc::clone(&store);
        async move { store.take_code("verify_email", &[9; 32]).await.unwrap() }
    })
    .await;
    let winners: Vec<_> = taken.into_iter().flatten().collect();
    assert_eq!(winners, ["sübject"]);
}

async fn codes_of_different_purpose_or_hash_are_different(store: Arc<dyn SharedStore>) {
    store.put_code(&code("reset", 1, "old"), DAY).await.unwrap();
    store.put_code(&code("reset", 1, "new"), DAY).await.unwrap();
    assert_eq!(store.take_code("verify_email", &[1; 32]).await.unwrap(), None);
    assert_eq!(store.take_code("reset", &[2; 32]).await.unwrap(), None);
    assert_eq!(store.take_code("reset", &[1; 32]).await.unwrap().as_deref(), Some("new"));
    assert_eq!(store.take_code("reset", &[1; 32]).await.unwrap(), None);
}
