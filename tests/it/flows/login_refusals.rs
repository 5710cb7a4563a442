//! Logins that are refused, and what they must not tell.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::Response;
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::problems::problem;

const WRONG: &str = "velvet-Harbour-40-tundra";

/// Everything of an answer that a client sees, but for what names the single request.
async fn visible(answer: Response) -> (u16, BTreeMap<String, String>, String) {
    let status = answer.status().as_u16();
    let mut headers = BTreeMap::new();
    for (name, value) in answer.headers() {
        headers.insert(name.to_string(), value.to_str().unwrap().to_owned());
    }
    let id = headers.remove("x-request-id").unwrap();
    headers.remove("date");
    (status, headers, answer.text().await.unwrap().replace(&id, "the request"))
}

async fn form(app: &TestApp, body: &str) -> Response {
    let request = app.client.post(app.url("/auth/login"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    request.body(body.to_owned()).send().await.unwrap()
}

/// The quickest of a few, for the machine may be busy.
async fn quickest_login(app: &TestApp, email: &str) -> Duration {
    let mut quickest = Duration::MAX;
    for _ in 0..4 {
        let begun = Instant::now();
        problem(app.try_login(email, WRONG).await, 401, "invalid_credentials").await;
        quickest = quickest.min(begun.elapsed());
    }
    quickest
}

both_kinds!(an_unknown_person_a_wrong_password_and_a_locked_account_answer_alike, |app| async move {
    let (known, _) = app.new_person().await;
    let (locked, _) = app.new_person().await;
    app.cli_ok(&["user", "disable", &locked], "").await;
    let unknown = app.new_email();

    let expected = visible(app.try_login(&known, WRONG).await).await;
    assert_eq!(expected.0, 401);
    assert!(expected.2.contains("\"invalid_credentials\""), "{}", expected.2);
    assert_eq!(expected.1["www-authenticate"], "Bearer realm=\"gateward\"");
    for (email, password) in
        [(unknown.as_str(), WRONG), (&locked, PASSWORD), (&locked, WRONG), ("no address", WRONG), ("", WRONG)]
    {
        assert_eq!(visible(app.try_login(email, password).await).await, expected, "{email}");
    }

    let ask =
        |email: &str, password: &str| format!("username={}&password={password}", email.replace('@', "%40"));
    let expected = visible(form(&app, &ask(&known, WRONG)).await).await;
    assert_eq!(expected.0, 400);
    assert!(expected.2.contains("\"invalid_grant\""), "{}", expected.2);
    for (email, password) in [(unknown.as_str(), WRONG), (&locked, PASSWORD), ("", WRONG)] {
        assert_eq!(visible(form(&app, &ask(email, password)).await).await, expected, "{email}");
    }
});

both_kinds!(an_unknown_person_costs_as_much_time_as_a_wrong_password, |app| async move {
    let (known, _) = app.new_person().await;
    let wrong = quickest_login(&app, &known).await;
    for email in [app.new_email().as_str(), "no address"] {
        let unknown = quickest_login(&app, email).await;
        // Without the hash it is a hundredth; this leaves room for a busy machine.
        assert!(unknown * 2 > wrong && wrong * 2 > unknown, "{email}: {unknown:?} against {wrong:?}");
    }
});

both_kinds!(form_errors_are_those_of_rfc_6749, |app| async move {
    let (email, _) = app.new_person().await;
    let user = format!("username={}", email.replace('@', "%40"));
    for (body, error) in [
        (format!("{user}&password={WRONG}"), "invalid_grant"),
        (format!("{user}&password="), "invalid_grant"),
        (user.clone(), "invalid_request"),
        (format!("password={PASSWORD}"), "invalid_request"),
        (String::new(), "invalid_request"),
        (format!("{user}&{user}&password={PASSWORD}"), "invalid_request"),
        (format!("{user}&password={PASSWORD}&password={PASSWORD}"), "invalid_request"),
        (format!("{user}&password={PASSWORD}&grant_type=password&grant_type=password"), "invalid_request"),
        (format!("{user}&password={PASSWORD}&scope=a&scope=b"), "invalid_request"),
        (format!("{user}&password={PASSWORD}&grant_type=client_credentials"), "unsupported_grant_type"),
        (format!("{user}&password={PASSWORD}&grant_type=Password"), "unsupported_grant_type"),
        (format!("{user}&password=%ff%fe"), "invalid_grant|invalid_request"),
        (json!({"email": email, "password": PASSWORD}).to_string(), "invalid_request"),
    ] {
        let answer = form(&app, &body).await;
        assert_eq!(answer.status(), 400, "{body}");
        assert_eq!(answer.headers()["content-type"], "application/json", "{body}");
        assert_eq!(answer.headers()["cache-control"], "no-store", "{body}");
        let found: Value = answer.json().await.unwrap();
        let members: Vec<_> = found.as_object().unwrap().keys().collect();
        assert_eq!(members, ["error", "error_description"], "{body}");
        assert!(error.split('|').any(|error| found["error"] == error), "{body}: {found}");
    }
});
