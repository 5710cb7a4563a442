//! While Postgres is away nothing ends, and nothing says that it has.

use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, StoreKind, TestApp};
use crate::support::app_config::AppBuilder;
use crate::support::problems::problem;
use crate::support::services::{PrivatePostgres, services};
use crate::support::wait::eventually;

const NEW: &str = "quiet-Lantern-58-meadow";

fn calls() -> Vec<(Method, String, Option<Value>)> {
    let scope = |scope: &str| Some(json!({"scope": scope}));
    let session = "/auth/sessions/01890a5c-7d1e-7cc4-9a7b-3f6f3c0e8a11".to_owned();
    vec![
        (Method::POST, "/auth/logout".to_owned(), scope("others")),
        (Method::POST, "/auth/logout".to_owned(), scope("global")),
        (Method::GET, "/auth/sessions".to_owned(), None),
        (Method::DELETE, session, None),
        (
            Method::POST,
            "/auth/password/change".to_owned(),
            Some(json!({"current_password": PASSWORD, "new_password": NEW})),
        ),
        (Method::PATCH, "/auth/me".to_owned(), Some(json!({"name": "Ada"}))),
        (Method::DELETE, "/auth/me".to_owned(), Some(json!({"password": PASSWORD}))),
    ]
}

async fn send(app: &TestApp, token: &str, (method, path, body): (Method, String, Option<Value>)) -> Response {
    let request = app.request(method, &path).bearer_auth(token);
    body.map_or(request.try_clone().unwrap(), |body| request.json(&body)).send().await.unwrap()
}

#[tokio::test]
async fn without_postgres_every_end_is_a_503_and_afterwards_nothing_has_ended() {
    let mut postgres = PrivatePostgres::start();
    let database = postgres.new_database();
    let builder = AppBuilder::new(StoreKind::Embedded).postgres_at(&database, &services().redis_url());
    let app = builder.start().await;
    let (email, token) = app.new_person().await;
    let other = app.login(&email, PASSWORD).await;
    postgres.stop();
    for call in calls() {
        let path = call.1.clone();
        let answer = send(&app, &token, call).await;
        assert!(answer.headers().contains_key("retry-after"), "{path}");
        problem(answer, 503, "unavailable").await;
    }
    for token in [&token, &other] {
        assert_eq!(app.get("/private", token).await.status(), 200, "nothing half done");
    }

    postgres.start_again();
    let ready = || async { app.get_admin("/readyz").await.status() == 200 };
    assert!(eventually(Duration::from_secs(10), ready).await);
    for token in [&token, &other] {
        assert_eq!(app.get("/auth/me", token).await.status(), 200);
    }
    app.login(&email, PASSWORD).await;
    let answer = send(&app, &token, calls().remove(1)).await;
    assert_eq!(answer.status(), 204, "the same call again works");
    for token in [&token, &other] {
        assert_eq!(app.get("/private", token).await.status(), 401);
    }
}
