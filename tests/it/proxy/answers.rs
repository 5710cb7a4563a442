//! The gateway's own answers, of every kind: what the RFCs want is there, and nothing that should not be.

use std::collections::BTreeSet;

use super::front::{Front, PROMPT, head};
use crate::support::app::TestApp;
use crate::support::ports::free_address;
use crate::support::raw::RawResponse;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    /// The edge, on bytes that are no request: it closes.
    Edge,
    /// The proxy or the API.
    Gateway,
}

/// A gateway with a service that is down at `/down`, and a request for each kind of answer of our own.
async fn front() -> (Front, Vec<(String, u16, By)>) {
    let front =
        Front::of(TestApp::embedded().without_routes().route("/private", "authenticated").config(&format!(
            "server.head_timeout = '1s'\nserver.body_timeout = '1s'\n\
         [[upstream]]\nname = 'down'\nservers = ['{}']\n\
         [[route]]\npath = '/down'\nupstream = 'down'\naccess = 'public'\n\
         [[route]]\npath = '/public'\nupstream = 'recorder'\naccess = 'public'",
            free_address()
        )))
        .await;
    let json = "Content-Type: application/json";
    let with = |line: &str, lines: &[&str], body: &str| {
        head(line, &[lines, &[&format!("Content-Length: {}", body.len())]].concat()) + body
    };
    let login = |password: &str| format!(r#"{{"email":"{}","password":"{password}"}}"#, front.email);
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(9000));
    let requests = vec![
        // The edge.
        ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400, By::Edge),
        ("GET / HTTP/1.1\nHost: a\n\n".to_owned(), 400, By::Edge),
        ("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 405, By::Edge),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(), 405, By::Edge),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n".to_owned(), 505, By::Edge),
        (head("GET /public", &["Expect: tea"]), 417, By::Edge),
        (head("GET /public", &[&format!("X: {}", "x".repeat(40_000))]), 431, By::Edge),
        (long, 414, By::Edge),
        ("GET / HTTP/1.1\r\nHost: a\r\n".to_owned(), 408, By::Edge),
        (head("POST /public", &["Transfer-Encoding: chunked"]) + "x\r\n", 400, By::Edge),
        // The proxy.
        (head("GET /public//x", &[]), 400, By::Edge),
        (head("GET /private", &[]), 401, By::Gateway),
        (head("GET /private", &["Authorization: Bearer x"]), 401, By::Gateway),
        (head("GET /private", &["Authorization: Bearer x", "Authorization: Bearer y"]), 400, By::Gateway),
        (head("GET /nowhere", &[]), 404, By::Gateway),
        // Both directions of the connection to the service are over, the client's is not to be trusted.
        (head("GET /down", &[]), 502, By::Edge),
        // The API.
        (front.head("GET /auth/me", &[]), 200, By::Gateway),
        (front.head("GET /auth/sessions", &[]), 200, By::Gateway),
        (head("GET /.well-known/jwks.json", &[]), 200, By::Gateway),
        (head("GET /.well-known/openid-configuration", &[]), 200, By::Gateway),
        (head("GET /.well-known/oauth-authorization-server", &[]), 200, By::Gateway),
        (head("GET /auth/openapi.json", &[]), 200, By::Gateway),
        (head("GET /auth/docs/", &[]), 200, By::Gateway),
        (with("POST /auth/login", &[json], &login(crate::support::app::PASSWORD)), 200, By::Gateway),
        (with("POST /auth/login", &[json], &login("wrong-but-long")), 401, By::Gateway),
        (with("POST /auth/login", &[json], "{"), 400, By::Gateway),
        (with("POST /auth/login", &[json], r#"{"a":1}"#), 422, By::Gateway),
        (with("POST /auth/login", &["Content-Type: text/plain"], "hello"), 415, By::Gateway),
        (with("POST /auth/login", &[json], &"x".repeat(20_000)), 413, By::Gateway),
        (
            with("POST /auth/revoke", &["Content-Type: application/x-www-form-urlencoded"], "token=x"),
            200,
            By::Gateway,
        ),
        (
            with("POST /auth/introspect", &["Content-Type: application/x-www-form-urlencoded"], "token=x"),
            401,
            By::Gateway,
        ),
        (
            with("POST /auth/token", &["Content-Type: application/x-www-form-urlencoded"], "grant_type=x"),
            400,
            By::Gateway,
        ),
        (with("POST /auth/register", &[json], &login("short").replace("person", "other")), 422, By::Gateway),
        (with("POST /auth/register", &[json], &login("a long enough one")), 409, By::Gateway),
        (head("GET /auth/nothing", &[]), 404, By::Gateway),
        (head("GET /auth/me", &[]), 401, By::Gateway),
        (head("POST /auth/me", &["Content-Length: 0"]), 405, By::Gateway),
        (head("DELETE /auth/docs/", &[]), 405, By::Gateway),
        (head("PUT /.well-known/jwks.json", &["Content-Length: 0"]), 405, By::Gateway),
        (with("POST /auth/me", &[], "hello"), 405, By::Gateway),
        (with("POST /private", &[], "hello"), 401, By::Gateway),
        (with("POST /nowhere", &[], "hello"), 404, By::Gateway),
        (with("POST /auth/nothing", &[], "hello"), 404, By::Gateway),
    ];
    (front, requests)
}

/// What every answer of ours has, whoever gives it.
fn assert_well_made(answer: &RawResponse, case: &str) {
    let one = |name: &str| {
        let values = answer.header(name);
        assert_eq!(values.len(), 1, "{case}: {name} in {}", answer.head);
        values.concat()
    };
    let date = one("date");
    assert!(httpdate_like(&date), "{case}: {date}");
    one("x-request-id");
    assert_eq!(one("x-content-type-options"), "nosniff", "{case}");
    assert_eq!(one("x-frame-options"), "DENY", "{case}");
    assert_eq!(one("referrer-policy"), "no-referrer", "{case}");
    let policy = one("content-security-policy");
    assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{case}");
    let is_page = answer.header("content-type").concat().starts_with("text/html");
    assert_eq!(policy.contains("script-src"), is_page, "{case}: {policy}");
    assert_eq!(!answer.header("cross-origin-opener-policy").is_empty(), is_page, "{case}");
    if answer.header("access-control-allow-origin").is_empty() {
        assert_eq!(one("cross-origin-resource-policy"), "same-origin", "{case}");
    }
    for banner in ["server", "x-powered-by", "via"] {
        assert!(answer.header(banner).is_empty(), "{case}: {}", answer.head);
    }
    let lower = answer.head.to_ascii_lowercase();
    for name in ["pingora", "axum", "hyper", "rust", env!("CARGO_PKG_VERSION")] {
        assert!(!lower.contains(name), "{case}: {name} in {lower}");
    }
    match answer.status {
        401 => assert!(!one("www-authenticate").is_empty(), "{case}"),
        405 => {
            let methods: BTreeSet<_> =
                answer.header("allow").join(",").split(',').map(|m| m.trim().to_owned()).collect();
            assert!(
                !methods.is_empty() && methods.iter().all(|method| method.len() > 2),
                "{case}: {methods:?}"
            );
        }
        429 | 503 => assert!(one("retry-after").parse::<u32>().is_ok(), "{case}"),
        _ => {}
    }
    if answer.status >= 400 {
        assert_eq!(one("cache-control"), "no-store", "{case}");
    }
    assert!(answer.header("transfer-encoding").is_empty(), "{case}");
    let length = one("content-length");
    assert!(length.parse::<usize>().is_ok(), "{case}: {length}");
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7).
fn httpdate_like(date: &str) -> bool {
    let parts: Vec<&str> = date.split(' ').collect();
    date.len() == 29
        && parts.len() == 6
        && parts[0].ends_with(',')
        && parts[4].split(':').count() == 3
        && parts[5] == "GMT"
}

#[tokio::test]
async fn every_answer_of_ours_is_well_made_and_keeps_the_connection_or_says_that_it_closes() {
    let (front, requests) = front().await;
    for (request, status, by) in &requests {
        let case = request.chars().take(120).collect::<String>();
        let mut client = front.connect().await;
        client.send(request).await;
        let answer = client.read_response().await.unwrap_or_else(|none| panic!("{none:?}: {case}"));
        assert_eq!(answer.status, *status, "{case}: {}", answer.text());
        assert_well_made(&answer, &case);
        if *by == By::Edge {
            assert_eq!(answer.header("connection"), ["close"], "{case}");
            assert!(client.closes_within(PROMPT).await, "{case}");
        } else {
            assert_eq!(answer.header("connection"), ["keep-alive"], "{case}");
            client.send(head("GET /public/next", &[])).await;
            let next = client.read_response().await.unwrap_or_else(|none| panic!("{none:?} after {case}"));
            assert_eq!(next.json()["target"], "/public/next", "after {case}");
        }
    }
    front.assert_serves("after all of them").await;
}

/// The same request as HEAD: the same head, and not a byte behind it.
#[tokio::test]
async fn head_is_answered_like_get_without_a_byte_of_content() {
    let (front, requests) = front().await;
    let proxied = [
        (head("GET /public/x", &[]), 200, By::Gateway),
        (front.head("GET /private/x", &[]), 200, By::Gateway),
    ];
    for (request, ..) in requests.iter().chain(&proxied).filter(|(request, ..)| request.starts_with("GET ")) {
        let case = request.chars().take(120).collect::<String>();
        let with = front.send(request).await;
        let mut client = front.connect().await;
        let close = request.replacen("GET ", "HEAD ", 1).replacen("Host:", "Connection: close\r\nHost:", 1);
        client.send(close).await;
        let without = client.read_response_to_head().await.unwrap_or_else(|none| panic!("{none:?}: {case}"));
        let rest = client.read_rest(PROMPT).await;
        assert!(rest.is_empty(), "{case}: {}", rest.escape_ascii());
        assert_eq!(without.status, with.status, "{case}");
        for name in
            ["content-length", "content-type", "www-authenticate", "content-security-policy", "cache-control"]
        {
            // The recorder's description names the method, and so is one byte longer.
            if name != "content-length" || !request.contains("/x HTTP") {
                assert_eq!(without.header(name), with.header(name), "{case}: {name}");
            }
        }
        assert_eq!(without.header("content-length").len(), 1, "{case}");
        assert_eq!(without.header("date").len(), 1, "{case}");
    }
}

#[tokio::test]
async fn operators_answers_are_hardened_too() {
    let front = Front::start().await;
    for (path, status) in
        [("/livez", 200), ("/readyz", 200), ("/metrics", 200), ("/version", 200), ("/nothing", 404)]
    {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        let answer = crate::support::raw::exchange(front.app.admin_address, request).await.unwrap();
        assert_eq!(answer.status, status, "{path}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
        ] {
            assert_eq!(answer.header(name), [value], "{path}: {name}");
        }
        assert_eq!(
            answer.header("content-security-policy").concat(),
            "default-src 'none'; frame-ancestors 'none'",
            "{path}"
        );
        assert_eq!(answer.header("date").len(), 1, "{path}");
        assert!(answer.header("server").is_empty(), "{path}");
    }
}

/// A refused body that is announced as long is not read away: the answer says so, and arrives.
#[tokio::test]
async fn answer_to_a_long_refused_body_arrives_and_says_that_it_closes() {
    let front = Front::start().await;
    for (line, status) in [("POST /private/x", 401), ("POST /auth/login", 413)] {
        let mut client = front.connect().await;
        client.send(head(line, &["Content-Length: 200000", "Content-Type: application/json"])).await;
        // Whether it was taken or not.
        let _taken = client.send(vec![b'x'; 200_000]).await;
        let answer = client.read_response().await.unwrap_or_else(|none| panic!("{none:?} to {line}"));
        assert_eq!((answer.status, answer.header("connection")), (status, vec!["close"]), "{line}");
        assert!(client.closes_within(PROMPT).await, "{line}");
    }
    front.assert_nothing_forwarded("refused bodies");
}
