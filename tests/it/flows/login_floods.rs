//! Guessing at passwords: one address at many accounts, many addresses at one; and the owner gets in.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use reqwest::Response;
use serde_json::Value;

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::visitors::{limited, sent, too_many};

const WRONG: &str = "velvet-Harbour-40-tundra";
const HOME: &str = "198.51.100.7";

/// An address that nobody else comes from, nor its network.
fn stranger(number: usize) -> String {
    format!("10.{}.{}.1", number / 250, number % 250)
}

both_kinds!(
    one_address_at_many_accounts_is_refused_before_any_hash,
    |app| app.config(&limited("address_failures = 5\naccount_failures = 10")),
    |app| async move {
        let before = app.hashes().await;
        let attacks = (0..200).map(|number| {
            let request = app.login_from("203.0.113.5", &format!("person{number}@example.org"), WRONG);
            async move { sent(request).await }
        });
        let mut statuses = BTreeMap::new();
        for answer in join_all(attacks).await {
            *statuses.entry(answer.status().as_u16()).or_insert(0) += 1;
            if answer.status() == 429 {
                assert!(too_many(answer).await <= 3600);
            }
        }
        let of = |status: u16| statuses.get(&status).copied().unwrap_or(0);
        // What found no place in the queue was not an attempt.
        assert_eq!(of(401) + of(429) + of(503), 200, "{statuses:?}");
        while of(503) > 0 && app.status_from("203.0.113.5", "late@example.org", WRONG).await == 401 {}
        assert_eq!(app.hashes().await - before, 5, "one for each that was let in: {statuses:?}");
        let refused = app.counted("gateward_attempts_refused_total{bucket=\"address\"}").await;
        assert!(refused >= of(429), "{refused}");
        assert_eq!(app.counted("gateward_logins_total{result=\"too_many\"}").await, refused);
        assert_eq!(
            app.status_from("203.0.113.6", "person1@example.org", WRONG).await,
            401,
            "another address"
        );
        assert_eq!(app.status_from("2001:db8::1", "person2@example.org", WRONG).await, 401);
    }
);

both_kinds!(
    one_account_attacked_from_fifty_addresses_is_closed_to_strangers_and_open_to_its_owner,
    |app| app.config(&limited("address_failures = 100\naccount_failures = 4")),
    |app| async move {
        let (email, _) = app.new_person().await;
        let login = sent(app.login_from(HOME, &email, PASSWORD)).await;
        let cookie = device_cookie(&login).expect("a device cookie");
        let body: Value = login.json().await.unwrap();
        let token = body["access_token"].as_str().unwrap().to_owned();
        let other_persons_cookie = {
            let (other, _) = app.new_person().await;
            device_cookie(&sent(app.login_from(&stranger(900), &other, PASSWORD)).await).unwrap()
        };
        let before = app.hashes().await;
        for number in 0..50 {
            let status = app.status_from(&stranger(number), &email, WRONG).await;
            assert_eq!(status, if number < 4 { 401 } else { 429 }, "{number}");
        }
        assert_eq!(app.hashes().await - before, 4, "the others cost no hash");
        // Not even with the right password, or he would learn that it was.
        too_many(sent(app.login_from(&stranger(60), &email, PASSWORD)).await).await;
        // Nothing a stranger can send makes him the owner.
        for forged in ["1.AAAAAAAAAAAAAAAAAAAAAA.1700000000.AAAA", &other_persons_cookie, "x"] {
            let attempt = app.login_from(&stranger(61), &email, PASSWORD);
            let cookie = format!("__Secure-gateward_device={forged}");
            too_many(sent(attempt.header("cookie", cookie)).await).await;
        }
        let (_, strangers_token) = app.new_person().await;
        let attempt = app.login_from(&stranger(62), &email, PASSWORD).bearer_auth(&strangers_token);
        too_many(sent(attempt).await).await;

        // The place is known, the device is, and so is a session.
        assert_eq!(app.status_from(HOME, &email, PASSWORD).await, 200);
        let on_device = |password: &str| {
            let cookie = format!("a=b; __Secure-gateward_device={cookie}");
            sent(app.login_from(&stranger(70), &email, password).header("cookie", cookie))
        };
        let again = on_device(PASSWORD).await;
        assert_eq!(again.status(), 200);
        let renewed = device_cookie(&again).unwrap();
        let same_device = |text: &str| text.split('.').nth(1).unwrap().to_owned();
        assert_eq!(same_device(&renewed), same_device(&cookie));
        let with_token = app.login_from(&stranger(71), &email, PASSWORD).bearer_auth(&token);
        assert_eq!(sent(with_token).await.status(), 200);
        assert_eq!(app.get("/private", &token).await.status(), 200, "sessions go on");

        // Whoever has the place or the cookie has as many guesses as a stranger, and no more.
        for attempt in 0..6 {
            let expected = if attempt < 4 { 401 } else { 429 };
            assert_eq!(app.status_from(HOME, &email, WRONG).await, expected, "at home, {attempt}");
            assert_eq!(on_device(WRONG).await.status(), expected, "on the device, {attempt}");
        }
        assert_eq!(app.counted("gateward_attempts_refused_total{bucket=\"known\"}").await, 4);
        // An address that the owner has logged in from by cookie is known as well.
        assert_eq!(app.status_from(&stranger(70), &email, PASSWORD).await, 200);
    }
);

both_kinds!(
    known_and_unknown_people_are_refused_alike_after_as_many_attempts,
    |app| app.config(&limited("account_failures = 3")),
    |app| async move {
        let (known, _) = app.new_person().await;
        let (disabled, _) = app.new_person().await;
        app.cli_ok(&["user", "disable", &disabled], "").await;
        let mut courses = Vec::new();
        for email in [&known, &disabled, &app.new_email(), &known.to_uppercase()] {
            let mut course = Vec::new();
            for number in 0..5 {
                let answer = sent(app.login_from(&stranger(number), email, WRONG)).await;
                course.push(visible(answer).await);
            }
            courses.push(course);
        }
        // The last one is the first one's account, written otherwise: its bucket is empty.
        let again = courses.pop().unwrap();
        assert!(again.iter().all(|(status, ..)| *status == 429), "{again:?}");
        let statuses: Vec<u16> = courses[0].iter().map(|(status, ..)| *status).collect();
        assert_eq!(statuses, [401, 401, 401, 429, 429]);
        for course in &courses[1..] {
            assert_eq!(*course, courses[0]);
        }
    }
);

both_kinds!(
    every_login_form_is_limited,
    |app| app.config(&limited("account_failures = 2")),
    |app| async move {
        let email = app.new_email();
        for number in 0..2 {
            assert_eq!(app.status_from(&stranger(number), &email, WRONG).await, 401);
        }
        too_many(sent(app.login_from(&stranger(3), &email, WRONG)).await).await;
        for path in ["/auth/login", "/auth/token"] {
            let fields = [("grant_type", "password"), ("username", email.as_str()), ("password", WRONG)];
            let form = app.request_from(&stranger(4), reqwest::Method::POST, path).form(&fields);
            let answer = sent(form).await;
            assert_eq!(answer.status(), 429, "{path}");
            let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((3000..=3600).contains(&wait), "{wait}");
            assert_eq!(answer.headers()["content-type"], "application/json");
            assert_eq!(answer.headers()["cache-control"], "no-store");
            let body: Value = answer.json().await.unwrap();
            assert_eq!(body["error"], "temporarily_unavailable");
            assert!(body["error_description"].is_string() && body.as_object().unwrap().len() == 2, "{body}");
        }
    }
);

both_kinds!(
    successes_cost_an_address_a_tenth_and_an_account_nothing,
    |app| app.config(&limited("address_failures = 2\naccount_failures = 1")),
    |app| async move {
        let (email, _) = app.new_person().await;
        // Registered and logged in from 127.0.0.1. From here: twenty tenths, of which a try needs ten.
        for number in 0..11 {
            assert_eq!(app.status_from(HOME, &email, PASSWORD).await, 200, "{number}");
        }
        assert_eq!(app.status_from(HOME, &email, PASSWORD).await, 429);
        // Elsewhere, as a stranger: the account's bucket is full.
        assert_eq!(app.status_from(&stranger(1), &email, PASSWORD).await, 200);
    }
);

both_kinds!(
    a_network_has_a_limit_of_its_own,
    |app| app.config(&limited("address_failures = 2\nnetwork_failures = 5")),
    |app| async move {
        let mut refused = 0;
        for last in 1..=10 {
            let email = app.new_email();
            refused += u32::from(app.status_from(&format!("203.0.113.{last}"), &email, WRONG).await == 429);
        }
        assert_eq!(refused, 5);
        assert_eq!(app.status_from("203.0.112.1", &app.new_email(), WRONG).await, 401);
    }
);

#[tokio::test]
async fn limits_hold_by_default_and_on_loopback_too() {
    let app = TestApp::unconfigured_with_cheap_hashes().start().await;
    let email = app.new_email();
    for _ in 0..10 {
        assert_eq!(app.try_login(&email, WRONG).await.status(), 401);
    }
    let wait = too_many(app.try_login(&email, WRONG).await).await;
    assert!(wait <= 16 * 60, "{wait}");
}

fn device_cookie(answer: &Response) -> Option<String> {
    let line = answer.headers().get("set-cookie")?.to_str().unwrap();
    let (pair, attributes) = line.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/auth; Max-Age=7776000; Secure; HttpOnly; SameSite=Strict");
    Some(pair.strip_prefix("__Secure-gateward_device=").unwrap().to_owned())
}

/// Everything of an answer that a client sees, but for what names the single request and counts the seconds.
async fn visible(answer: Response) -> (u16, BTreeMap<String, String>, String) {
    let status = answer.status().as_u16();
    let mut headers = BTreeMap::new();
    for (name, value) in answer.headers() {
        headers.insert(name.to_string(), value.to_str().unwrap().to_owned());
    }
    let id = headers.remove("x-request-id").unwrap();
    headers.remove("date");
    if let Some(wait) = headers.get_mut("retry-after") {
        assert!((3000..=3600).contains(&wait.parse::<u64>().unwrap()), "{wait}");
        *wait = "seconds".to_owned();
    }
    (status, headers, answer.text().await.unwrap().replace(&id, "the request"))
}
