//! The shape of the gateway's own refusals (RFC 9457).

use reqwest::Response;
use serde_json::Value;

use super::raw::RawResponse;

/// Takes an answer for a problem of this status and code; its body.
///
/// # Panics
/// When it is anything else, or not in the documented shape.
pub async fn problem(answer: Response, status: u16, code: &str) -> Value {
    let url = answer.url().clone();
    let header = |name: &str| {
        let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (found, media, id, cache) =
        (answer.status().as_u16(), header("content-type"), header("x-request-id"), header("cache-control"));
    let text = answer.text().await.expect("the answer is complete");
    let seen = format!("{url}: {found} {media} {text}");
    assert_eq!(found, status, "{seen}");
    assert_eq!(media, "application/problem+json", "{seen}");
    assert_eq!(cache, "no-store", "{seen}");
    let body = problem_body(&text, status, code);
    assert_eq!(body["request_id"], id, "{seen}");
    body
}

/// The same for the bytes of an answer.
///
/// # Panics
/// When it is anything else, or not in the documented shape.
pub fn raw_problem(answer: &RawResponse, status: u16, code: &str) -> Value {
    let seen = format!("{}{}", answer.head, answer.text());
    assert_eq!(answer.status, status, "{seen}");
    assert_eq!(answer.header("content-type"), ["application/problem+json"], "{seen}");
    problem_body(&answer.text(), status, code)
}

fn problem_body(text: &str, status: u16, code: &str) -> Value {
    let body: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    let members = body.as_object().expect("a problem is an object");
    let mut names: Vec<&str> = members.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["code", "detail", "request_id", "status", "title"], "{text}");
    assert_eq!(body["status"], status, "{text}");
    assert_eq!(body["code"], code, "{text}");
    assert!(!body["detail"].as_str().unwrap_or_default().is_empty(), "{text}");
    let id: uuid::Uuid = body["request_id"].as_str().unwrap_or_default().parse().expect("a request id");
    assert!(!id.is_nil(), "{text}");
    body
}
