//! Where somebody is logged in, and ending one of those sessions.

use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::forge::claims_of;
use crate::support::problems::problem;

fn session_of(token: &str) -> String {
    claims_of(token)["sid"].as_str().unwrap().to_owned()
}

async fn listed(app: &TestApp, token: &str, query: &str) -> Value {
    let answer = app.get(&format!("/auth/sessions{query}"), token).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    answer.json().await.unwrap()
}

fn ids(page: &Value) -> Vec<&str> {
    page["sessions"].as_array().unwrap().iter().map(|session| session["id"].as_str().unwrap()).collect()
}

async fn end(app: &TestApp, token: &str, session: &str) -> Response {
    let path = format!("/auth/sessions/{session}");
    app.request(Method::DELETE, &path).bearer_auth(token).send().await.unwrap()
}

both_kinds!(sessions_are_listed_newest_first_with_what_their_owner_knows_them_by, |app| async move {
    let (email, first) = app.new_person().await;
    let (_, somebody_else) = app.new_person().await;
    let body = serde_json::json!({"email": email, "password": PASSWORD});
    let request = app.request(Method::POST, "/auth/login").header("user-agent", "Phone/1.0").json(&body);
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let phone = answer["access_token"].as_str().unwrap();

    let page = listed(&app, &first, "").await;
    assert_eq!(ids(&page), [session_of(phone), session_of(&first)]);
    assert_eq!(page["next"], Value::Null);
    let shown = &page["sessions"][0];
    let mut names: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["address", "created_at", "current", "expires_at", "id", "last_used_at", "user_agent"]);
    assert_eq!(shown["address"], "127.0.0.1");
    assert_eq!(shown["user_agent"], "Phone/1.0");
    assert_eq!(shown["last_used_at"], shown["created_at"]);
    assert!(shown["expires_at"].as_str() > shown["created_at"].as_str());
    assert_eq!((&shown["current"], &page["sessions"][1]["current"]), (&false.into(), &true.into()));
    assert_eq!(listed(&app, phone, "").await["sessions"][0]["current"], true);
    assert_eq!(ids(&listed(&app, &somebody_else, "").await), [session_of(&somebody_else)]);

    problem(app.get_anonymously("/auth/sessions").await, 401, "no_credentials").await;
    for query in ["?after=1", "?after=", "?limit=5", "?after=a&after=b"] {
        problem(app.get(&format!("/auth/sessions{query}"), phone).await, 422, "invalid_fields").await;
    }
});

both_kinds!(a_list_has_a_hundred_sessions_and_says_where_the_next_begins, |app| async move {
    let (_, token) = app.new_person().await;
    let subject = claims_of(&token)["sub"].as_str().unwrap().to_owned();
    app.cli_ok(&["token", "mint", "--subject", &subject, "--count", "200"], "").await;
    let (mut seen, mut query, mut sizes) = (Vec::new(), String::new(), Vec::new());
    loop {
        let page = listed(&app, &token, &query).await;
        sizes.push(ids(&page).len());
        seen.extend(ids(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?after={next}");
    }
    assert_eq!(sizes, [100, 100, 1]);
    assert!(seen.is_sorted_by(|newer, older| newer > older));
    assert_eq!(seen.last(), Some(&session_of(&token)), "the oldest");
});

both_kinds!(one_ends_ones_own_sessions, |app| async move {
    let (email, token) = app.new_person().await;
    let other = app.login(&email, PASSWORD).await;
    for again in [false, true] {
        assert_eq!(end(&app, &token, &session_of(&other)).await.status(), 204, "again: {again}");
        problem(app.get("/private", &other).await, 401, "invalid_token").await;
    }
    assert_eq!(ids(&listed(&app, &token, "").await), [session_of(&token)]);
    assert_eq!(end(&app, &token, &session_of(&token)).await.status(), 204, "the one that asks");
    problem(app.get("/private", &token).await, 401, "invalid_token").await;
    problem(end(&app, &token, &session_of(&token)).await, 401, "invalid_token").await;
});

both_kinds!(nobody_sees_or_ends_somebody_elses_session, |app| async move {
    let (_, mine) = app.new_person().await;
    let (_, theirs) = app.new_person().await;
    let (their_session, unknown) = (session_of(&theirs), "01890a5c-7d1e-7cc4-9a7b-3f6f3c0e8a11");
    let answer = async |id: &str| {
        let mut body = problem(end(&app, &mine, id).await, 404, "session_not_found").await;
        body["request_id"] = Value::Null;
        body
    };
    let of_theirs = answer(&their_session).await;
    assert_eq!(of_theirs, answer(unknown).await, "the same answer: it does not say that there is one");
    for no_id in ["x", "1", "..%2e", &their_session.to_uppercase(), &format!("{their_session}0"), "%20"] {
        let refused = end(&app, &mine, no_id).await.status();
        assert!([400, 404].contains(&refused.as_u16()), "{no_id}: {refused}");
    }
    assert_eq!(app.get("/private", &theirs).await.status(), 200);
    let page = listed(&app, &mine, &format!("?after={their_session}")).await;
    assert_eq!(ids(&page), [session_of(&mine)], "their id is a place to begin at, and no more");
    let anonymous = app.request(Method::DELETE, &format!("/auth/sessions/{their_session}")).send().await;
    problem(anonymous.unwrap(), 401, "no_credentials").await;
});
