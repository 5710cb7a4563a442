//! Limits besides those of logins: registrations, passwords given in a session, tokens and secrets that are wrong.

use reqwest::Method;
use serde_json::json;

use crate::support::app::{PASSWORD, both_kinds};
use crate::support::oauth::{CLIENT, CLIENT_ID, CLIENT_SECRET};
use crate::support::visitors::{limited, sent, too_many};

const WRONG: &str = "velvet-Harbour-40-tundra";
const HOME: &str = "198.51.100.7";

both_kinds!(
    an_address_registers_so_many_accounts_and_hears_of_no_more,
    |app| app.config(&limited("registrations = 3")),
    |app| async move {
        let (taken, _) = app.new_person().await;
        let register = |address: &str, email: &str, password: &str| {
            let body = json!({"email": email, "password": password});
            sent(app.request_from(address, Method::POST, "/auth/register").json(&body))
        };
        // A mistake in the form costs nothing.
        for _ in 0..5 {
            assert_eq!(register(HOME, "no address", PASSWORD).await.status(), 422);
        }
        assert_eq!(register(HOME, &app.new_email(), PASSWORD).await.status(), 201);
        assert_eq!(register(HOME, &taken, PASSWORD).await.status(), 409);
        assert_eq!(register(HOME, &app.new_email(), "password").await.status(), 422);
        let before = app.hashes().await;
        for email in [&taken, &app.new_email()] {
            too_many(register(HOME, email, PASSWORD).await).await;
        }
        assert_eq!(app.hashes().await, before);
        assert_eq!(app.counted("gateward_registrations_total{result=\"too_many\"}").await, 2);
        assert_eq!(register("198.51.100.8", &app.new_email(), PASSWORD).await.status(), 201);
        // An operator is not limited.
        app.cli_ok(&["user", "create", &app.new_email()], &format!("{PASSWORD}\n")).await;
    }
);

both_kinds!(
    a_password_is_asked_for_so_often_in_a_session,
    |app| app.config(&limited("account_failures = 3")),
    |app| async move {
        let (email, stolen) = app.new_person().await;
        let own = app.login(&email, PASSWORD).await;
        let change = |token: &str, password: &str| {
            let body = json!({"current_password": password, "new_password": "another-Quartz-17-lantern"});
            sent(app.request(Method::POST, "/auth/password/change").bearer_auth(token).json(&body))
        };
        let delete = |token: &str, password: &str| {
            let body = json!({"password": password});
            sent(app.request(Method::DELETE, "/auth/me").bearer_auth(token).json(&body))
        };
        assert_eq!(change(&stolen, WRONG).await.status(), 403);
        assert_eq!(delete(&stolen, WRONG).await.status(), 403);
        assert_eq!(change(&stolen, WRONG).await.status(), 403);
        let before = app.hashes().await;
        too_many(change(&stolen, PASSWORD).await).await;
        too_many(delete(&stolen, PASSWORD).await).await;
        assert_eq!(app.hashes().await, before);
        assert_eq!(app.counted("gateward_attempts_refused_total{bucket=\"session\"}").await, 2);
        // Another session, and logins, are not touched.
        assert_eq!(change(&own, WRONG).await.status(), 403);
        assert_eq!(app.try_login(&email, PASSWORD).await.status(), 200);
        assert_eq!(change(&own, PASSWORD).await.status(), 204);
    }
);

both_kinds!(
    a_right_password_in_a_session_is_not_free_either,
    // One failure, which is ten times a right one.
    |app| app.config(&limited("account_failures = 1")),
    |app| async move {
        let (_, token) = app.new_person().await;
        let change = || {
            let body = json!({"current_password": PASSWORD, "new_password": "password"});
            sent(app.request(Method::POST, "/auth/password/change").bearer_auth(&token).json(&body))
        };
        // Refused for its weakness, after a hash.
        assert_eq!(change().await.status(), 422);
        let before = app.hashes().await;
        too_many(change().await).await;
        assert_eq!(app.hashes().await, before);
    }
);

both_kinds!(
    refresh_tokens_that_do_not_exist_are_refused_after_a_while_and_good_ones_never,
    |app| app.config(&limited("wrong_secrets = 3")),
    |app| async move {
        let (_, mut pair) = app.new_pair().await;
        let unknown = "gwr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for _ in 0..8 {
            pair = app.refresh(&pair.refresh).await;
        }
        for _ in 0..3 {
            assert_eq!(app.try_refresh(unknown).await.status(), 401);
        }
        too_many(app.try_refresh(unknown).await).await;
        assert_eq!(app.counted("gateward_refreshes_total{result=\"too_many\"}").await, 1);
        // Somebody else behind the same address is not held up by that.
        assert_eq!(app.try_refresh(&pair.refresh).await.status(), 200);
    }
);

both_kinds!(
    client_secrets_are_tried_so_often,
    |app| app.config(&limited("wrong_secrets = 3")).config(CLIENT),
    |app| async move {
        let ask = |path: &str, secret: &str| {
            sent(app.form(path, &[("token", "x")]).basic_auth(CLIENT_ID, Some(secret)))
        };
        for _ in 0..10 {
            assert_eq!(ask("/auth/introspect", CLIENT_SECRET).await.status(), 200);
        }
        assert_eq!(ask("/auth/introspect", "wrong").await.status(), 401);
        assert_eq!(ask("/auth/revoke", "wrong").await.status(), 401);
        assert_eq!(ask("/auth/introspect", "wrong").await.status(), 401);
        for path in ["/auth/introspect", "/auth/revoke"] {
            let answer = ask(path, "wrong").await;
            assert_eq!(answer.status(), 429, "{path}");
            assert!(answer.headers().contains_key("retry-after"));
        }
        // A client of ours does not suffer from somebody behind its address.
        assert_eq!(ask("/auth/introspect", CLIENT_SECRET).await.status(), 200);
        // What cannot be a refresh token is not looked up, so it is not charged: a late logout is still a 200.
        assert_eq!(app.revoke("x.y.z").await.status(), 200);
        // Refresh tokens that do not exist count for revocation, too.
        let unknown = "gwr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        assert_eq!(app.revoke(unknown).await.status(), 429);
        let elsewhere = app.request_from(HOME, Method::POST, "/auth/revoke").form(&[("token", unknown)]);
        assert_eq!(sent(elsewhere).await.status(), 200);
    }
);
