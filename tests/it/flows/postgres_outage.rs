//! Postgres goes away and comes back; the program stays up.

use std::time::{Duration, Instant};

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, StoreKind, TestApp};
use crate::support::app_config::AppBuilder;
use crate::support::problems::problem;
use crate::support::services::{PrivatePostgres, services};
use crate::support::wait::eventually;

/// How soon `/auth/*` says that it cannot.
const LIMIT: Duration = Duration::from_millis(300);
/// A hash of this cost takes longer than [`LIMIT`] by itself: an answer in time has not hashed anything.
const COST: u32 = 13;
/// What comes back is noticed within "seconds"; the rest is for a busy machine.
const RECOVERED: Duration = Duration::from_secs(10);
/// Longer than a start waits for a store that is just starting.
const GIVEN_UP: Duration = Duration::from_secs(30);

async fn app_on(postgres: &PrivatePostgres) -> TestApp {
    let database = postgres.new_database();
    AppBuilder::new(StoreKind::Embedded)
        .postgres_at(&database, &services().redis_url())
        .config(&format!("password.bcrypt_cost = {COST}"))
        .start()
        .await
}

async fn ask(app: &TestApp, path: &str, token: &str, body: Option<Value>) -> Response {
    let request = match body {
        Some(body) => app.request(Method::POST, path).json(&body),
        None => app.request(Method::GET, path).bearer_auth(token),
    };
    request.send().await.unwrap()
}

/// Every call that needs Postgres is refused with 503, and soon.
async fn assert_refuses_soon(app: &TestApp, email: &str, token: &str) {
    let known = json!({"email": email, "password": PASSWORD});
    let unknown = json!({"email": app.new_email(), "password": PASSWORD});
    for (path, body) in [
        ("/auth/login", Some(known.clone())),
        ("/auth/login", Some(unknown.clone())),
        ("/auth/register", Some(unknown.clone())),
        ("/auth/register", Some(known.clone())),
        ("/auth/me", None),
    ] {
        // One of five must be in time: other tests keep the machine busy, and may delay any single one.
        let mut took = Vec::new();
        while took.len() < 5 && took.last().is_none_or(|took| *took >= LIMIT) {
            let begun = Instant::now();
            let answer = ask(app, path, token, body.clone()).await;
            took.push(begun.elapsed());
            let retry_after = answer.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap();
            assert!((1..=60).contains(&retry_after), "{path}: Retry-After {retry_after}");
            problem(answer, 503, "unavailable").await;
        }
        assert!(took.last().is_some_and(|took| *took < LIMIT), "{path}: {took:?}");
    }
    let form = [("username", email), ("password", PASSWORD)];
    let answer = app.client.post(app.url("/auth/login")).form(&form).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert_eq!(answer.json::<Value>().await.unwrap()["error"], "temporarily_unavailable");
}

/// What is missing is named, and what needs no Postgres works.
async fn assert_the_rest_goes_on(app: &TestApp, token: &str) {
    let ready = app.get_admin("/readyz").await;
    assert_eq!(ready.status(), 503);
    let mut ready: Value = ready.json().await.unwrap();
    let revocations = ready.as_object_mut().and_then(|body| body.remove("revocations"));
    assert_eq!(revocations.unwrap()["fresh"], true, "by Redis alone");
    assert_eq!(ready, json!({"ready": false, "missing": ["postgres"], "degraded": []}));
    assert_eq!(app.get_admin("/livez").await.status(), 200);
    assert_eq!(app.get("/private", token).await.status(), 200);
    assert_eq!(app.get_anonymously("/public/x").await.status(), 200);
    assert_eq!(app.get_anonymously("/private").await.status(), 401);
    assert_eq!(app.get_anonymously("/.well-known/jwks.json").await.status(), 200);
}

/// A logout that was not stored is not acknowledged.
async fn assert_logout_is_not_acknowledged(app: &TestApp, token: &str) {
    let logout = app.request(Method::POST, "/auth/logout").bearer_auth(token).send().await.unwrap();
    problem(logout, 503, "unavailable").await;
    assert_eq!(app.get("/private", token).await.status(), 200);
}

async fn assert_recovers(app: &TestApp, email: &str, token: &str) {
    let ready = || async { app.get_admin("/readyz").await.status() == 200 };
    assert!(eventually(RECOVERED, ready).await, "not ready again");
    assert_eq!(app.get("/auth/me", token).await.status(), 200);
    let fresh = app.login(email, PASSWORD).await;
    assert_eq!(app.register(&app.new_email(), PASSWORD).await.status(), 201);
    let logout = app.request(Method::POST, "/auth/logout").bearer_auth(&fresh).send().await.unwrap();
    assert_eq!(logout.status(), 204);
    assert_eq!(app.get("/private", &fresh).await.status(), 401);
    assert_eq!(app.get("/private", token).await.status(), 200);
}

#[tokio::test]
async fn while_postgres_is_stopped_logins_are_refused_soon_and_calls_go_on() {
    let mut postgres = PrivatePostgres::start();
    let mut app = app_on(&postgres).await;
    let (email, token) = app.new_person().await;
    postgres.stop();

    assert_refuses_soon(&app, &email, &token).await;
    assert_the_rest_goes_on(&app, &token).await;
    assert_logout_is_not_acknowledged(&app, &token).await;

    postgres.start_again();
    assert_recovers(&app, &email, &token).await;
    assert!(app.ended().is_none());
}

#[tokio::test]
async fn while_postgres_keeps_silent_logins_are_refused_soon_and_calls_go_on() {
    let mut postgres = PrivatePostgres::start();
    let mut app = app_on(&postgres).await;
    let (email, token) = app.new_person().await;
    postgres.pause();

    assert_refuses_soon(&app, &email, &token).await;
    assert_the_rest_goes_on(&app, &token).await;
    assert_logout_is_not_acknowledged(&app, &token).await;

    postgres.resume();
    assert_recovers(&app, &email, &token).await;
    assert!(app.ended().is_none());
}

#[tokio::test]
async fn a_start_without_postgres_ends_with_69_and_says_what_is_missing() {
    // It writes the configuration; the program that is looked at is another one.
    let app = TestApp::embedded().start().await;
    let nobody = crate::support::ports::free_address();
    app.reconfigure(&format!(
        "store.kind = 'postgres'\npostgres.url = 'postgres://gateward:hunter2-is-secret@{nobody}/gateward'\n\
         redis.url = '{}'\nserver.listen = '127.0.0.1:0'\nserver.admin_listen = '127.0.0.1:0'",
        services().redis_url()
    ));
    let end = async |arguments: &[&str]| {
        let output = tokio::time::timeout(GIVEN_UP, app.cli(arguments, "")).await.expect("it gives up");
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(69), "{arguments:?}: {said}");
        assert!(said.contains("postgres"), "{arguments:?}: {said}");
        assert!(!said.contains("hunter2"), "{arguments:?}: {said}");
    };
    tokio::join!(end(&["serve"]), end(&["user", "list"]), end(&["migrate", "status"]));
}
