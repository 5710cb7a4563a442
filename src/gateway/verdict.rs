//! What a failure of the proxy library means: whose fault it is, what the client is told, what the log says.

use pingora::{Error, ErrorSource, ErrorType};

use super::guarded_stream::Violation;
use super::respond;
use crate::api::Problem;
use crate::telemetry::Outcome;

/// Whose fault a failure is, by what the client is told.
pub(super) fn blame(problem: Option<&Problem>) -> Outcome {
    match problem {
        Some(problem) if problem.status.is_client_error() => Outcome::Refused,
        Some(_) | None => Outcome::Failed,
    }
}

/// What a failure is called: for the client, unless it is gone, and for the log.
pub(super) fn verdict(error: &Error) -> (Option<Problem>, &'static str) {
    if let Some(violation) = Violation::behind(error) {
        return respond::violation_problem(violation);
    }
    let gateway = |status, code, detail: &str| (Some(Problem::new(status, code, detail)), code);
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => (Some(respond::late_body()), "body_timeout"),
        (ErrorSource::Downstream, ErrorType::InvalidHTTPHeader | ErrorType::Custom(_)) => {
            gateway(http::StatusCode::BAD_REQUEST, "bad_body", "the request body is not well formed")
        }
        (ErrorSource::Downstream, _) => (None, "client_gone"),
        // Without a connection it is down, however that shows; only one that has the request is slow.
        (ErrorSource::Upstream, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => gateway(
            http::StatusCode::GATEWAY_TIMEOUT,
            "upstream_timeout",
            "the service did not answer in time",
        ),
        (ErrorSource::Upstream, _) => gateway(
            http::StatusCode::BAD_GATEWAY,
            "upstream_failed",
            "the service cannot be reached or failed",
        ),
        (ErrorSource::Internal | ErrorSource::Unset, kind) => {
            tracing::error!(?kind, "request failed inside the gateway");
            (Some(Problem::unavailable()), "internal")
        }
    }
}
