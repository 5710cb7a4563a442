//! Buckets of attempts: charged all or none, given back, and a known place has one of its own.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use gateward::domain::attempts::{Attempt, AttemptKeys, BucketKind, Charged, Limit, Limits};
use gateward::store::SharedStore;
use gateward::store::memory::MemoryStore;
use gateward::store::redis::RedisStore;
use zeroize::Zeroizing;

use super::expiring::{on_both_shared_kinds, redis_store};
use super::fixtures::{DAY, PATIENCE, at_once, redis_settings, unobserved};
use crate::support::services::services;

on_both_shared_kinds!(
    a_bucket_admits_as_many_as_it_holds_of_a_hundred_at_once,
    an_attempt_that_one_bucket_refuses_is_charged_to_none,
    what_was_given_back_can_be_charged_again,
    a_remembered_place_has_a_bucket_of_its_own_and_no_more_than_that,
    a_place_is_forgotten_when_its_time_is_over,
    buckets_fill_again_with_time,
    it_answers_as_the_rule_does,
);

const ADA: &str = "ada@example.org";

fn keys() -> AttemptKeys {
    AttemptKeys::new(Zeroizing::new([3; 32]))
}

fn limit(failures: u32, every: Duration) -> Option<Limit> {
    Some(Limit::new(NonZeroU32::new(failures).unwrap(), every))
}

/// So many failures of an address and at an account; none comes back while a test runs.
fn limits(address: u32, account: u32) -> Limits {
    let hour = Duration::from_hours(1);
    Limits {
        address: limit(address, hour),
        network: None,
        account: limit(account, hour),
        registration: None,
        secret: None,
        known_for: DAY,
    }
}

fn login(limits: &Limits, last: u8, account: &str) -> Attempt {
    limits.login(&keys(), [192, 0, 2, last].into(), Some(account), None)
}

async fn known(store: &dyn SharedStore, attempt: &Attempt) -> Option<bool> {
    match store.charge(attempt).await.unwrap() {
        Charged::Admitted { known } => Some(known),
        Charged::Refused { .. } => None,
    }
}

async fn refused_by(store: &dyn SharedStore, attempt: &Attempt) -> BucketKind {
    match store.charge(attempt).await.unwrap() {
        Charged::Refused { by, wait } => {
            assert!(wait > Duration::from_mins(59) && wait <= Duration::from_hours(1), "{wait:?}");
            by
        }
        Charged::Admitted { .. } => panic!("admitted"),
    }
}

async fn a_bucket_admits_as_many_as_it_holds_of_a_hundred_at_once(store: Arc<dyn SharedStore>) {
    let attempt = Arc::new(login(&limits(1000, 10), 1, ADA));
    let outcomes = at_once(100, |_| {
        let (store, attempt) = (Arc::clone(&store), Arc::clone(&attempt));
        async move { known(&*store, &attempt).await }
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Some(false)).count(), 10);
    assert_eq!(refused_by(&*store, &attempt).await, BucketKind::Account);
}

async fn an_attempt_that_one_bucket_refuses_is_charged_to_none(store: Arc<dyn SharedStore>) {
    let limits = limits(3, 2);
    for _ in 0..2 {
        assert_eq!(known(&*store, &login(&limits, 1, ADA)).await, Some(false));
    }
    for _ in 0..10 {
        assert_eq!(refused_by(&*store, &login(&limits, 1, ADA)).await, BucketKind::Account);
    }
    // The address has one left.
    assert_eq!(known(&*store, &login(&limits, 1, "bob@example.org")).await, Some(false));
    for _ in 0..10 {
        assert_eq!(refused_by(&*store, &login(&limits, 1, "eve@example.org")).await, BucketKind::Address);
    }
    for _ in 0..2 {
        assert_eq!(known(&*store, &login(&limits, 2, "eve@example.org")).await, Some(false), "untouched");
    }
}

async fn what_was_given_back_can_be_charged_again(store: Arc<dyn SharedStore>) {
    let attempt = login(&limits(100, 1), 1, ADA);
    for _ in 0..20 {
        assert_eq!(known(&*store, &attempt).await, Some(false));
        store.settle(&attempt.undone(false)).await.unwrap();
    }
    assert_eq!(known(&*store, &attempt).await, Some(false));
    assert_eq!(refused_by(&*store, &attempt).await, BucketKind::Account);

    // Ten successes cost an address what a failure does.
    let limits = Limits { account: None, ..limits(2, 1) };
    let attempt = login(&limits, 9, ADA);
    for _ in 0..11 {
        assert_eq!(known(&*store, &attempt).await, Some(false));
        store.settle(&attempt.succeeded(false)).await.unwrap();
    }
    assert!(matches!(store.charge(&attempt).await.unwrap(), Charged::Refused { .. }));
    // Giving back what nobody charged makes nothing fuller than full.
    let fresh = login(&limits, 8, ADA);
    store.settle(&fresh.undone(false)).await.unwrap();
    assert_eq!(known(&*store, &fresh).await, Some(false));
    assert_eq!(known(&*store, &fresh).await, Some(false));
    assert_eq!(refused_by(&*store, &fresh).await, BucketKind::Address);
}

async fn a_remembered_place_has_a_bucket_of_its_own_and_no_more_than_that(store: Arc<dyn SharedStore>) {
    let limits = limits(1000, 3);
    let home = login(&limits, 1, ADA);
    assert_eq!(known(&*store, &home).await, Some(false));
    store.settle(&home.succeeded(false)).await.unwrap();
    // Strangers empty the account's bucket, which the owner's success left full.
    for last in 2..5 {
        assert_eq!(known(&*store, &login(&limits, last, ADA)).await, Some(false));
    }
    assert_eq!(refused_by(&*store, &login(&limits, 5, ADA)).await, BucketKind::Account);
    for _ in 0..20 {
        assert_eq!(known(&*store, &home).await, Some(true));
        store.settle(&home.succeeded(true)).await.unwrap();
    }
    for _ in 0..2 {
        assert_eq!(known(&*store, &home).await, Some(true));
        store.settle(&home.undone(true)).await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(known(&*store, &home).await, Some(true));
    }
    assert_eq!(refused_by(&*store, &home).await, BucketKind::Known);
    assert_eq!(known(&*store, &login(&limits, 1, "bob@example.org")).await, Some(false), "of one account");
}

async fn a_place_is_forgotten_when_its_time_is_over(store: Arc<dyn SharedStore>) {
    let limits = Limits { known_for: Duration::from_millis(300), ..limits(100_000, 100_000) };
    let home = login(&limits, 1, ADA);
    assert_eq!(known(&*store, &home).await, Some(false));
    store.settle(&home.succeeded(false)).await.unwrap();
    // Charging it does not prolong it.
    let forgotten = async {
        while known(&*store, &home).await == Some(true) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, forgotten).await.unwrap();
}

async fn buckets_fill_again_with_time(store: Arc<dyn SharedStore>) {
    let limits = Limits { address: limit(1, Duration::from_millis(200)), account: None, ..limits(1, 1) };
    let attempt = login(&limits, 1, ADA);
    assert_eq!(known(&*store, &attempt).await, Some(false));
    let again = async { while known(&*store, &attempt).await.is_none() {} };
    tokio::time::timeout(PATIENCE, again).await.unwrap();
}

/// The scripts in Redis are the rule in another language: the same charges, the same answers.
async fn it_answers_as_the_rule_does(store: Arc<dyn SharedStore>) {
    let limits = limits(7, 4);
    let (mut of_address, mut of_account) = ([0_u32; 4], [0_u32; 3]);
    let mut state = 12345_u32;
    let mut dice = |sides: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % sides
    };
    for step in 0..200 {
        let (address, account) = (dice(4), dice(3));
        let attempt = login(&limits, u8::try_from(address).unwrap(), &format!("{account}@example.org"));
        let (by_address, by_account) = (&mut of_address[address as usize], &mut of_account[account as usize]);
        let room = *by_address + 10 <= 70 && *by_account + 10 <= 40;
        assert_eq!(known(&*store, &attempt).await, room.then_some(false), "step {step}");
        if room {
            let (units_back, account_back) = match dice(3) {
                0 => (10, 10),
                1 => (9, 10),
                _ => (0, 0),
            };
            let mut settlement = attempt.undone(false);
            settlement.refunds[0].1 = units_back;
            settlement.refunds[1].1 = account_back;
            store.settle(&settlement).await.unwrap();
            *by_address += 10 - units_back;
            *by_account += 10 - account_back;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_redis_every_bucket_expires_and_none_names_anybody() {
    let (prefix, url) = (services().new_key_prefix(), services().redis_url());
    let settings = redis_settings(&url, prefix.clone(), PATIENCE);
    let store = RedisStore::connect(&settings, unobserved()).await.unwrap();
    let attempt = login(&limits(10, 10), 1, ADA);
    store.charge(&attempt).await.unwrap();
    store.settle(&attempt.succeeded(false)).await.unwrap();
    store.charge(&attempt).await.unwrap();
    store.charge(&login(&limits(10, 10), 2, ADA)).await.unwrap();
    let client = redis::Client::open(url).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    let names: Vec<String> =
        redis::cmd("KEYS").arg(format!("{prefix}*")).query_async(&mut raw).await.unwrap();
    assert_eq!(names.len(), 4, "two addresses, an account, a place: {names:?}");
    for name in names {
        let ttl: i64 = redis::cmd("PTTL").arg(&name).query_async(&mut raw).await.unwrap();
        assert!(ttl > 0, "{name}: {ttl}");
        let rest = name.strip_prefix(&prefix).unwrap();
        let hex = rest.strip_prefix("bucket:").or_else(|| rest.strip_prefix("known:")).unwrap();
        assert!(hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    }
}
