//! Registrations of replicas, and where a follower goes on.

use std::sync::Arc;
use std::time::Duration;

use gateward::domain::feed::{Position, Renewal};
use gateward::domain::id::ReplicaId;
use gateward::domain::session::EndReason;
use gateward::store::DurableStore;

use super::fixtures::{NOW, stored_account, stored_sessions};
use super::on_both_durable_kinds;

on_both_durable_kinds! {
    a_replica_registers_and_confirms_and_leaves,
    a_position_that_is_not_this_stores_counts_as_none,
    a_follower_goes_on_where_it_was,
    a_follower_whose_number_was_given_to_another_starts_again,
    the_newest_revocation_is_the_one_with_the_highest_number,
}

const LEASE: Duration = Duration::from_secs(900);

fn replica(number: u8) -> ReplicaId {
    ReplicaId::new(NOW, [number; 10])
}

/// Ends so many sessions; their positions.
async fn ended(store: &dyn DurableStore, count: usize) -> Vec<Position> {
    let account = stored_account(store, "person@example.com").await;
    let mut positions = Vec::new();
    for session in stored_sessions(store, account.id, count).await {
        let ended = store.end_session(session.id, EndReason::Logout, NOW).await.unwrap();
        positions.extend(ended.revocations.iter().map(Position::from));
    }
    positions
}

async fn a_replica_registers_and_confirms_and_leaves(store: Arc<dyn DurableStore>) {
    let positions = ended(&*store, 3).await;
    let register =
        async |number, followed| store.register_replica(replica(number), followed, LEASE).await.unwrap();
    assert_eq!(register(1, Position::START).await, Renewal::New);
    assert_eq!(register(1, positions[1]).await, Renewal::Renewed);
    assert_eq!(register(2, Position::START).await, Renewal::New);
    let mut all = store.registrations().await.unwrap();
    all.sort_by_key(|registration| registration.replica);
    let seen: Vec<_> = all.iter().map(|one| (one.replica, one.followed, one.lease)).collect();
    assert_eq!(seen, [(replica(1), 2, LEASE), (replica(2), 0, LEASE)]);
    assert!(all.iter().all(|registration| registration.age < Duration::from_secs(60)), "{all:?}");
    store.deregister_replica(replica(1)).await.unwrap();
    store.deregister_replica(replica(1)).await.unwrap();
    assert_eq!(store.registrations().await.unwrap().len(), 1);
    assert_eq!(register(1, positions[2]).await, Renewal::New, "it was not there");
}

async fn a_position_that_is_not_this_stores_counts_as_none(store: Arc<dyn DurableStore>) {
    let positions = ended(&*store, 2).await;
    let followed = async |position| {
        store.register_replica(replica(1), position, LEASE).await.unwrap();
        store.registrations().await.unwrap()[0].followed
    };
    followed(Position::START).await;
    assert_eq!(followed(positions[1]).await, 2);
    assert_eq!(followed(Position { number: 3, session: None }).await, 0, "ahead");
    assert_eq!(followed(Position { number: 1, ..positions[1] }).await, 0, "another one's number");
}

async fn a_follower_goes_on_where_it_was(store: Arc<dyn DurableStore>) {
    assert_eq!(store.follow_revocations(Position::START, 10).await.unwrap().newest, 0);
    let positions = ended(&*store, 3).await;
    let page = store.follow_revocations(Position::START, 2).await.unwrap();
    assert_eq!(page.revocations.iter().map(Position::from).collect::<Vec<_>>(), positions[..2]);
    assert!(page.more && !page.restarted && page.newest == 3);
    let page = store.follow_revocations(positions[1], 2).await.unwrap();
    assert_eq!(page.revocations.iter().map(Position::from).collect::<Vec<_>>(), positions[2..]);
    assert!(!page.more && !page.restarted && page.newest == 3);
    let page = store.follow_revocations(positions[2], 2).await.unwrap();
    assert!(page.revocations.is_empty() && !page.more && !page.restarted);
}

/// As after a failover that lost the last commits.
async fn a_follower_whose_number_was_given_to_another_starts_again(store: Arc<dyn DurableStore>) {
    let positions = ended(&*store, 3).await;
    for strange in [Position { number: 4, session: None }, Position { number: 2, ..positions[0] }] {
        let page = store.follow_revocations(strange, 10).await.unwrap();
        assert!(page.restarted, "{strange:?}");
        assert_eq!(page.revocations.iter().map(Position::from).collect::<Vec<_>>(), positions);
    }
}

async fn the_newest_revocation_is_the_one_with_the_highest_number(store: Arc<dyn DurableStore>) {
    assert_eq!(store.newest_revocation().await.unwrap(), None);
    let positions = ended(&*store, 3).await;
    let newest = store.newest_revocation().await.unwrap();
    assert_eq!(newest.as_ref().map(Position::from), positions.last().copied());
}
