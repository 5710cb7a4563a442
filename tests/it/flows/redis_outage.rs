//! Redis is never the truth: without it, or with an empty one, everything works.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, StoreKind, TestApp};
use crate::support::app_config::AppBuilder;
use crate::support::services::{PrivateRedis, services};
use crate::support::wait::eventually;

async fn app_on(redis: &PrivateRedis) -> TestApp {
    let database = services().new_database();
    AppBuilder::new(StoreKind::Embedded).postgres_at(&database, &redis.url()).start().await
}

async fn readiness(app: &TestApp) -> (u16, Value) {
    let ready = app.get_admin("/readyz").await;
    let status = ready.status().as_u16();
    let mut body: Value = ready.json().await.unwrap();
    let revocations = body.as_object_mut().and_then(|body| body.remove("revocations"));
    assert_eq!(revocations.unwrap()["fresh"], true);
    (status, body)
}

async fn logout(app: &TestApp, token: &str) {
    let answer = app.request(Method::POST, "/auth/logout").bearer_auth(token).send().await.unwrap();
    assert_eq!(answer.status(), 204);
    assert_eq!(app.get("/private", token).await.status(), 401);
    assert_eq!(app.get("/auth/me", token).await.status(), 401);
}

/// The whole life of a person, and of a session that was there before.
async fn assert_everything_works(app: &TestApp, before: &str) {
    assert_eq!(app.get("/private", before).await.status(), 200);
    assert_eq!(app.get("/auth/me", before).await.status(), 200);
    let (_, token) = app.new_person().await;
    assert_eq!(app.get("/private", &token).await.status(), 200);
    assert_eq!(app.get("/auth/me", &token).await.status(), 200);
    logout(app, &token).await;
    assert_eq!(app.get("/private", before).await.status(), 200);
}

async fn assert_degraded(app: &TestApp) {
    let degraded = json!({"ready": true, "missing": [], "degraded": ["redis"]});
    assert_eq!(readiness(app).await, (200, degraded));
}

async fn assert_whole_again(app: &TestApp) {
    let whole = (200, json!({"ready": true, "missing": [], "degraded": []}));
    let again = || async { readiness(app).await == whole };
    assert!(eventually(Duration::from_secs(10), again).await, "{:?}", readiness(app).await);
}

#[tokio::test]
async fn without_redis_everything_works_and_readiness_says_degraded() {
    let mut redis = PrivateRedis::start();
    let mut app = app_on(&redis).await;
    assert_whole_again(&app).await;
    let (email, token) = app.new_person().await;
    let ended_meanwhile = app.login(&email, PASSWORD).await;

    redis.stop();
    assert_everything_works(&app, &token).await;
    assert_degraded(&app).await;
    logout(&app, &ended_meanwhile).await;
    // A kill -9: the next process in the same place takes the registration of the dead one over.
    app.restart().await;
    assert_everything_works(&app, &token).await;

    redis.start_again();
    assert_whole_again(&app).await;
    assert_everything_works(&app, &token).await;
    assert_eq!(app.get("/private", &ended_meanwhile).await.status(), 401);
}

#[tokio::test]
async fn a_silent_redis_delays_but_refuses_nothing_and_ended_sessions_stay_ended() {
    let mut redis = PrivateRedis::start();
    let app = app_on(&redis).await;
    let (email, token) = app.new_person().await;
    let ended_meanwhile = app.login(&email, PASSWORD).await;

    redis.pause();
    assert_everything_works(&app, &token).await;
    assert_degraded(&app).await;
    logout(&app, &ended_meanwhile).await;

    // It comes back with a record that says the ended session is alive.
    redis.resume();
    assert_whole_again(&app).await;
    assert_everything_works(&app, &token).await;
    assert_eq!(app.get("/private", &ended_meanwhile).await.status(), 401);
    assert_eq!(app.get("/auth/me", &ended_meanwhile).await.status(), 401);
}

#[tokio::test]
async fn sessions_outlive_a_flushed_redis_and_can_still_be_ended() {
    let redis = PrivateRedis::start();
    let app = app_on(&redis).await;
    let (email, token) = app.new_person().await;
    let ended_before = app.login(&email, PASSWORD).await;
    let ended_after = app.login(&email, PASSWORD).await;
    logout(&app, &ended_before).await;

    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let keys: u32 = redis::cmd("DBSIZE").query_async(&mut connection).await.unwrap();
    assert!(keys > 0, "session records are kept in Redis");
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();

    assert_eq!(app.get("/private", &ended_before).await.status(), 401);
    assert_eq!(app.get("/auth/me", &ended_after).await.status(), 200);
    logout(&app, &ended_after).await;
    assert_everything_works(&app, &token).await;
}
