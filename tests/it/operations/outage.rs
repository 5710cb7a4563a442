//! Postgres stops: operators see it, in few words, and see when it is over.

use std::time::Duration;

use super::prometheus::Scrape;
use super::workplace::operate;
use crate::support::app::{AppBuilder, PASSWORD, StoreKind};
use crate::support::services::{PrivatePostgres, services};

const SOON: Duration = Duration::from_secs(2);

#[tokio::test]
async fn an_outage_of_postgres_is_named_and_does_not_flood_the_log() {
    let mut postgres = PrivatePostgres::start();
    let app = AppBuilder::new(StoreKind::Postgres)
        .postgres_at(&postgres.new_database(), &services().redis_url())
        .start()
        .await;
    let (email, token) = app.new_person().await;
    operate(&app, "health").ok();

    postgres.stop();
    app.wait_for_log(|line| line.contains("WARN") && line.contains("store=\"postgres\"")).await;
    let hashed = async || {
        let metrics = app.get_admin("/metrics").await.text().await.unwrap();
        Scrape::parse(&metrics).sum("gateward_hash_jobs_total", &[("result", "done")])
    };
    let hashed_before = hashed().await;
    assert_eq!(app.register(&app.new_email(), PASSWORD).await.status(), 503);
    assert_eq!(hashed().await, hashed_before, "nothing is hashed that cannot be stored");
    let before = app.log_lines().len();
    for _ in 0..50 {
        assert_eq!(app.try_login(&email, PASSWORD).await.status(), 503);
    }
    let ready = app.get_admin("/readyz").await;
    assert_eq!(ready.status(), 503);
    let body: serde_json::Value = ready.json().await.unwrap();
    assert_eq!(body["missing"], serde_json::json!(["postgres"]));
    assert_eq!(app.get_admin("/livez").await.status(), 200, "restarting it would not help");
    let said = operate(&app, "health").failed(69);
    assert!(said.contains("not ready") && said.contains("postgres"), "{said}");
    assert_eq!(app.get("/x", &token).await.status(), 200, "protected calls go on");

    let lines = app.log_lines().split_off(before);
    let others: Vec<_> = lines.iter().filter(|line| !line.contains("gateward::access")).collect();
    assert!(others.is_empty(), "{others:#?}");

    postgres.start_again();
    let over = app.wait_for_log(|line| line.contains("store answers again")).await;
    assert!(over.contains("store=\"postgres\"") && over.contains("failures="), "{over}");
    app.login(&email, PASSWORD).await;
    operate(&app, "health").ok();
    let told = |line: &&String| line.contains("WARN") && line.contains("store=");
    let told = app.log_lines().iter().filter(told).count();
    assert_eq!(told, 1, "once, however often it failed");
}

#[tokio::test]
async fn readiness_answers_in_time_when_postgres_does_not() {
    let mut postgres = PrivatePostgres::start();
    let app = AppBuilder::new(StoreKind::Postgres)
        .postgres_at(&postgres.new_database(), &services().redis_url())
        .start()
        .await;
    postgres.pause();
    for path in ["/readyz", "/livez", "/version", "/metrics"] {
        let answer = tokio::time::timeout(SOON, app.get_admin(path)).await.expect("an answer in time");
        assert_eq!(answer.status(), if path == "/readyz" { 503 } else { 200 }, "{path}");
    }
    postgres.resume();
}
