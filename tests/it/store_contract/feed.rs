//! The stream of revocations in Redis, under all that may happen to it.

use std::sync::Arc;
use std::time::Duration;

use gateward::domain::id::SessionId;
use gateward::domain::revocation::{Revocation, Revoked};
use gateward::domain::session::{EndReason, StatusIndex};
use gateward::store::redis::RedisStore;
use gateward::store::{FeedConnection, FeedError, RevocationFeed};

use super::fixtures::{DAY, NOW, PATIENCE, redis_settings, session_of, unobserved};
use crate::support::services::{PrivateRedis, services};

fn revocation(number: i64) -> Revocation {
    let account = gateward::domain::id::AccountId::new(NOW, [7; 10]);
    let id: SessionId = session_of(account).id;
    Revocation {
        number,
        revoked: Revoked::Session { id, status_index: Some(StatusIndex(number)) },
        forget_at: NOW.plus(DAY),
        revoked_at: NOW,
        reason: EndReason::Logout,
    }
}

async fn feed_at(url: &str) -> (Arc<RedisStore>, String) {
    let prefix = services().new_key_prefix();
    let settings = redis_settings(url, prefix.clone(), PATIENCE);
    (Arc::new(RedisStore::connect(&settings, unobserved()).await.unwrap()), format!("{prefix}revocations"))
}

async fn shared_feed() -> (Arc<RedisStore>, String, redis::aio::MultiplexedConnection) {
    let (feed, key) = feed_at(&services().redis_url()).await;
    let client = redis::Client::open(services().redis_url()).unwrap();
    (feed, key, client.get_multiplexed_async_connection().await.unwrap())
}

async fn numbers(follower: &mut Box<dyn FeedConnection>, after: i64) -> Vec<i64> {
    follower.read(after).await.unwrap().revocations.iter().map(|revocation| revocation.number).collect()
}

fn is_replaced<T>(read: &Result<T, FeedError>) -> bool {
    matches!(read, Err(FeedError::Replaced))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_is_read_as_it_was_and_an_empty_answer_is_an_answer() {
    let (feed, ..) = shared_feed().await;
    let mut follower = feed.follow().await.unwrap();
    assert_eq!(follower.head(), 0);
    assert_eq!(numbers(&mut follower, 0).await, [0; 0]);
    let key = Revocation { revoked: Revoked::Key { kid: "kid".to_owned() }, ..revocation(2) };
    let unlisted = session_of(gateward::domain::id::AccountId::new(NOW, [7; 10])).id;
    let unlisted = Revoked::Session { id: unlisted, status_index: None };
    let written = [revocation(1), key, Revocation { revoked: unlisted, ..revocation(3) }];
    feed.publish(&written[..1]).await.unwrap();
    feed.publish(&written[1..]).await.unwrap();
    let page = follower.read(0).await.unwrap();
    assert_eq!(page.revocations, written);
    assert!(!page.more);
    assert_eq!(numbers(&mut follower, 2).await, [3]);
    assert_eq!(numbers(&mut follower, 3).await, [0; 0]);
    assert_eq!(feed.follow().await.unwrap().head(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_waits_has_the_entry_at_once() {
    let (feed, ..) = shared_feed().await;
    let mut follower = feed.follow().await.unwrap();
    for number in 1..=20 {
        let (read, published) =
            tokio::join!(async { follower.read(number - 1).await }, feed_one(&feed, number));
        published.unwrap();
        // The read may have timed out before the entry came; then the next one has it.
        if read.unwrap().revocations.is_empty() {
            assert_eq!(numbers(&mut follower, number - 1).await, [number]);
        }
    }
}

async fn feed_one(feed: &RedisStore, number: i64) -> Result<(), gateward::store::StoreError> {
    feed.publish(&[revocation(number)]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_comes_too_late_leaves_a_gap_and_again_changes_nothing() {
    let (feed, ..) = shared_feed().await;
    let mut follower = feed.follow().await.unwrap();
    let (one, two) = (revocation(1), revocation(2));
    feed.publish(std::slice::from_ref(&two)).await.unwrap();
    feed.publish(&[one]).await.unwrap();
    feed.publish(&[two]).await.unwrap();
    assert_eq!(numbers(&mut follower, 0).await, [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_end_under_the_same_number_throws_the_stream_away() {
    let (feed, ..) = shared_feed().await;
    let mut follower = feed.follow().await.unwrap();
    feed.publish(&[revocation(1), revocation(2), revocation(3)]).await.unwrap();
    assert_eq!(numbers(&mut follower, 0).await, [1, 2, 3]);
    // The durable store lost 2 and 3, and gave 2 to somebody else.
    let other = revocation(2);
    feed.publish(std::slice::from_ref(&other)).await.unwrap();
    assert!(is_replaced(&follower.read(3).await), "who relied on the old one learns of it");
    let mut follower = feed.follow().await.unwrap();
    assert_eq!(follower.read(1).await.unwrap().revocations, [other]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_emptied_deleted_or_remade_is_another_one() {
    let (feed, key, mut raw) = shared_feed().await;
    for remake in [false, true] {
        let mut follower = feed.follow().await.unwrap();
        feed.publish(&[revocation(1)]).await.unwrap();
        assert_eq!(numbers(&mut follower, 0).await, [1]);
        redis::cmd("DEL").arg(&key).exec_async(&mut raw).await.unwrap();
        if remake {
            feed.publish(&[revocation(2)]).await.unwrap();
        }
        assert!(is_replaced(&follower.read(1).await), "remade: {remake}");
        redis::cmd("DEL").arg(&key).exec_async(&mut raw).await.unwrap();
    }
    // While it waits, too.
    let mut follower = feed.follow().await.unwrap();
    let mut emptied = redis::cmd("DEL");
    let emptied = emptied.arg(&key).exec_async(&mut raw);
    let (read, deleted) = tokio::join!(follower.read(0), emptied);
    deleted.unwrap();
    assert!(is_replaced(&read));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_follow_at_once_tell_the_same_stream() {
    let (feed, key, mut raw) = shared_feed().await;
    let (one, other) = tokio::join!(feed.follow(), feed.follow());
    let mut followers = [one.unwrap(), other.unwrap()];
    feed.publish(&[revocation(1)]).await.unwrap();
    for follower in &mut followers {
        assert_eq!(numbers(follower, 0).await, [1]);
    }
    redis::cmd("DEL").arg(&key).exec_async(&mut raw).await.unwrap();
    let mut third = feed.follow().await.unwrap();
    assert!(is_replaced(&followers[0].read(1).await) && is_replaced(&followers[1].read(1).await));
    assert_eq!(numbers(&mut third, 0).await, [0; 0]);
    third.reset().await.unwrap();
    assert!(is_replaced(&third.read(0).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_trimmed_is_a_gap() {
    let (feed, key, mut raw) = shared_feed().await;
    let mut follower = feed.follow().await.unwrap();
    feed.publish(&(1..=50).map(revocation).collect::<Vec<_>>()).await.unwrap();
    redis::cmd("XTRIM").arg(&key).arg("MAXLEN").arg("=").arg(5).exec_async(&mut raw).await.unwrap();
    assert_eq!(numbers(&mut follower, 10).await, [46, 47, 48, 49, 50]);
    assert_eq!(numbers(&mut follower, 50).await, [0; 0], "the stream is still the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_is_kept_short_and_read_page_by_page() {
    let (feed, key, mut raw) = shared_feed().await;
    let mut follower = feed.follow().await.unwrap();
    for chunk in (1..=15_000).collect::<Vec<_>>().chunks(2_000) {
        feed.publish(&chunk.iter().copied().map(revocation).collect::<Vec<_>>()).await.unwrap();
    }
    let length: i64 = redis::cmd("XLEN").arg(&key).query_async(&mut raw).await.unwrap();
    assert!((10_000..11_000).contains(&length), "{length}");
    let page = follower.read(13_000).await.unwrap();
    assert!(page.more && page.revocations.len() == 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_or_a_cut_ends_the_connection() {
    let mut redis = PrivateRedis::start();
    let (feed, _) = feed_at(&redis.url()).await;
    let mut follower = feed.follow().await.unwrap();
    feed.publish(&[revocation(1)]).await.unwrap();
    redis.stop();
    assert!(matches!(follower.read(1).await, Err(FeedError::Store(_))));
    redis.start_again();
    assert!(follower.read(1).await.is_err(), "of no use any more");
    let again = async {
        loop {
            match feed.follow().await {
                Ok(follower) => return follower,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let mut follower = tokio::time::timeout(PATIENCE, again).await.unwrap();
    assert_eq!(follower.head(), 0, "empty");
    let client = redis::Client::open(redis.url()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let mut kill = redis::cmd("CLIENT");
    let kill = kill.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
    let (read, killed) = tokio::join!(follower.read(0), async {
        tokio::time::timeout(Duration::from_secs(5), kill.exec_async(&mut raw)).await
    });
    killed.unwrap().unwrap();
    assert!(matches!(read, Err(FeedError::Store(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_became_a_copy_proves_nothing() {
    let (redis, primary) = (PrivateRedis::start(), PrivateRedis::start());
    let (feed, _) = feed_at(&redis.url()).await;
    let mut follower = feed.follow().await.unwrap();
    assert_eq!(numbers(&mut follower, 0).await, [0; 0]);
    let client = redis::Client::open(redis.url()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let mut replicate = redis::cmd("REPLICAOF");
    let replicate = replicate.arg(primary.address().ip().to_string()).arg(primary.address().port());
    replicate.exec_async(&mut raw).await.unwrap();
    assert!(follower.read(0).await.is_err());
}

/// Its last id says nothing to those who lack an entry.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_counts_higher_than_it_holds_is_made_anew() {
    let (feed, key, mut redis) = shared_feed().await;
    feed.publish(&[revocation(1)]).await.unwrap();
    let () = redis::cmd("XSETID").arg(&key).arg("90000000-0").query_async(&mut redis).await.unwrap();
    feed.publish(&[revocation(2)]).await.unwrap();
    let mut follower = feed.follow().await.unwrap();
    assert_eq!(follower.head(), 2);
    assert_eq!(numbers(&mut follower, 1).await, [2]);
}
