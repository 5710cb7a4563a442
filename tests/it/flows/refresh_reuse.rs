//! An old refresh token in use again means that two have it: the session ends, everywhere.

use std::time::Duration;

use serde_json::Value;

use super::replicas::Shared;
use crate::support::app::{TestApp, both_kinds};
use crate::support::app_refresh::Pair;
use crate::support::forge::claims_of;
use crate::support::problems::problem;
use crate::support::wait::eventually;

async fn refused(app: &TestApp, token: &str) {
    problem(app.try_refresh(token).await, 401, "invalid_refresh_token").await;
}

/// The audit trail as `gateward audit list --json` prints it.
async fn audit(app: &TestApp) -> Vec<Value> {
    let listed = app.cli_ok(&["audit", "list", "--json"], "").await;
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

both_kinds!(
    a_reused_token_ends_the_family_at_once_and_the_audit_trail_says_so,
    |app| app.config("token.refresh_grace = '0s'"),
    |mut app| async move {
        let (email, first) = app.new_pair().await;
        let bystander = app.login_pair(&email).await;
        let second = app.refresh(&first.refresh).await;
        let third = app.refresh(&second.refresh).await;
        assert!(audit(&app).await.is_empty());

        // Without a grace the very next use is a reuse.
        refused(&app, &first.refresh).await;
        app.recorder.forget();
        for pair in [&first, &second, &third] {
            problem(app.get("/private", &pair.access).await, 401, "invalid_token").await;
            refused(&app, &pair.refresh).await;
        }
        assert_eq!(app.recorder.count(), 0, "the service saw a refused call");
        assert_eq!(app.get("/private", &bystander.access).await.status(), 200);
        app.refresh(&bystander.refresh).await;

        let events = audit(&app).await;
        assert_eq!(events.len(), 1, "told once: {events:?}");
        let claims = claims_of(&third.access);
        assert_eq!(events[0]["event"], "refresh_token_reused");
        assert_eq!((&events[0]["account_id"], &events[0]["session_id"]), (&claims["sub"], &claims["sid"]));
        assert_eq!(events[0]["address"], "127.0.0.1");
        let session = claims["sid"].as_str().unwrap().to_owned();
        let line = app.wait_for_log(|line| line.contains("refresh token reused; session ended")).await;
        assert!(line.contains("WARN") && line.contains(&session) && line.contains("127.0.0.1"), "{line}");
        let metrics = app.get_admin("/metrics").await.text().await.unwrap();
        for sample in ["rotated\"} 3", "reused\"} 1", "ended\"} 3", "repeated\"} 0"] {
            let sample = format!("gateward_refreshes_total{{result=\"{sample}");
            assert!(metrics.contains(&sample), "{sample} in {metrics}");
        }

        app.kill9();
        app.restart().await;
        for pair in [&first, &third] {
            problem(app.get("/private", &pair.access).await, 401, "invalid_token").await;
            refused(&app, &pair.refresh).await;
        }
        assert_eq!(audit(&app).await, events);
    }
);

both_kinds!(the_same_client_gets_the_same_successor_and_another_ends_the_session, |app| async move {
    let (_, first) = app.new_pair().await;
    let second = app.refresh(&first.refresh).await;
    let again = app.refresh(&first.refresh).await;
    assert_eq!(again.refresh, second.refresh, "the answer may have been lost");
    assert_eq!(app.get("/private", &again.access).await.status(), 200);
    let third = app.refresh(&second.refresh).await;
    assert_eq!(app.refresh(&first.refresh).await.refresh, second.refresh, "also when that one was used");
    assert_eq!(app.refresh(&second.refresh).await.refresh, third.refresh, "which leads to the live one");

    let stolen = app.try_refresh_as("another client", &second.refresh).await;
    problem(stolen, 401, "invalid_refresh_token").await;
    for pair in [&first, &second, &third, &again] {
        problem(app.get("/private", &pair.access).await, 401, "invalid_token").await;
        refused(&app, &pair.refresh).await;
    }
    assert_eq!(audit(&app).await[0]["user_agent"], "another client");
});

both_kinds!(a_client_may_move_between_two_refreshes, |app| async move {
    let (_, pair) = app.new_pair().await;
    let next = Pair::of(app.try_refresh_as("updated browser", &pair.refresh).await).await;
    app.refresh(&next.refresh).await;
});

both_kinds!(
    after_the_grace_the_same_client_is_a_reuse_too,
    |app| app.config("token.refresh_grace = '300ms'"),
    |app| {
        async move {
            let (_, pair) = app.new_pair().await;
            let next = app.refresh(&pair.refresh).await;
            // Asked until the grace is over: up to there the same successor, from there on nothing.
            let over = || async {
                let answer = app.try_refresh(&pair.refresh).await;
                if answer.status() == 401 {
                    return true;
                }
                assert_eq!(Pair::of(answer).await.refresh, next.refresh);
                false
            };
            assert!(eventually(Duration::from_secs(5), over).await);
            problem(app.get("/private", &next.access).await, 401, "invalid_token").await;
            refused(&app, &next.refresh).await;
        }
    }
);

#[tokio::test]
async fn a_reuse_at_one_replica_ends_the_session_at_the_other() {
    let shared = Shared::new();
    let (one, other) = tokio::join!(shared.replica(7).start(), shared.replica(7).start());
    let (_, first) = one.new_pair().await;
    let second = other.refresh(&first.refresh).await;
    assert_eq!(one.refresh(&first.refresh).await.refresh, second.refresh, "any replica repeats an answer");
    problem(one.try_refresh_as("another client", &first.refresh).await, 401, "invalid_refresh_token").await;
    problem(one.get("/private", &second.access).await, 401, "invalid_token").await;
    let gone = || async { other.get("/private", &second.access).await.status() == 401 };
    assert!(eventually(Duration::from_secs(2), gone).await);
    refused(&other, &second.refresh).await;
}
