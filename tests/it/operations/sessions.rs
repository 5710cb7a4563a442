//! `gateward session` and `gateward user delete`, next to a running program on the same store.

use std::time::Duration;

use serde_json::Value;

use super::workplace::operate;
use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::forge::claims_of;
use crate::support::wait::eventually;

const UNKNOWN: &str = "01890a5c-7d1e-7cc4-9a7b-3f6f3c0e8a11";

fn claim(token: &str, name: &str) -> String {
    claims_of(token)[name].as_str().unwrap().to_owned()
}

async fn learns_of_it(app: &TestApp, token: &str) {
    let refused = eventually(Duration::from_secs(5), async || app.get("/x", token).await.status() == 401);
    assert!(refused.await, "the running program learns of it");
}

both_kinds!(an_operator_lists_and_ends_sessions, |app| async move {
    let (email, first) = app.new_person().await;
    let second = app.login(&email, PASSWORD).await;
    let third = app.login(&email, PASSWORD).await;
    let (other_email, somebody_else) = app.new_person().await;
    let (account, session) = (claim(&first, "sub"), |token: &str| claim(token, "sid"));

    let listed = |whose: &str| -> Vec<Value> {
        let lines = operate(&app, &format!("session list {whose} --json")).ok();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let by_email = listed(&format!("--email {email}"));
    assert_eq!(by_email, listed(&format!("--account {account}")));
    let ids: Vec<_> = by_email.iter().map(|session| session["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [session(&third), session(&second), session(&first)], "newest first");
    assert_eq!(by_email[0]["account"], account.as_str());
    assert_eq!(by_email[0]["address"], "127.0.0.1");
    let table = operate(&app, &format!("session list --email {email}")).ok();
    assert!(table.starts_with("ID ") && table.contains(&session(&second)), "{table}");
    operate(&app, "session list --email nobody@example.com").failed(1);
    operate(&app, &format!("session list --account {UNKNOWN}")).failed(1);
    operate(&app, "session list").failed(2);

    let said = operate(&app, &format!("session revoke {} {UNKNOWN}", session(&first))).failed(1);
    assert!(said.contains(UNKNOWN), "{said}");
    assert_eq!(app.get("/x", &first).await.status(), 200, "with an unknown one, none is ended");
    let said = operate(&app, &format!("session revoke {}", session(&first))).ok();
    assert_eq!(said, format!("ended {}\n", session(&first)));
    learns_of_it(&app, &first).await;
    let said = operate(&app, &format!("session revoke {}", session(&first))).ok();
    assert_eq!(said, format!("had ended {}\n", session(&first)));
    assert_eq!(app.get("/x", &second).await.status(), 200);

    let said = operate(&app, &format!("session revoke --all --email {email}")).ok();
    assert_eq!(said, format!("account {account}; sessions ended: 2\n"));
    for token in [&second, &third] {
        learns_of_it(&app, token).await;
    }
    assert_eq!(app.get("/x", &somebody_else).await.status(), 200);
    app.login(&email, PASSWORD).await;

    let said = operate(&app, &format!("user delete {other_email}")).ok();
    assert_eq!(said, format!("deleted {}; sessions ended: 1\n", claim(&somebody_else, "sub")));
    learns_of_it(&app, &somebody_else).await;
    operate(&app, &format!("user delete {other_email}")).failed(1);
    operate(&app, &format!("user delete {UNKNOWN}")).failed(1);
    assert_eq!(app.register(&other_email, PASSWORD).await.status(), 201, "the address is free");
});
