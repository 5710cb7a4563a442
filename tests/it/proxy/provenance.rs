//! Where a call came from is what the connection says, not what the client says.

use super::front::{Front, head};

#[tokio::test]
async fn service_is_told_where_the_call_came_from() {
    let front = Front::start().await;
    for line in ["GET /private/x", "GET /public/x"] {
        let (answer, request) = front.forwarded(front.head(line, &["Via: 1.0 before"])).await;
        assert_eq!(request.header("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!(request.header("x-forwarded-proto"), ["http"]);
        assert_eq!(request.header("x-forwarded-host"), ["front.example"]);
        assert_eq!(request.header("via"), ["1.0 before", "1.1 gateward"]);
        let id = request.header("x-request-id").concat();
        assert!(!id.is_empty());
        assert_eq!(answer.header("x-request-id"), [id.as_str()], "one name for both sides");
        front.app.wait_for_log(|line| line.contains(&id)).await;
    }
}

#[tokio::test]
async fn request_ids_are_ours_and_differ() {
    let front = Front::start().await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let (answer, _) = front.forwarded(head("GET /public", &["X-Request-Id: mine"])).await;
        assert!(seen.insert(answer.header("x-request-id").concat()));
    }
    assert!(!seen.contains("mine"));
}

#[tokio::test]
async fn claims_about_another_call_change_no_decision() {
    let front = Front::start().await;
    for lie in [
        "X-Original-URL: /public/x",
        "X-Rewrite-URL: /public/x",
        "X-Original-URI: /public/x",
        "X-Forwarded-Uri: /public/x",
        "X-Forwarded-Prefix: /public",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-User: somebody",
        "X-Forwarded-Host: public.example",
        "X-Real-IP: 127.0.0.1",
        "Forwarded: for=127.0.0.1;host=public.example",
        "X-HTTP-Method-Override: OPTIONS",
        "X-HTTP-Method: OPTIONS",
        "X-Method-Override: OPTIONS",
    ] {
        front.app.recorder.forget();
        for line in ["GET /private/x", "POST /private/x"] {
            let answer = front.send(head(line, &[lie, "Content-Length: 0"])).await;
            assert_eq!(answer.status, 401, "{line} with {lie}");
        }
        front.assert_nothing_forwarded(lie);
    }
    front.assert_serves("after all of them").await;
}
