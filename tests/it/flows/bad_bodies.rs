//! Bodies that are not what the contract asks for: a clear refusal, early, and the gateway goes on.

use std::time::Duration;

use serde_json::json;

use crate::support::app::{PASSWORD, TestApp, both_kinds};
use crate::support::problems::{problem, raw_problem};
use crate::support::raw::{RawClient, exchange};

const JSON: &str = "application/json";
/// `server.auth_body_limit`.
const LIMIT: usize = 16 * 1024;

async fn post(
    app: &TestApp,
    path: &str,
    token: &str,
    media: &str,
    body: impl Into<reqwest::Body>,
) -> reqwest::Response {
    let request = app.client.post(app.url(path)).bearer_auth(token).header("content-type", media);
    request.body(body).send().await.unwrap()
}

/// A head for a body of the test's making.
fn head(path: &str, token: &str, more: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{more}\r\n"
    )
}

async fn assert_goes_on(app: &TestApp, token: &str) {
    assert_eq!(app.get("/auth/me", token).await.status(), 200);
}

both_kinds!(what_is_no_json_is_a_400, |app| async move {
    let (_, token) = app.new_person().await;
    let deep_object = "{\"email\":".repeat(1_500);
    for path in ["/auth/register", "/auth/login", "/auth/logout"] {
        for body in [
            &b"{"[..],
            b"nope",
            b"{\"email\":\"a@example.com\",}",
            b"{'email':'a@example.com'}",
            b"\xff\xfe{\x00}\x00",
            b"\xef\xbb\xbf{}",
            b"{} {}",
            b"{\"email\":\"\x00\"}",
            &b"[".repeat(10_000),
        ] {
            let answer = post(&app, path, &token, JSON, body.to_vec()).await;
            let status = answer.status().as_u16();
            // JSON to begin with, of another shape at once: either word is true.
            let code = if status == 422 && body[0] != b'n' { "invalid_fields" } else { "malformed_json" };
            problem(answer, if code == "invalid_fields" { 422 } else { 400 }, code).await;
        }
        let answer = post(&app, path, &token, JSON, deep_object.clone()).await;
        let status = answer.status().as_u16();
        problem(answer, status, if status == 400 { "malformed_json" } else { "invalid_fields" }).await;
        assert!(status == 400 || status == 422, "{status}");
    }
    for path in ["/auth/register", "/auth/login"] {
        problem(post(&app, path, &token, JSON, "").await, 400, "malformed_json").await;
        problem(post(&app, path, &token, JSON, "{\"email\":").await, 400, "malformed_json").await;
    }
    assert_goes_on(&app, &token).await;
});

both_kinds!(json_of_another_shape_is_a_422_that_names_the_field_and_no_value, |app| async move {
    let (_, token) = app.new_person().await;
    let secret = "hunter2-is-secret";
    for path in ["/auth/register", "/auth/login"] {
        for (body, words) in [
            (json!({"email": "a@example.com"}).to_string(), "password"),
            (json!({"password": secret}).to_string(), "email"),
            (json!({"email": 7, "password": secret}).to_string(), "email"),
            (json!({"email": null, "password": secret}).to_string(), "email"),
            (json!({"email": ["a@example.com"], "password": secret}).to_string(), "email"),
            (json!({"email": "a@example.com", "password": [secret]}).to_string(), "password"),
            (json!({"email": "a@example.com", "password": {"is": secret}}).to_string(), "password"),
            (json!({"email": "a@example.com", "password": true}).to_string(), "password"),
            (json!({"email": "a@example.com", "password": secret, "admin": true}).to_string(), "admin"),
            (json!({"email": "a@example.com", "password": secret, "Email": "x"}).to_string(), "Email"),
            (format!(r#"{{"email":"a@b.example","email":"c@d.example","password":"{secret}"}}"#), "email"),
            (format!(r#"{{"email":"a@b.example","password":"{secret}","password":"{secret}"}}"#), "password"),
            ("[]".to_owned(), "object"),
            (json!(["a@example.com", secret]).to_string(), "object"),
            (json!(["a@example.com", secret, null]).to_string(), "object"),
            ("null".to_owned(), "object"),
            (json!(secret).to_string(), "object"),
            (
                format!("{{{}}}", (0..1_000).map(|n| format!("\"k{n}\":0")).collect::<Vec<_>>().join(",")),
                "k0",
            ),
        ] {
            let answer = post(&app, path, &token, JSON, body.clone()).await;
            let found = problem(answer, 422, "invalid_fields").await;
            let detail = found["detail"].as_str().unwrap();
            assert!(detail.contains(words), "{path} {body}: {detail}");
            assert!(!detail.contains(secret), "{path} {body}: {detail}");
        }
    }
    assert_goes_on(&app, &token).await;
    assert!(!app.log_lines().join("\n").contains(secret), "a password is in the log");
});

both_kinds!(another_media_type_or_a_content_coding_is_a_415, |app| async move {
    let (_, token) = app.new_person().await;
    let good = json!({"email": app.new_email(), "password": PASSWORD}).to_string();
    let form = "application/x-www-form-urlencoded";
    for path in ["/auth/register", "/auth/login", "/auth/logout"] {
        for media in [
            "text/plain",
            "application/json; charset=latin1",
            "application/xml",
            "multipart/form-data",
            "*/*",
            "json",
        ] {
            problem(post(&app, path, &token, media, good.clone()).await, 415, "unsupported_media_type").await;
        }
        for coding in ["gzip", "br", "deflate", "identity, gzip", "nonsense"] {
            let request = app.client.post(app.url(path)).bearer_auth(&token);
            let request = request.header("content-type", JSON).header("content-encoding", coding);
            // Ten bytes of a gzip header, should anybody try to read it.
            let answer = request.body(b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec()).send().await.unwrap();
            problem(answer, 415, "unsupported_media_type").await;
        }
        let untyped = app.client.post(app.url(path)).bearer_auth(&token).body(good.clone());
        problem(untyped.send().await.unwrap(), 415, "unsupported_media_type").await;
        let twice =
            head(path, &token, &format!("Content-Type: text/plain\r\nContent-Length: {}\r\n", good.len()));
        raw_problem(
            &exchange(app.address, format!("{twice}{good}")).await.unwrap(),
            415,
            "unsupported_media_type",
        );
    }
    problem(post(&app, "/auth/register", &token, form, "email=a").await, 415, "unsupported_media_type").await;
    assert_goes_on(&app, &token).await;
    let taken = post(&app, "/auth/register", &token, "Application/JSON; charset=UTF-8", good).await;
    assert_eq!(taken.status(), 201);
});

both_kinds!(a_body_over_the_limit_is_a_413_before_it_is_read_on, |app| async move {
    let (_, token) = app.new_person().await;
    for path in ["/auth/register", "/auth/login", "/auth/logout"] {
        // Of 17 KiB, with its length and in chunks.
        let large = "x".repeat(17 * 1024);
        problem(post(&app, path, &token, JSON, large.clone()).await, 413, "body_too_large").await;
        let chunked = format!(
            "{}{:x}\r\n{large}\r\n0\r\n\r\n",
            head(path, &token, "Transfer-Encoding: chunked\r\n"),
            large.len()
        );
        raw_problem(&exchange(app.address, chunked).await.unwrap(), 413, "body_too_large");

        // Ten gigabytes are announced and none sent: the answer does not wait for them.
        let announced = head(path, &token, "Content-Length: 10737418240\r\n");
        raw_problem(&exchange(app.address, announced).await.unwrap(), 413, "body_too_large");

        // Chunks without end: the answer comes while they are still being sent, and then the connection goes.
        let mut client = RawClient::connect(app.address).await;
        client.send(head(path, &token, "Transfer-Encoding: chunked\r\n")).await;
        let chunk = format!("400\r\n{}\r\n", "x".repeat(1024));
        client.send(chunk.repeat(LIMIT / 1024 + 1)).await;
        raw_problem(&client.read_response().await.unwrap(), 413, "body_too_large");
        client.flood(chunk.as_bytes(), 256 * 1024 * 1024).await;
        assert!(client.closes_within(Duration::from_secs(10)).await, "{path}: the connection stays open");
        assert_goes_on(&app, &token).await;
    }
    // A million keys.
    let keys: String = (0..1_000_000).map(|n| format!("\"{n}\":0,")).collect();
    let body = format!("{{{keys}\"x\":0}}");
    let announced = head("/auth/login", &token, &format!("Content-Length: {}\r\n", body.len()));
    raw_problem(&exchange(app.address, announced + &body).await.unwrap(), 413, "body_too_large");
    assert_goes_on(&app, &token).await;
});

both_kinds!(a_body_up_to_the_limit_is_read, |app| async move {
    let (email, token) = app.new_person().await;
    let body = json!({"email": email, "password": PASSWORD}).to_string();
    let padded = format!("{body}{}", " ".repeat(LIMIT - body.len()));
    assert_eq!(post(&app, "/auth/login", &token, JSON, padded.clone()).await.status(), 200);
    let chunked = format!(
        "{}{LIMIT:x}\r\n{padded}\r\n0\r\n\r\n",
        head("/auth/login", &token, "Transfer-Encoding: chunked\r\n")
    );
    assert_eq!(exchange(app.address, chunked).await.unwrap().status, 200);
    problem(post(&app, "/auth/login", &token, JSON, format!("{padded} ")).await, 413, "body_too_large").await;
});
