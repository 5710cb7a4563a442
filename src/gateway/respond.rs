//! Answers of the gateway's own, written on the connection.
//!
//! Pingora's `respond_error` ends keep-alive and names the library; ordinary refusals are written here
//! instead, in the API's shape.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, EXPECT, STRICT_TRANSPORT_SECURITY};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::date::get_cached_date;
use pingora::proxy::Session;
use pingora::{Error, Result};

use super::arrival::{Arrival, Client};
use super::request::{Body, Refusal};
use super::violation::Violation;
use crate::api::Problem;
use crate::domain::id::RequestId;

/// A body of at most so many bytes, announced, is read away behind an answer that did not need it, so that the
/// connection can be kept. For a longer one it is not worth it: the answer says that the connection closes.
const WORTH_KEEPING: u64 = 64 * 1024;
/// For how long, and how many bytes of, an unread body are taken before a connection is closed. With unread bytes,
/// closing is a reset, which could take the answer with it; a usual upload gets its answer, an endless one is cut.
const LINGER: (Duration, usize) = (Duration::from_secs(2), 16 * 1024 * 1024);

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
    settle_unread_body(session, arrival);
    let mut head = ResponseHeader::build(status, Some(headers.len() + 3))?;
    for (name, value) in headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH) {
        head.append_header(name, value)?;
    }
    head.insert_header("x-request-id", arrival.id_value())?;
    if let Some(hsts) = arrival.client.hsts() {
        head.insert_header(STRICT_TRANSPORT_SECURITY, hsts)?;
    }
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
    // Over HTTP/2 a stream is reset without an error when its answer is out (RFC 9113 section 8.1), and takes none with it.
    if arrival.request.version() != Version::HTTP_2 {
        linger(session).await;
    }
    Ok(())
}

/// Whether the connection can be kept is to be said with the answer.
fn settle_unread_body(session: &mut Session, arrival: &Arrival) {
    let long = matches!(arrival.request.body(), Body::Length(length) if length > WORTH_KEEPING);
    if long && !session.as_downstream_mut().is_body_done() {
        session.set_keepalive(None);
    }
}

/// An answer that ends the connection is out: says that nothing more comes, and takes what the client still sends.
async fn linger(session: &mut Session) {
    let closes = session.as_downstream().as_http1().is_some_and(|http1| !http1.will_keepalive());
    if !closes || session.as_downstream_mut().is_body_done() {
        return;
    }
    let drain = async {
        session.as_downstream_mut().shutdown().await;
        let mut heard = 0_usize;
        while heard < LINGER.1
            && let Ok(Some(piece)) = session.read_request_body().await
        {
            heard = heard.saturating_add(piece.len());
        }
    };
    // Whether the client finished or not, this connection is over.
    let _over = tokio::time::timeout(LINGER.0, drain).await;
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

/// Answers `Expect: 100-continue` for a service of HTTP/2: the proxy library hears no interim answers of it, and both
/// sides would wait. The connection to the service is there.
///
/// # Errors
/// The client is gone.
pub async fn answer_expectation(
    session: &mut Session,
    request: &mut RequestHeader,
    arrival: &Arrival,
) -> Result<()> {
    if !arrival.request.expects_continue() {
        return Ok(());
    }
    request.remove_header(&EXPECT);
    session.as_downstream_mut().write_continue_response().await.map_err(Error::into_down)
}

/// Whether an answer has its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// It has.
    Whole,
    /// The request was a HEAD.
    HeadOnly,
}

impl Content {
    /// Of the answer to a request that begins so, be it one or not.
    pub fn of_answer_to(start: &[u8]) -> Self {
        if start.starts_with(b"HEAD ") { Self::HeadOnly } else { Self::Whole }
    }
}

/// The whole answer as bytes, for a connection that pingora has not seen: its head was refused. It closes.
pub fn raw(problem: &Problem, id: RequestId, content: Content, client: &Client) -> Vec<u8> {
    let body = problem.body(id);
    let mut headers = problem.headers();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        headers.insert("x-request-id", id);
    }
    if let Some(hsts) = client.hsts() {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    let mut answer = raw_head(problem.status, &headers);
    if content == Content::Whole {
        answer.extend_from_slice(&body);
    }
    answer
}

/// Status line, headers and `Date` as bytes, with the empty line.
pub fn raw_head(status: StatusCode, headers: &HeaderMap) -> Vec<u8> {
    let reason = status.canonical_reason().unwrap_or_default();
    let mut answer = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
    for (name, value) in headers.iter().chain([(&DATE, &get_cached_date())]) {
        answer.extend_from_slice(name.as_str().as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend_from_slice(value.as_bytes());
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer
}
