//! Migrations: any number of processes may start at once, and a foreign schema is left alone.

use std::sync::Arc;

use gateward::store::sqlite::SqliteStore;
use gateward::store::{DurableStore, MigrationStatus};

use super::fixtures::{at_once, is_corrupt, is_unavailable, postgres_store, unobserved};
use super::postgres::Raw;
use crate::support::services::services;

/// The names of all migrations, in order, from the folder of one kind.
fn all() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/postgres");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".sql").to_owned())
        .collect();
    names.sort_by_key(|name| name[1..].split("__").next().unwrap().parse::<u32>().unwrap());
    names
}

/// `stores` are as many replicas on one empty database.
async fn check(stores: [Arc<dyn DurableStore>; 8]) {
    let before = stores[0].migration_status().await.unwrap();
    assert_eq!(before, MigrationStatus { applied: vec![], pending: all() });
    let early = stores[0].signing_keys().await;
    assert!(is_corrupt(&early), "{early:?}");

    let done = MigrationStatus { applied: all(), pending: vec![] };
    let results = at_once(stores.len(), |number| {
        let store = Arc::clone(&stores[number]);
        async move { store.migrate().await }
    })
    .await;
    for result in results {
        assert_eq!(result.unwrap(), done);
    }
    assert_eq!(stores[0].migrate().await.unwrap(), done);
    assert_eq!(stores[1].migration_status().await.unwrap(), done);
    stores[2].ping().await.unwrap();
    assert!(stores[3].signing_keys().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_replicas_migrate_one_postgres_at_once() {
    let url = services().new_database();
    let mut stores: Vec<Arc<dyn DurableStore>> = Vec::new();
    for _ in 0..8 {
        stores.push(Arc::new(postgres_store(&url).await));
    }
    check(stores.try_into().ok().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_stores_migrate_one_sqlite_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateward.db");
    check(std::array::from_fn(|_| Arc::new(SqliteStore::open(&path, unobserved()).unwrap()) as _)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_tasks_migrate_through_one_sqlite_store_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn DurableStore> =
        Arc::new(SqliteStore::open(&folder.path().join("gateward.db"), unobserved()).unwrap());
    check(std::array::from_fn(|_| Arc::clone(&store))).await;
}

const EDITED: &str = "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 2";
const NEWER: &str = "INSERT INTO refinery_schema_history SELECT 99, 'newer', applied_on, checksum \
    FROM refinery_schema_history WHERE version = 1";

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_or_unknown_migration_in_postgres_is_refused() {
    for change in [EDITED, NEWER] {
        let url = services().new_database();
        let store = postgres_store(&url).await;
        store.migrate().await.unwrap();
        Raw::connect(&url).await.run(change).await;
        let result = store.migrate().await;
        assert!(is_corrupt(&result), "{change}: {result:?}");
        assert!(!is_unavailable(&store.migration_status().await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_or_unknown_migration_in_sqlite_is_refused() {
    for change in [EDITED, NEWER] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateward.db");
        let store = SqliteStore::open(&path, unobserved()).unwrap();
        store.migrate().await.unwrap();
        rusqlite::Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let result = store.migrate().await;
        assert!(is_corrupt(&result), "{change}: {result:?}");
        let status = store.migration_status().await.unwrap();
        assert_eq!(status.applied.contains(&"V99__newer".to_owned()), change == NEWER);
    }
}
