//! Replicas count attempts together, through Redis; without it each counts for itself.

use crate::support::app::{PASSWORD, StoreKind, both_kinds};
use crate::support::app_config::AppBuilder;
use crate::support::cluster::Cluster;
use crate::support::services::{PrivateRedis, services};
use crate::support::visitors::{limited, sent, too_many};

const WRONG: &str = "velvet-Harbour-40-tundra";
const HOME: &str = "198.51.100.7";

#[tokio::test]
async fn two_replicas_share_buckets_and_known_places() {
    let cluster = Cluster::start_with(2, &limited("account_failures = 4\naddress_failures = 50")).await;
    let [one, two] = &cluster.replicas[..] else { panic!("two replicas") };
    let (email, _) = one.app.new_person().await;
    assert_eq!(one.app.status_from(HOME, &email, PASSWORD).await, 200);
    for number in 0..4 {
        let app = if number % 2 == 0 { &one.app } else { &two.app };
        assert_eq!(app.status_from(&format!("10.1.{number}.1"), &email, WRONG).await, 401);
    }
    for app in [&one.app, &two.app] {
        too_many(sent(app.login_from("10.2.0.1", &email, PASSWORD)).await).await;
        assert_eq!(app.status_from(HOME, &email, PASSWORD).await, 200, "known on both");
        assert_eq!(app.counted("gateward_attempts_charged_total{store=\"local\"}").await, 0);
    }
}

#[tokio::test]
async fn without_redis_a_gateway_counts_for_itself_and_lets_nobody_wait() {
    let mut redis = PrivateRedis::start();
    let database = services().new_database();
    let app = AppBuilder::new(StoreKind::Embedded)
        .postgres_at(&database, &redis.url())
        .config(&limited("account_failures = 3\naddress_failures = 50"))
        .start()
        .await;
    let (email, _) = app.new_person().await;
    assert_eq!(app.status_from(HOME, &email, PASSWORD).await, 200);

    for outage in ["stopped", "silent"] {
        match outage {
            "stopped" => redis.stop(),
            _ => redis.pause(),
        }
        let victim = app.new_email();
        for number in 0..3 {
            assert_eq!(app.status_from(&format!("10.3.{number}.1"), &victim, WRONG).await, 401, "{outage}");
        }
        let before = app.hashes().await;
        for number in 0..20 {
            too_many(sent(app.login_from(&format!("10.4.{number}.1"), &victim, WRONG)).await).await;
        }
        assert_eq!(app.hashes().await, before, "{outage}");
        assert!(app.counted("gateward_attempts_charged_total{store=\"local\"}").await > 3, "{outage}");
        // The owner's place was learned before; it is known here, too.
        if outage == "stopped" {
            for number in 0..4 {
                app.status_from(&format!("10.5.{number}.1"), &email, WRONG).await;
            }
            too_many(sent(app.login_from("10.5.9.1", &email, PASSWORD)).await).await;
        }
        assert_eq!(app.status_from(HOME, &email, PASSWORD).await, 200, "{outage}");
        match outage {
            "stopped" => redis.start_again(),
            _ => redis.resume(),
        }
        let again = async || {
            let before = app.counted("gateward_attempts_charged_total{store=\"shared\"}").await;
            app.status_from(HOME, &email, PASSWORD).await;
            app.counted("gateward_attempts_charged_total{store=\"shared\"}").await > before
        };
        let back = crate::support::wait::eventually(std::time::Duration::from_secs(10), again).await;
        assert!(back, "{outage}: Redis is asked again");
    }
}

both_kinds!(
    a_place_is_known_for_its_account_alone_and_after_a_success_alone,
    |app| app.config(&limited("account_failures = 2")),
    |app| async move {
        let ((one, _), (two, _)) = (app.new_person().await, app.new_person().await);
        assert_eq!(app.status_from(HOME, &one, PASSWORD).await, 200);
        for number in 0..2 {
            assert_eq!(app.status_from("10.6.0.1", &two, WRONG).await, 401, "{number}");
        }
        // Neither the other account's place nor failures make anybody known.
        for address in [HOME, "10.6.0.1"] {
            too_many(sent(app.login_from(address, &two, PASSWORD)).await).await;
        }
        assert_eq!(app.status_from("127.0.0.1", &two, PASSWORD).await, 200, "where it logged in at first");
    }
);
