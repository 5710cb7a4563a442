//! Answers of the gateway's own, written on the connection.
//!
//! Pingora's `respond_error` ends keep-alive and names the library; ordinary refusals are written here
//! instead, in the API's shape.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use pingora::Result;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;

use super::request::Refusal;
use crate::api::Problem;
use crate::domain::id::RequestId;

/// What the canonical request refuses, in the API's shape.
pub fn refusal_problem(refusal: &Refusal) -> Problem {
    if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
        return Problem::method_not_allowed(Some("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    Problem::new(refusal.status, refusal.code, refusal.detail)
}

/// Writes a problem on a connection that pingora holds. The connection may be kept.
///
/// # Errors
/// The client is gone.
pub async fn problem(session: &mut Session, problem: &Problem, id: RequestId) -> Result<()> {
    let mut headers = problem.headers();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer(session, problem.status, &headers, Bytes::from(problem.body(id)), id).await
}

/// Writes an answer. To HEAD goes the head alone, with the length that GET would have.
///
/// # Errors
/// The client is gone.
pub async fn answer(
    session: &mut Session,
    status: StatusCode,
    headers: &HeaderMap,
    body: Bytes,
    id: RequestId,
) -> Result<()> {
    let mut head = ResponseHeader::build(status, Some(headers.len() + 3))?;
    for (name, value) in headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
        head.append_header(name, value)?;
    }
    head.insert_header("x-request-id", id.to_string())?;
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    if !bodiless {
        // RFC 9110 8.6: not on a 204.
        head.insert_header(CONTENT_LENGTH, body.len())?;
    }
    let no_body = bodiless || session.req_header().method == Method::HEAD;
    session.write_response_header(Box::new(head), no_body).await?;
    if !no_body {
        session.write_response_body(Some(body), true).await?;
    }
    Ok(())
}

/// The whole answer as bytes, for a connection that pingora has not seen: its head was refused. It closes.
pub fn raw(problem: &Problem, id: RequestId) -> Vec<u8> {
    let body = problem.body(id);
    let mut answer = format!(
        "HTTP/1.1 {} {}\r\n",
        problem.status.as_str(),
        problem.status.canonical_reason().unwrap_or_default()
    )
    .into_bytes();
    let mut headers = problem.headers();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.remove(DATE);
    for (name, value) in &headers {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(&body);
    answer
}
