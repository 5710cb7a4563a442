//! `gateward token mint`, next to a running program on the same store.

use std::collections::HashSet;
use std::time::Duration;

use super::workplace::operate;
use crate::support::app::{TestApp, both_kinds};
use crate::support::wait::eventually;

async fn account_id(app: &TestApp, token: &str) -> String {
    let me: serde_json::Value = app.get("/auth/me", token).await.json().await.unwrap();
    me["id"].as_str().unwrap().to_owned()
}

both_kinds!(minted_tokens_are_accepted_until_their_account_is_disabled, |app| async move {
    let (email, token) = app.new_person().await;
    let id = account_id(&app, &token).await;

    let minted = operate(&app, &format!("token mint --subject {id} --count 3 --role ops --scope read")).ok();
    let tokens: HashSet<&str> = minted.lines().collect();
    assert_eq!(tokens.len(), 3);
    let mut sessions = HashSet::new();
    for token in &tokens {
        assert_eq!(app.get("/x", token).await.status(), 200);
        let seen = app.recorder.last();
        assert_eq!(seen.header("x-forwarded-user"), [id.as_str()]);
        assert_eq!(seen.header("x-forwarded-email"), [email.as_str()]);
        assert_eq!(seen.header("x-forwarded-groups"), ["ops"]);
        assert_eq!(seen.header("x-auth-scope"), ["read"]);
        sessions.extend(seen.header("x-auth-session"));
        assert_eq!(app.get("/auth/me", token).await.status(), 200);
    }
    assert_eq!(sessions.len(), 3, "each has a session of its own");

    let ended = operate(&app, &format!("user disable {email}")).ok();
    assert!(ended.ends_with("sessions ended: 4\n"), "{ended}");
    for token in tokens {
        let refused = eventually(Duration::from_secs(5), async || app.get("/x", token).await.status() == 401);
        assert!(refused.await);
    }
    let said = operate(&app, &format!("token mint --subject {id}")).failed(1);
    assert!(said.starts_with("gateward: "), "{said}");
    operate(&app, "token mint --subject 01890a5c-7d1e-7cc4-9a7b-3f6f3c0e8a11").failed(1);
});
