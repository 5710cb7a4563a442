//! `registration = "closed"`: only an operator makes accounts.

use serde_json::Value;

use crate::support::app::{PASSWORD, both_kinds};
use crate::support::problems::problem;

both_kinds!(
    closed_registration_leaves_accounts_to_the_operator,
    |app| app.config("accounts.registration = 'closed'"),
    |app| async move {
        let email = app.new_email();
        problem(app.register(&email, PASSWORD).await, 403, "registration_closed").await;
        // Nothing about the body is judged, so nothing about other accounts can be learnt either.
        let weak = app.register(&email, "x").await;
        problem(weak, 403, "registration_closed").await;
        problem(app.try_login(&email, PASSWORD).await, 401, "invalid_credentials").await;

        let create = ["user", "create", &email, "--name", "Ann", "--role", "staff", "--role", "admin"];
        let said = app.cli_ok(&create, &format!("{PASSWORD}\n")).await;
        assert!(said.starts_with("created ") && said.contains(&email), "{said}");
        problem(app.register(&email, PASSWORD).await, 403, "registration_closed").await;

        let token = app.login(&email, PASSWORD).await;
        let me: Value = app.get("/auth/me", &token).await.json().await.unwrap();
        assert_eq!(me["name"], "Ann");
        assert_eq!(me["roles"], serde_json::json!(["admin", "staff"]));
        assert_eq!(app.get("/private", &token).await.status(), 200);
        assert_eq!(app.recorder.last().header("x-forwarded-groups"), ["admin,staff"]);
    }
);

both_kinds!(the_operator_is_held_to_the_same_rules, |app| async move {
    let (email, _) = app.new_person().await;
    for (address, password, words) in [
        (email.as_str(), PASSWORD, "taken"),
        (&email.to_uppercase(), PASSWORD, "taken"),
        ("new@example.com", "password1", "most common passwords"),
        ("new@example.com", "", "no password given"),
        ("no address", PASSWORD, "e-mail address"),
    ] {
        let output = app.cli(&["user", "create", address], &format!("{password}\n")).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{address}: {said}");
        assert!(said.contains(words), "{address}: {said}");
    }
    let listed = app.cli_ok(&["user", "list", "--json"], "").await;
    assert_eq!(listed.lines().count(), 1, "{listed}");
});
