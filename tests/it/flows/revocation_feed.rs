//! What ends anywhere ends everywhere, whichever store is out; and an end that may not have is not acknowledged.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};

use crate::support::app::{PASSWORD, StoreKind, TestApp};
use crate::support::app_config::AppBuilder;
use crate::support::forge::claims_of;
use crate::support::postgres::run_sql;
use crate::support::problems::problem;
use crate::support::services::{PrivatePostgres, PrivateRedis, services};
use crate::support::wait::eventually;

/// `revocation.max_staleness`: what is acknowledged is refused everywhere after that.
const STALENESS: Duration = Duration::from_secs(1);
/// For what is to happen "soon" on a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// Thirty-two bytes that are no placeholder.
const KEY: &str = "BwYFBAMCAQgPDg0MCwoJEBcWFRQTEhEYHx4dHBsaGSA=";

async fn two_on(database: &str, redis: &str) -> (TestApp, TestApp) {
    let prefix = services().new_key_prefix();
    let replica = || {
        AppBuilder::new(StoreKind::Embedded)
            .postgres_at(database, redis)
            .config(&format!("redis.key_prefix = '{prefix}'\ntoken.key_encryption_key = '{KEY}'"))
            .start()
    };
    tokio::join!(replica(), replica())
}

async fn try_logout(app: &TestApp, token: &str) -> Response {
    app.request(Method::POST, "/auth/logout").bearer_auth(token).send().await.unwrap()
}

/// Logs out at one replica. From a second after the answer on, no request of the other is admitted.
async fn assert_ends_everywhere(one: &TestApp, other: &TestApp, token: &str) {
    assert_eq!(other.get("/private", token).await.status(), 200);
    assert_eq!(try_logout(one, token).await.status(), 204);
    let acknowledged = Instant::now();
    assert_eq!(one.get("/private", token).await.status(), 401, "at once where it was acknowledged");
    loop {
        let asked = acknowledged.elapsed();
        let answer = other.request(Method::GET, "/private").bearer_auth(token).send().await;
        // One that is on its way when its session ends is cut.
        let Ok(answer) = answer else { continue };
        match answer.status().as_u16() {
            401 => return,
            200 => assert!(asked <= STALENESS, "admitted {asked:?} after the 204"),
            503 => assert!(asked <= SOON, "still stale after {asked:?}"),
            status => panic!("{status}"),
        }
    }
}

async fn source_is_up(app: &TestApp, source: &str) -> bool {
    let metrics = app.get_admin("/metrics").await.text().await.unwrap();
    metrics.contains(&format!("gateward_revocation_source_up{{source=\"{source}\"}} 1"))
}

async fn assert_follows(app: &TestApp, source: &str) {
    assert!(eventually(SOON, || source_is_up(app, source)).await, "{source} is not followed");
}

/// How many replicas are registered.
async fn registered(database: &str) -> i64 {
    let (client, connection) = tokio_postgres::connect(database, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let row = client.query_one("SELECT count(*) FROM replicas", &[]).await.unwrap();
    connection.abort();
    row.get(0)
}

#[tokio::test]
async fn without_redis_replicas_follow_postgres_within_the_bound() {
    let mut redis = PrivateRedis::start();
    let (one, other) = two_on(&services().new_database(), &redis.url()).await;
    assert_follows(&other, "stream").await;
    let (email, token) = one.new_person().await;
    redis.stop();
    assert_ends_everywhere(&one, &other, &token).await;
    other.wait_for_log(|line| line.contains("not followed by this source") && line.contains("stream")).await;
    let token = one.login(&email, PASSWORD).await;
    assert_ends_everywhere(&other, &one, &token).await;

    redis.start_again();
    assert_follows(&one, "stream").await;
    assert_follows(&other, "stream").await;
    let token = one.login(&email, PASSWORD).await;
    assert_ends_everywhere(&one, &other, &token).await;
}

#[tokio::test]
async fn a_flushed_redis_is_noticed_and_followed_again() {
    let redis = PrivateRedis::start();
    let (one, other) = two_on(&services().new_database(), &redis.url()).await;
    let (email, token) = one.new_person().await;
    assert_ends_everywhere(&one, &other, &token).await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut raw = client.get_multiplexed_async_connection().await.unwrap();
    for _ in 0..3 {
        assert_follows(&other, "stream").await;
        redis::cmd("FLUSHALL").exec_async(&mut raw).await.unwrap();
        let token = one.login(&email, PASSWORD).await;
        assert_ends_everywhere(&one, &other, &token).await;
    }
    let noticed = "gateward_revocation_feed_resyncs_total{cause=\"stream_replaced\"} ";
    let noticed = || async {
        let metrics = other.get_admin("/metrics").await.text().await.unwrap();
        metrics.lines().any(|line| line.strip_prefix(noticed).is_some_and(|count| count != "0"))
    };
    assert!(eventually(SOON, noticed).await);
    assert_follows(&other, "stream").await;
}

#[tokio::test]
async fn an_end_that_a_replica_may_not_have_heard_of_is_not_acknowledged() {
    let mut redis = PrivateRedis::start();
    let database = services().new_database();
    let (one, other) = two_on(&database, &redis.url()).await;
    let (email, token) = one.new_person().await;
    let silent = format!(
        "INSERT INTO replicas VALUES ('{}', 0, 900000, clock_timestamp())",
        uuid::Uuid::now_v7().hyphenated()
    );
    run_sql(&database, &silent).await.unwrap();
    assert_ends_everywhere(&one, &other, &token).await;

    // It may follow Redis alone, which this replica cannot reach.
    redis.stop();
    let token = one.login(&email, PASSWORD).await;
    let begun = Instant::now();
    problem(try_logout(&one, &token).await, 503, "unavailable").await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(one.get("/private", &token).await.status(), 401, "ended for whoever heard of it");
    problem(try_logout(&one, &token).await, 503, "unavailable").await;
    assert_eq!(revoke(&one, &token).await.status(), 503, "nor when it is tried again, in whatever way");
    let disable = ["user", "disable", email.as_str()];
    assert_eq!(one.cli(&disable, "").await.status.code(), Some(69), "nor to a command");
    assert_eq!(one.cli(&disable, "").await.status.code(), Some(69), "nor when nothing is left to end");

    // Its lease runs out.
    run_sql(&database, "UPDATE replicas SET seen_at = seen_at - interval '1 hour' WHERE followed = 0")
        .await
        .unwrap();
    assert!(one.cli(&disable, "").await.status.success());
    assert_eq!(try_logout(&one, &token).await.status(), 204);
    assert_eq!(revoke(&one, &token).await.status(), 200);
}

async fn revoke(app: &TestApp, token: &str) -> Response {
    app.request(Method::POST, "/auth/revoke").form(&[("token", token)]).send().await.unwrap()
}

#[tokio::test]
async fn a_replica_is_registered_while_it_serves_and_a_command_never() {
    let database = services().new_database();
    let (mut one, other) = two_on(&database, &services().redis_url()).await;
    let (email, token) = one.new_person().await;
    let count = |expected| {
        let database = database.clone();
        move || {
            let database = database.clone();
            async move { registered(&database).await == expected }
        }
    };
    assert!(eventually(SOON, count(2)).await);
    assert_eq!(one.get("/private", &token).await.status(), 200);
    one.cli_ok(&["user", "disable", &email], "").await;
    let refused = || async {
        let answer = other.request(Method::GET, "/private").bearer_auth(&token).send().await;
        answer.is_ok_and(|answer| answer.status() == 401)
    };
    assert!(eventually(STALENESS, refused).await, "what a command ends, ends everywhere");
    assert_eq!(registered(&database).await, 2);
    one.stop().await;
    assert_eq!(registered(&database).await, 1);
}

#[tokio::test]
async fn without_both_stores_protected_routes_are_refused_until_one_is_back() {
    let (mut postgres, mut redis) = (PrivatePostgres::start(), PrivateRedis::start());
    let app = AppBuilder::new(StoreKind::Embedded)
        .postgres_at(&postgres.new_database(), &redis.url())
        .start()
        .await;
    let (_, token) = app.new_person().await;
    assert_follows(&app, "stream").await;
    postgres.stop();
    app.wait_for_log(|line| line.contains("not followed by this source") && line.contains("durable")).await;
    let until = Instant::now() + 2 * STALENESS;
    while Instant::now() < until {
        assert_eq!(app.get("/private", &token).await.status(), 200, "by Redis alone");
    }
    redis.stop();
    let stale = || async { app.get("/private", &token).await.status() == 503 };
    assert!(eventually(SOON, stale).await);
    let refusal = app.get("/private", &token).await;
    assert!(refusal.headers().contains_key("retry-after"));
    problem(refusal, 503, "revocations_stale").await;
    assert_eq!(app.get_anonymously("/public/x").await.status(), 200);
    assert_eq!(app.get_anonymously("/private").await.status(), 401);

    // An empty Redis proves nothing: what ended meanwhile is known to Postgres only.
    redis.start_again();
    let until = Instant::now() + STALENESS;
    while Instant::now() < until {
        assert_eq!(app.get("/private", &token).await.status(), 503);
    }
    postgres.start_again();
    let admitted = || async { app.get("/private", &token).await.status() == 200 };
    assert!(eventually(SOON, admitted).await);
}

#[tokio::test]
async fn without_leave_to_follow_redis_alone_a_replica_that_lost_postgres_is_stale_at_once() {
    let mut postgres = PrivatePostgres::start();
    let app = AppBuilder::new(StoreKind::Embedded)
        .postgres_at(&postgres.new_database(), &services().redis_url())
        .config("revocation.detached_limit = '0s'")
        .start()
        .await;
    let (_, token) = app.new_person().await;
    assert_eq!(app.get("/private", &token).await.status(), 200);
    postgres.stop();
    let stale = || async { app.get("/private", &token).await.status() == 503 };
    assert!(eventually(SOON, stale).await);
}

/// Whoever can write to Redis can end a session for a while, and no more: that it is over, the durable store says.
#[tokio::test]
async fn a_logout_is_durable_though_the_stream_said_before_that_the_session_has_ended() {
    let (database, redis) = (services().new_database(), services().redis_url());
    let (one, _other) = two_on(&database, &redis).await;
    let (email, token) = one.new_person().await;
    let listed = async || one.cli_ok(&["session", "list", "--email", &email], "").await.lines().count();
    assert_eq!(one.get("/private", &token).await.status(), 200);
    let alive = listed().await;

    let prefix = one.configuration()["redis"]["key_prefix"].as_str().unwrap().to_owned();
    let session = claims_of(&token)["sid"].as_str().unwrap().to_owned();
    let client = redis::Client::open(redis).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut forged = redis::cmd("XADD");
    forged.arg(format!("{prefix}revocations")).arg("1-0");
    forged.arg(&["e", "1", "a", "1", "r", "logout", "s", &session]);
    forged.exec_async(&mut connection).await.unwrap();
    let refused = || async { one.get("/private", &token).await.status() == 401 };
    assert!(eventually(SOON, refused).await);
    assert_eq!(listed().await, alive, "the durable store knows nothing of it");

    let ended = || async { try_logout(&one, &token).await.status() == 204 };
    assert!(eventually(SOON, ended).await);
    assert_eq!(listed().await, alive - 1);
}
