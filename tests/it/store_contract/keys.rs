//! Signing keys: replicas that start at once agree on one.

use std::sync::Arc;
use std::time::Duration;

use gateward::store::{DurableStore, SealedKey};

use super::fixtures::{NOW, at_once};

super::on_both_durable_kinds!(
    of_twenty_keys_brought_at_once_all_see_the_same_one,
    there_is_one_key_per_algorithm_oldest_first,
);

fn key(kid: &str, algorithm: &str, age: u64) -> SealedKey {
    SealedKey {
        kid: kid.to_owned(),
        algorithm: algorithm.to_owned(),
        sealed: vec![0, 255, 7],
        created_at: NOW.plus(Duration::from_secs(1000 - age)),
    }
}

async fn of_twenty_keys_brought_at_once_all_see_the_same_one(store: Arc<dyn DurableStore>) {
    let seen = at_once(20, |number| {
        let store = Arc::clone(&store);
        async move { store.ensure_signing_key(key(&format!("kid{number}"), "EdDSA", 0)).await.unwrap() }
    })
    .await;
    let kept = store.signing_keys().await.unwrap();
    assert_eq!(kept.len(), 1);
    for keys in seen {
        assert_eq!(keys.len(), 1);
        assert_eq!(keys[0].kid, kept[0].kid);
    }
}

async fn there_is_one_key_per_algorithm_oldest_first(store: Arc<dyn DurableStore>) {
    assert!(store.signing_keys().await.unwrap().is_empty());
    store.ensure_signing_key(key("b", "ES256", 1)).await.unwrap();
    store.ensure_signing_key(key("a", "EdDSA", 2)).await.unwrap();
    let keys = store.ensure_signing_key(key("c", "EdDSA", 3)).await.unwrap();
    let kids: Vec<_> = keys.iter().map(|key| key.kid.as_str()).collect();
    assert_eq!(kids, ["a", "b"]);
    assert_eq!(keys[0].algorithm, "EdDSA");
    assert_eq!(keys[0].sealed, [0, 255, 7]);
    assert_eq!(keys[0].created_at, key("a", "EdDSA", 2).created_at);
}
