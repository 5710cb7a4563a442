//! Refresh tokens are in the durable store, and nowhere else.

use reqwest::Method;

use crate::support::app::{StoreKind, both_kinds};
use crate::support::app_config::AppBuilder;
use crate::support::postgres::run_sql;
use crate::support::problems::problem;
use crate::support::services::{PrivatePostgres, PrivateRedis, services};

both_kinds!(an_acknowledged_rotation_survives_kill_9, |mut app| async move {
    let (_, first) = app.new_pair().await;
    let second = app.refresh(&first.refresh).await;
    app.kill9();
    app.restart().await;
    assert_eq!(app.refresh(&first.refresh).await.refresh, second.refresh, "the answer may have been lost");
    let third = app.refresh(&second.refresh).await;
    assert!(app.stop().await.success());
    app.restart().await;
    let fourth = app.refresh(&third.refresh).await;
    assert_eq!(app.get("/private", &fourth.access).await.status(), 200);

    let logout = app.request(Method::POST, "/auth/logout").bearer_auth(&fourth.access).send().await.unwrap();
    assert_eq!(logout.status(), 204);
    app.kill9();
    app.restart().await;
    problem(app.try_refresh(&fourth.refresh).await, 401, "invalid_refresh_token").await;
});

#[tokio::test]
async fn a_flushed_redis_or_none_changes_nothing() {
    let mut redis = PrivateRedis::start();
    let database = services().new_database();
    let app = AppBuilder::new(StoreKind::Embedded).postgres_at(&database, &redis.url()).start().await;
    let (_, first) = app.new_pair().await;
    let (_, ended) = app.new_pair().await;
    let logout = app.request(Method::POST, "/auth/logout").bearer_auth(&ended.access).send().await.unwrap();
    assert_eq!(logout.status(), 204);

    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    redis::cmd("FLUSHALL").exec_async(&mut connection).await.unwrap();
    let second = app.refresh(&first.refresh).await;
    assert_eq!(app.refresh(&first.refresh).await.refresh, second.refresh);
    problem(app.try_refresh(&ended.refresh).await, 401, "invalid_refresh_token").await;

    redis.stop();
    let third = app.refresh(&second.refresh).await;
    assert_eq!(app.get("/private", &third.access).await.status(), 200);
}

/// The commit of a rotation takes longer than a call may, and happens all the same.
const SLOW_COMMIT: &str = "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS \
    'BEGIN PERFORM pg_sleep(0.6); RETURN NULL; END'; \
    CREATE CONSTRAINT TRIGGER slow_commit AFTER UPDATE ON refresh_tokens \
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()";

#[tokio::test]
async fn a_rotation_whose_commit_was_not_heard_of_is_not_lost() {
    let database = services().new_database();
    let app = AppBuilder::new(StoreKind::Embedded)
        .postgres_at(&database, &services().redis_url())
        .config("token.refresh_grace = '1m'")
        .start()
        .await;
    let (_, first) = app.new_pair().await;
    run_sql(&database, SLOW_COMMIT).await.unwrap();
    problem(app.try_refresh(&first.refresh).await, 503, "unavailable").await;
    // Waits for the commit.
    run_sql(&database, "DROP TRIGGER slow_commit ON refresh_tokens").await.unwrap();
    let second = app.refresh(&first.refresh).await;
    let metrics = app.get_admin("/metrics").await.text().await.unwrap();
    for sample in ["error\"} 1", "repeated\"} 1", "rotated\"} 0"] {
        assert!(
            metrics.contains(&format!("gateward_refreshes_total{{result=\"{sample}")),
            "{sample} in {metrics}"
        );
    }
    app.refresh(&second.refresh).await;
}

#[tokio::test]
async fn a_refresh_that_was_answered_503_can_be_asked_again() {
    let mut server = PrivatePostgres::start();
    let app = AppBuilder::new(StoreKind::Embedded)
        .postgres_at(&server.new_database(), &services().redis_url())
        .config("token.refresh_grace = '1m'")
        .start()
        .await;
    let (_, first) = app.new_pair().await;
    server.pause();
    let answer = app.try_refresh(&first.refresh).await;
    assert!(answer.headers().contains_key("retry-after"));
    problem(answer, 503, "unavailable").await;
    server.resume();
    // Whether or not the first try was committed after all.
    let second = app.refresh(&first.refresh).await;
    let third = app.refresh(&second.refresh).await;
    assert_eq!(app.refresh(&second.refresh).await.refresh, third.refresh);
    server.stop();
    problem(app.try_refresh(&third.refresh).await, 503, "unavailable").await;
    server.start_again();
    app.wait_for_log(|line| line.contains("store answers again")).await;
    let fourth = app.refresh(&third.refresh).await;
    assert_eq!(app.get("/private", &fourth.access).await.status(), 200);
}
