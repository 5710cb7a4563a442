//! What only Postgres can show: its connections go, and the store takes no harm.

use std::sync::Arc;
use std::time::Duration;

use gateward::domain::session::{EndReason, SessionState};
use gateward::store::DurableStore;
use gateward::store::postgres::PostgresStore;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use super::fixtures::{
    NOW, PATIENCE, at_once, is_corrupt, is_unavailable, postgres_settings, postgres_store, session_of,
    stored_account, stored_sessions, unobserved,
};
use crate::support::services::services;

/// A connection of the test's own, to do what no store does.
pub struct Raw {
    client: tokio_postgres::Client,
    _connection: JoinSet<()>,
}

impl Raw {
    pub async fn connect(url: &str) -> Self {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let _ended = connection.await;
        });
        Self { client, _connection: tasks }
    }

    pub async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }

    /// Ends every other connection to this database; how many there were.
    async fn kill_the_others(&self) -> i64 {
        let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        self.client.query_one(kill, &[]).await.unwrap().get(0)
    }
}

async fn migrated() -> (String, Arc<PostgresStore>) {
    let url = services().new_database();
    let store = postgres_store(&url).await;
    store.migrate().await.unwrap();
    (url, Arc::new(store))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_calls_after_all_connections_were_killed_succeed() {
    let (url, store) = migrated().await;
    let raw = Raw::connect(&url).await;
    let account = stored_account(&*store, "person@example.com").await;
    for round in 0..20 {
        let session = session_of(account.id);
        at_once(8, |_| {
            let store = Arc::clone(&store);
            async move { store.ping().await.unwrap() }
        })
        .await;
        assert!(raw.kill_the_others().await > 0);
        // At once: the pool need not have heard of it yet.
        assert!(store.create_session(&session, None).await.unwrap(), "round {round}");
        raw.kill_the_others().await;
        assert!(store.session(session.id).await.unwrap().is_some(), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_dropped_half_way_leave_no_gap_and_no_stuck_connection() {
    let (_url, store) = migrated().await;
    let account = stored_account(&*store, "person@example.com").await;
    let sessions = stored_sessions(&*store, account.id, 120).await;
    at_once(sessions.len(), |number| {
        let store = Arc::clone(&store);
        let id = sessions[number].id;
        // Most are dropped somewhere on their way; the last ones may come to their end.
        let patience =
            if number < 100 { Duration::from_micros(u64::try_from(number).unwrap() * 400) } else { PATIENCE };
        async move {
            let _dropped =
                tokio::time::timeout(patience, store.end_session(id, EndReason::Logout, NOW)).await;
        }
    })
    .await;
    // Whatever was still running on the server has ended when this has.
    let rest = store.disable_account(account.id, NOW).await.unwrap().unwrap().revocations;
    assert!(rest.len() <= 100, "those that were not dropped came through");
    let numbers: Vec<i64> =
        store.revocations_after(0, 1000).await.unwrap().iter().map(|revocation| revocation.number).collect();
    assert_eq!(numbers, (1..=120).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_for_a_lock_gives_up_in_time_and_the_next_one_works() {
    let (url, patient) = migrated().await;
    let account = stored_account(&*patient, "person@example.com").await;
    let settings = postgres_settings(&url, Duration::from_millis(250));
    let store = PostgresStore::connect(&settings, unobserved()).await.unwrap();
    let raw = Raw::connect(&url).await;
    raw.run("BEGIN; LOCK TABLE accounts IN ACCESS EXCLUSIVE MODE").await;
    // More calls than there are connections, one after the other: none of them stays stuck.
    for _ in 0..10 {
        let result = tokio::time::timeout(Duration::from_secs(2), store.account(account.id)).await.unwrap();
        assert!(is_unavailable(&result));
    }
    raw.run("ROLLBACK").await;
    assert!(store.account(account.id).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_carry_our_name_and_the_server_takes_our_options() {
    let url = services().new_database();
    let store =
        PostgresStore::connect(&postgres_settings(&url, Duration::from_secs(7)), unobserved()).await.unwrap();
    store.ping().await.unwrap();
    let raw = Raw::connect(&url).await;
    let found: i64 = raw
        .client
        .query_one(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'gateward'",
            &[],
        )
        .await
        .unwrap()
        .get(0);
    assert_eq!(found, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_from_foreign_hands_are_corrupt() {
    let (url, store) = migrated().await;
    let account = stored_account(&*store, "person@example.com").await;
    let session = stored_sessions(&*store, account.id, 1).await.remove(0);
    store.end_session(session.id, EndReason::Logout, NOW).await.unwrap();
    let raw = Raw::connect(&url).await;
    raw.run("ALTER TABLE accounts DROP CONSTRAINT accounts_status_check; UPDATE accounts SET status = 'odd'")
        .await;
    raw.run("UPDATE sessions SET revoked_reason = 'of a newer version'; UPDATE revocations SET reason = 'likewise'")
        .await;

    assert!(is_corrupt(&store.account(account.id).await));
    assert!(is_corrupt(&store.accounts(None, 10).await));
    assert!(is_corrupt(&store.credentials("person@example.com").await));
    let state = store.session(session.id).await.unwrap().unwrap().state;
    assert_eq!(state, SessionState::Revoked { at: NOW, reason: EndReason::Other }, "ended it is");
    assert_eq!(store.revocations_after(0, 10).await.unwrap()[0].reason, EndReason::Other);

    raw.run("UPDATE accounts SET status = 'active', roles = ARRAY['a', NULL]").await;
    assert!(is_corrupt(&store.account(account.id).await));
    raw.run("UPDATE sessions SET revoked_reason = 'logout'").await;
    let state = store.session(session.id).await.unwrap().unwrap().state;
    assert_eq!(state, SessionState::Revoked { at: NOW, reason: EndReason::Logout });
    raw.run("DELETE FROM revocation_counter").await;
    let other = session_of(account.id);
    assert!(store.create_session(&other, None).await.unwrap());
    assert!(is_corrupt(&store.end_session(other.id, EndReason::Logout, NOW).await));
    assert!(store.session(other.id).await.unwrap().unwrap().is_live(NOW), "all or nothing");
}
