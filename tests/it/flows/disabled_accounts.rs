//! What an operator does to a person takes effect on a running gateway.

use std::time::Duration;

use serde_json::Value;

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::problems::problem;
use crate::support::wait::eventually;

async fn account(app: &TestApp, email: &str) -> Value {
    let listed = app.cli_ok(&["user", "list", "--json"], "").await;
    let mut accounts = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    accounts.find(|account| account["email"] == email).unwrap()
}

both_kinds!(disabling_an_account_ends_its_sessions_at_a_running_gateway, |app| async move {
    let (email, first) = app.new_person().await;
    let second = app.login(&email, PASSWORD).await;
    let (_, somebody_else) = app.new_person().await;
    assert_eq!(account(&app, &email).await["status"], "active");

    let said = app.cli_ok(&["user", "disable", &email], "").await;
    assert!(said.contains("sessions ended: 2"), "{said}");
    // "Within about a second"; the other second is for a busy machine.
    for token in [&first, &second] {
        let refused = || async { app.get("/private", token).await.status() == 401 };
        assert!(eventually(Duration::from_secs(2), refused).await);
        problem(app.get("/private", token).await, 401, "invalid_token").await;
        problem(app.get("/auth/me", token).await, 401, "invalid_token").await;
    }
    problem(app.try_login(&email, PASSWORD).await, 401, "invalid_credentials").await;
    assert_eq!(account(&app, &email).await["status"], "disabled");
    assert_eq!(app.get("/private", &somebody_else).await.status(), 200);

    app.cli_ok(&["user", "enable", &email], "").await;
    let token = app.login(&email, PASSWORD).await;
    assert_eq!(app.get("/private", &token).await.status(), 200);
    assert_eq!(app.get("/auth/me", &token).await.status(), 200);
    for token in [&first, &second] {
        problem(app.get("/private", token).await, 401, "invalid_token").await;
    }
});

both_kinds!(a_minted_token_works_and_dies_with_its_account, |app| async move {
    let (email, _) = app.new_person().await;
    let id = account(&app, &email).await["id"].as_str().unwrap().to_owned();
    let mint = ["token", "mint", "--subject", &id, "--role", "staff", "--scope", "read", "--count", "2"];
    let minted = app.cli_ok(&mint, "").await;
    let tokens: Vec<&str> = minted.lines().collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(app.get("/private", tokens[0]).await.status(), 200);
    assert_eq!(app.recorder.last().header("x-forwarded-groups"), ["staff"]);
    assert_eq!(app.recorder.last().header("x-auth-scope"), ["read"]);

    app.cli_ok(&["user", "disable", &id], "").await;
    for token in &tokens {
        let refused = || async { app.get("/private", token).await.status() == 401 };
        assert!(eventually(Duration::from_secs(2), refused).await);
    }
    let output = app.cli(&mint, "").await;
    assert_eq!(output.status.code(), Some(1), "no token for a disabled account");
    assert!(output.stdout.is_empty());
});
