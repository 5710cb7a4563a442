//! Signing keys: of several changes made at once one counts, and a retired key is a revocation.

use std::sync::Arc;
use std::time::Duration;

use gateward::domain::revocation::Revoked;
use gateward::domain::session::EndReason;
use gateward::store::{DurableStore, KeyRetirement, SealedKey};

use super::fixtures::{DAY, NOW, at_once};

super::on_both_durable_kinds!(
    of_twenty_keys_brought_at_once_one_is_kept,
    keys_come_back_as_they_were_stored_oldest_first,
    a_key_is_added_only_to_the_keys_that_were_seen,
    a_retired_key_is_a_revocation_and_is_retired_once,
    a_key_is_retired_and_another_brought_in_one_step,
    forgotten_keys_are_gone,
);

fn key(kid: &str, algorithm: &str, age: u64) -> SealedKey {
    let created_at = NOW.plus(Duration::from_secs(1000 - age));
    SealedKey {
        kid: kid.to_owned(),
        algorithm: algorithm.to_owned(),
        sealed: vec![0, 255, 7],
        created_at,
        active_from: created_at.plus(Duration::from_secs(60)),
        retired_at: None,
    }
}

fn kids(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|kid| (*kid).to_owned()).collect()
}

fn retirement(kid: &str, successor: Option<SealedKey>) -> KeyRetirement {
    KeyRetirement { kid: kid.to_owned(), successor, forget_at: NOW.plus(DAY), now: NOW }
}

async fn of_twenty_keys_brought_at_once_one_is_kept(store: Arc<dyn DurableStore>) {
    let added = at_once(20, |number| {
        let store = Arc::clone(&store);
        async move { store.add_signing_key(key(&format!("kid{number}"), "EdDSA", 0), &[]).await.unwrap() }
    })
    .await;
    assert_eq!(added.iter().filter(|added| **added).count(), 1);
    assert_eq!(store.signing_keys().await.unwrap().len(), 1);
}

async fn keys_come_back_as_they_were_stored_oldest_first(store: Arc<dyn DurableStore>) {
    assert!(store.signing_keys().await.unwrap().is_empty());
    assert!(store.add_signing_key(key("b", "ES256", 1), &[]).await.unwrap());
    assert!(store.add_signing_key(key("a", "EdDSA", 2), &kids(&["b"])).await.unwrap());
    assert_eq!(store.signing_keys().await.unwrap(), [key("a", "EdDSA", 2), key("b", "ES256", 1)]);
}

async fn a_key_is_added_only_to_the_keys_that_were_seen(store: Arc<dyn DurableStore>) {
    assert!(store.add_signing_key(key("a", "EdDSA", 3), &[]).await.unwrap());
    assert!(!store.add_signing_key(key("b", "EdDSA", 2), &[]).await.unwrap());
    assert!(!store.add_signing_key(key("b", "EdDSA", 2), &kids(&["a", "x"])).await.unwrap());
    assert!(store.add_signing_key(key("b", "EdDSA", 2), &kids(&["a"])).await.unwrap());
    assert!(store.add_signing_key(key("c", "EdDSA", 1), &kids(&["b", "a"])).await.unwrap(), "in any order");
    assert_eq!(store.signing_keys().await.unwrap().len(), 3);
}

async fn a_retired_key_is_a_revocation_and_is_retired_once(store: Arc<dyn DurableStore>) {
    assert!(store.add_signing_key(key("a", "EdDSA", 3), &[]).await.unwrap());
    assert!(store.add_signing_key(key("b", "EdDSA", 2), &kids(&["a"])).await.unwrap());
    let seen = kids(&["a", "b"]);
    assert_eq!(store.retire_signing_key(retirement("x", None), &seen).await.unwrap(), None);
    assert_eq!(store.retire_signing_key(retirement("a", None), &kids(&["a"])).await.unwrap(), None);
    assert!(store.revocations_after(0, 10).await.unwrap().is_empty(), "what was refused wrote nothing");
    let retired = at_once(10, |_| {
        let (store, seen) = (Arc::clone(&store), seen.clone());
        async move { store.retire_signing_key(retirement("a", None), &seen).await.unwrap() }
    })
    .await;
    let written: Vec<_> = retired.into_iter().flatten().flatten().collect();
    assert_eq!(written.len(), 1);
    assert_eq!(written[0].revoked, Revoked::Key { kid: "a".to_owned() });
    assert_eq!((written[0].reason, written[0].forget_at), (EndReason::KeyRetired, NOW.plus(DAY)));
    assert_eq!(store.revocations_after(0, 10).await.unwrap(), written);
    let stored = store.signing_keys().await.unwrap();
    assert_eq!(stored[0].retired_at, Some(NOW));
    assert_eq!(stored[1].retired_at, None);
    assert!(store.add_signing_key(key("c", "EdDSA", 1), &kids(&["b"])).await.unwrap(), "a counts no more");
}

async fn a_key_is_retired_and_another_brought_in_one_step(store: Arc<dyn DurableStore>) {
    assert!(store.add_signing_key(key("a", "EdDSA", 3), &[]).await.unwrap());
    let successor = Some(key("b", "EdDSA", 2));
    let written = store.retire_signing_key(retirement("a", successor.clone()), &[]).await.unwrap();
    assert_eq!(written, None);
    assert_eq!(store.signing_keys().await.unwrap().len(), 1);
    assert!(!store.key_is_retired("a").await.unwrap());
    let written = store.retire_signing_key(retirement("a", successor), &kids(&["a"])).await.unwrap();
    assert!(store.key_is_retired("a").await.unwrap() && !store.key_is_retired("b").await.unwrap());
    assert_eq!(written.unwrap().len(), 1);
    let stored = store.signing_keys().await.unwrap();
    assert_eq!(stored[0].retired_at, Some(NOW));
    assert_eq!(stored[1], key("b", "EdDSA", 2));
}

async fn forgotten_keys_are_gone(store: Arc<dyn DurableStore>) {
    assert!(store.add_signing_key(key("a", "EdDSA", 3), &[]).await.unwrap());
    assert!(store.add_signing_key(key("b", "EdDSA", 2), &kids(&["a"])).await.unwrap());
    store.forget_signing_keys(&kids(&["a", "unknown"])).await.unwrap();
    assert_eq!(store.signing_keys().await.unwrap(), [key("b", "EdDSA", 2)]);
}
