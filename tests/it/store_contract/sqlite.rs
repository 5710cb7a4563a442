//! What only SQLite can show: its file, and other processes on it.

use std::path::PathBuf;
use std::sync::Arc;

use gateward::domain::session::{EndReason, SessionState};
use gateward::store::sqlite::SqliteStore;
use gateward::store::{DurableStore, StoreError};
use rusqlite::Connection;
use tempfile::TempDir;

use super::fixtures::{
    NOW, at_once, is_corrupt, is_unavailable, new_account, session_of, stored_account, stored_sessions,
    unobserved,
};

async fn migrated() -> (SqliteStore, PathBuf, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateward.db");
    let store = SqliteStore::open(&path, unobserved()).unwrap();
    store.migrate().await.unwrap();
    (store, path, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_there_after_opening_again() {
    let (store, path, _folder) = migrated().await;
    let account = stored_account(&store, "person@example.com").await;
    // A second store while the first one is open: as after kill -9, nothing was tidied up.
    let again = SqliteStore::open(&path, unobserved()).unwrap();
    assert_eq!(again.account(account.id).await.unwrap().as_ref(), Some(&account));
    drop(store);
    assert_eq!(again.account(account.id).await.unwrap(), Some(account));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_process_locks_is_unavailable_until_it_is_free() {
    let (store, path, _folder) = migrated().await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(is_unavailable(&store.create_account(new_account("person@example.com")).await));
    assert!(store.credentials("person@example.com").await.unwrap().is_none(), "readers are not kept out");
    other.execute_batch("ROLLBACK").unwrap();
    store.create_account(new_account("person@example.com")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_that_register_one_address_make_one_account() {
    let (first, path, _folder) = migrated().await;
    let stores = [Arc::new(first), Arc::new(SqliteStore::open(&path, unobserved()).unwrap())];
    let results = at_once(100, |number| {
        let store = Arc::clone(&stores[number % 2]);
        async move { store.create_account(new_account("person@example.com")).await }
    })
    .await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert!(results.iter().all(|result| matches!(result, Ok(()) | Err(StoreError::EmailTaken))));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_from_foreign_hands_are_corrupt() {
    let (store, path, _folder) = migrated().await;
    let account = stored_account(&store, "person@example.com").await;
    let session = stored_sessions(&store, account.id, 1).await.remove(0);
    store.end_session(session.id, EndReason::Logout, NOW).await.unwrap();
    let raw = Connection::open(&path).unwrap();
    let run = |sql: &str| raw.execute_batch(&format!("PRAGMA ignore_check_constraints = ON; {sql}")).unwrap();

    for change in ["status = 'odd'", "status = 'active', roles = 'not json'", "roles = '[1]'"] {
        run(&format!("UPDATE accounts SET {change}"));
        assert!(is_corrupt(&store.account(account.id).await), "{change}");
        assert!(is_corrupt(&store.accounts(None, 10).await), "{change}");
        assert!(is_corrupt(&store.credentials("person@example.com").await), "{change}");
    }
    run(
        "UPDATE sessions SET revoked_reason = 'of a newer version'; UPDATE revocations SET reason = 'likewise'",
    );
    let state = store.session(session.id).await.unwrap().unwrap().state;
    assert_eq!(state, SessionState::Revoked { at: NOW, reason: EndReason::Other }, "ended it is");
    assert_eq!(store.revocations_after(0, 10).await.unwrap()[0].reason, EndReason::Other);
    run("UPDATE sessions SET revoked_reason = NULL");
    assert!(is_corrupt(&store.session(session.id).await));
    run("UPDATE revocations SET session_id = x'01'");
    assert!(is_corrupt(&store.revocations_after(0, 10).await));

    run("DELETE FROM revocation_counter; UPDATE accounts SET roles = '[]'");
    let other = session_of(account.id);
    assert!(store.create_session(&other, None).await.unwrap());
    assert!(is_corrupt(&store.end_session(other.id, EndReason::Logout, NOW).await));
    assert!(store.session(other.id).await.unwrap().unwrap().is_live(NOW), "all or nothing");
}
