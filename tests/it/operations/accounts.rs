//! `gateward user`, next to a running program on the same store.

use std::time::Duration;

use serde_json::Value;

use super::workplace::{operate, operate_reading};
use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::wait::eventually;

fn listed(app: &TestApp) -> Vec<Value> {
    let lines = operate(app, "user list --json").ok();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

both_kinds!(
    an_operator_makes_lists_locks_and_unlocks_accounts,
    |app| app.config("accounts.registration = 'closed'"),
    |app| async move {
        let email = app.new_email();
        assert_eq!(app.register(&email, PASSWORD).await.status(), 403, "closed to everybody else");
        let create = format!("user create {email} --name Ann --role admin --role staff");

        let said = operate_reading(&app, &create, "").failed(1);
        assert!(said.contains("standard input"), "{said}");
        let weak = "password1234";
        let said = operate_reading(&app, &create, &format!("{weak}\n")).failed(1);
        assert!(said.contains("weak password") && !said.contains(weak), "{said}");
        let said = operate_reading(&app, "user create not-an-address", PASSWORD).failed(1);
        assert!(said.contains("e-mail address"), "{said}");
        assert_eq!(listed(&app), Vec::<Value>::new(), "nothing was made");

        let made = operate_reading(&app, &create, &format!("{PASSWORD}\n")).ok();
        let said = operate_reading(
            &app,
            &create
                .to_uppercase()
                .replace("USER CREATE", "user create")
                .replace("--NAME", "--name")
                .replace("--ROLE", "--role"),
            PASSWORD,
        )
        .failed(1);
        assert!(said.contains("taken"), "the address in capitals is the same: {said}");
        let accounts = listed(&app);
        assert_eq!(accounts.len(), 1);
        let account = &accounts[0];
        let id = account["id"].as_str().unwrap();
        assert_eq!(made, format!("created {id} {email}\n"));
        assert_eq!(account["email"], email.as_str());
        assert_eq!(account["roles"], serde_json::json!(["admin", "staff"]));
        assert_eq!(account["status"], "active");
        assert!(operate(&app, "user list").ok().contains("admin,staff"));

        let token = app.login(&email, PASSWORD).await;
        assert_eq!(app.get("/x", &token).await.status(), 200);
        assert_eq!(app.recorder.last().header("x-forwarded-groups"), ["admin,staff"]);

        assert_eq!(
            operate(&app, &format!("user disable {email}")).ok(),
            format!("disabled {id}; sessions ended: 1\n")
        );
        let refused =
            eventually(Duration::from_secs(5), async || app.get("/x", &token).await.status() == 401).await;
        assert!(refused, "the running program learns of it");
        assert_eq!(app.try_login(&email, PASSWORD).await.status(), 401);
        assert_eq!(listed(&app)[0]["status"], "disabled");

        assert_eq!(operate(&app, &format!("user enable {id}")).ok(), format!("enabled {id}\n"));
        assert_eq!(app.get("/x", &token).await.status(), 401, "an ended session stays ended");
        app.login(&email, PASSWORD).await;
    }
);
