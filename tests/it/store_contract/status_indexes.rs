//! Places in the status list: each is given out once.

use std::collections::BTreeSet;
use std::sync::Arc;

use gateward::store::DurableStore;

use super::fixtures::at_once;

super::on_both_durable_kinds!(blocks_reserved_at_once_do_not_overlap_and_are_counted);

async fn blocks_reserved_at_once_do_not_overlap_and_are_counted(store: Arc<dyn DurableStore>) {
    assert_eq!(store.status_indexes_taken().await.unwrap(), 0);
    let firsts = at_once(20, |_| {
        let store = Arc::clone(&store);
        async move { store.reserve_status_indexes(256).await.unwrap().0 }
    })
    .await;
    let firsts: BTreeSet<i64> = firsts.into_iter().collect();
    assert_eq!(firsts.into_iter().collect::<Vec<_>>(), (0..20).map(|n| n * 256).collect::<Vec<_>>());
    assert_eq!(store.status_indexes_taken().await.unwrap(), 20 * 256);
}
