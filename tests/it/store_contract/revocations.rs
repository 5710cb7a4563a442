//! Revocations: numbers without gaps, in order, and kept when old ones go.

use std::sync::Arc;
use std::time::Duration;

use gateward::domain::session::{EndReason, Session};
use gateward::store::DurableStore;

use super::fixtures::{DAY, NOW, PATIENCE, at_once, session_of, stored_account, stored_sessions};

super::on_both_durable_kinds!(
    numbers_have_no_gaps_and_become_visible_in_order,
    fifty_logouts_of_one_session_are_one_revocation,
    revocations_are_read_page_by_page,
    pruning_takes_what_has_expired_and_leaves_the_numbers_alone,
    pruning_takes_no_more_than_its_limit,
    a_reader_ahead_of_the_store_starts_again,
);

/// A restored backup, or a failover that lost the last commits, counts again from a lower number.
async fn a_reader_ahead_of_the_store_starts_again(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    for session in stored_sessions(&*store, account.id, 3).await {
        store.end_session(session.id, EndReason::Logout, NOW).await.unwrap();
    }
    assert_eq!(store.revocations_after(3, 100).await.unwrap(), []);
    let numbers = store.revocations_after(1000, 100).await.unwrap();
    assert_eq!(numbers.iter().map(|revocation| revocation.number).collect::<Vec<_>>(), [1, 2, 3]);
}

async fn numbers_have_no_gaps_and_become_visible_in_order(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    let sessions = stored_sessions(&*store, account.id, 50).await;

    // A reader that never looks back must not miss one while fifty writers work.
    let reader = async {
        let mut seen = Vec::new();
        while seen.len() < sessions.len() {
            let after = seen.last().copied().unwrap_or(0);
            for revocation in store.revocations_after(after, 7).await.unwrap() {
                assert_eq!(revocation.number, seen.last().copied().unwrap_or(0) + 1);
                seen.push(revocation.number);
            }
        }
        seen
    };
    let writers = at_once(sessions.len(), |number| {
        let store = Arc::clone(&store);
        let id = sessions[number].id;
        async move { store.end_session(id, EndReason::Logout, NOW).await.unwrap().revocations }
    });
    let (seen, written) = tokio::join!(tokio::time::timeout(PATIENCE, reader), writers);

    let mut written: Vec<_> = written.into_iter().flatten().collect();
    written.sort_by_key(|revocation| revocation.number);
    assert_eq!(written.iter().map(|revocation| revocation.number).collect::<Vec<_>>(), seen.unwrap());
    assert_eq!(store.revocations_after(0, 1000).await.unwrap(), written);
}

async fn fifty_logouts_of_one_session_are_one_revocation(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    let id = stored_sessions(&*store, account.id, 1).await[0].id;
    let ended = at_once(50, |_| {
        let store = Arc::clone(&store);
        async move { store.end_session(id, EndReason::Logout, NOW).await.unwrap().revocations.len() }
    })
    .await;
    assert_eq!(ended.iter().sum::<usize>(), 1);
    assert_eq!(store.revocations_after(0, 100).await.unwrap().len(), 1);
}

async fn revocations_are_read_page_by_page(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    stored_sessions(&*store, account.id, 5).await;
    let all = store.disable_account(account.id, NOW).await.unwrap().unwrap().revocations;
    assert_eq!(store.revocations_after(0, 2).await.unwrap(), all[..2]);
    assert_eq!(store.revocations_after(2, 2).await.unwrap(), all[2..4]);
    assert_eq!(store.revocations_after(4, 2).await.unwrap(), all[4..]);
    assert_eq!(store.revocations_after(5, 2).await.unwrap(), []);
    assert_eq!(store.revocations_after(-1, u32::MAX).await.unwrap(), all);
}

async fn pruning_takes_what_has_expired_and_leaves_the_numbers_alone(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    let expiring = |days: u32| Session { expires_at: NOW.plus(DAY * days), ..session_of(account.id) };
    let (short, long, live) = (expiring(1), expiring(3), expiring(1));
    for session in [&short, &long, &live] {
        assert!(store.create_session(session, None).await.unwrap());
    }
    for session in [&short, &long] {
        store.end_session(session.id, EndReason::Logout, NOW).await.unwrap();
    }

    // Exactly at its expiry a session is not yet before it.
    assert_eq!(store.prune(NOW.plus(DAY), 100).await.unwrap(), 0);
    assert_eq!(store.prune(NOW.plus(DAY * 2), 100).await.unwrap(), 3);

    assert!(store.session(short.id).await.unwrap().is_none());
    assert!(store.session(live.id).await.unwrap().is_none());
    assert!(store.session(long.id).await.unwrap().is_some());
    let left = store.revocations_after(0, 100).await.unwrap();
    assert_eq!(left.iter().map(|revocation| revocation.number).collect::<Vec<_>>(), [2]);

    assert_eq!(store.prune(NOW.plus(DAY * 4), 100).await.unwrap(), 2);
    assert!(store.revocations_after(0, 100).await.unwrap().is_empty());
    let next = stored_sessions(&*store, account.id, 1).await.remove(0);
    let ended = store.end_session(next.id, EndReason::Logout, NOW).await.unwrap().revocations;
    assert_eq!(ended[0].number, 3);
}

async fn pruning_takes_no_more_than_its_limit(store: Arc<dyn DurableStore>) {
    let account = stored_account(&*store, "person@example.com").await;
    stored_sessions(&*store, account.id, 3).await;
    store.disable_account(account.id, NOW).await.unwrap();
    let later = NOW.plus(DAY + Duration::from_millis(1));
    assert_eq!(store.prune(later, 2).await.unwrap(), 4);
    assert_eq!(store.prune(later, 2).await.unwrap(), 2);
    assert_eq!(store.prune(later, 2).await.unwrap(), 0);
}
