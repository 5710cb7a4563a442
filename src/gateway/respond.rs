//! Answers of the gateway's own, written on the connection.
//!
//! Pingora's `respond_error` ends keep-alive and names the library; ordinary refusals are written here
//! instead, in the API's shape.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::{Error, Result};

use super::arrival::Arrival;
use super::guarded_stream::Violation;
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

/// What a client is told that broke the rules behind its head, unless it takes no answer; and the log.
pub fn violation_problem(violation: Violation) -> (Option<Problem>, &'static str) {
    match violation {
        Violation::BadChunk(bad) => {
            (Some(Problem::new(StatusCode::BAD_REQUEST, "bad_chunk", bad.to_string())), "bad_chunk")
        }
        Violation::SlowBody => (Some(late_body()), "body_timeout"),
        Violation::LargeBody(limit) => (Some(Problem::too_large(limit)), "body_too_large"),
        Violation::UnwantedBody => (None, "unwanted_body"),
        Violation::SlowReader => (None, "slow_reader"),
    }
}

/// The body is given up.
pub fn late_body() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the request body did not arrive in time")
}

/// Writes a problem on a connection that pingora holds. The connection may be kept.
///
/// # Errors
/// The client is gone.
pub async fn problem(session: &mut Session, problem: &Problem, arrival: &Arrival) -> Result<()> {
    let mut headers = problem.headers();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    answer(session, problem.status, &headers, Bytes::from(problem.body(arrival.id)), arrival).await
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
    arrival: &Arrival,
) -> Result<()> {
    settle_expectation(session, status, arrival);
    let mut head = ResponseHeader::build(status, Some(headers.len() + 3))?;
    for (name, value) in headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
        head.append_header(name, value)?;
    }
    head.insert_header("x-request-id", arrival.id_value())?;
    let bodiless = status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED;
    let to_head = session.req_header().method == Method::HEAD;
    if !bodiless {
        // RFC 9110 8.6: not on a 204. The router has dropped the body for HEAD, and said its length.
        let length = headers.get(CONTENT_LENGTH).filter(|_| to_head && body.is_empty());
        head.insert_header(CONTENT_LENGTH, length.cloned().unwrap_or_else(|| body.len().into()))?;
    }
    let no_body = bodiless || to_head;
    // Pingora does not say whose fault a failed write is; here it can only be the client's.
    session.write_response_header(Box::new(head), no_body).await.map_err(Error::into_down)?;
    if !no_body {
        session.write_response_body(Some(body), true).await.map_err(Error::into_down)?;
    }
    Ok(())
}

/// A client that waits for `100 Continue` and gets the final answer instead sends no body, or sends it
/// nevertheless: what comes next on the connection is not known, so there must be nothing next.
pub fn settle_expectation(session: &mut Session, status: StatusCode, arrival: &Arrival) {
    if arrival.request.expects_continue()
        && !status.is_informational()
        && !session.as_downstream_mut().is_body_done()
    {
        session.set_keepalive(None);
    }
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
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        headers.insert("x-request-id", id);
    }
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
