//! What a failure of the proxy library means: whose fault it is, what the client is told, what the log says.

use pingora::{Error, ErrorSource, ErrorType};

use super::respond;
use super::violation::Violation;
use crate::api::Problem;
use crate::telemetry::Outcome;

/// A request for another protocol, of a service with which only HTTP/2 is spoken.
pub(super) const NO_UPGRADE: ErrorType = ErrorType::new("NoUpgradeOverHttp2");
/// A server that does not speak HTTP/2, of a service with which nothing else is.
pub(super) const NOT_HTTP2: ErrorType = ErrorType::new("ServerSpeaksNoHttp2");

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
        (ErrorSource::Upstream, kind) if *kind == NO_UPGRADE => gateway(
            http::StatusCode::NOT_IMPLEMENTED,
            "upgrade_not_supported",
            "the service takes no WebSocket and no other upgrade",
        ),
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

/// What is wrong with the security or the protocol of connections to a service: for the operator, who alone can mend
/// it. None for all other failures.
pub(super) fn misconnection(error: &Error) -> Option<String> {
    match error.etype() {
        ErrorType::TLSHandshakeFailure | ErrorType::InvalidCert => Some(
            error.context.as_ref().map_or_else(|| "TLS failed".to_owned(), |why| why.as_str().to_owned()),
        ),
        kind if *kind == NOT_HTTP2 => Some("the server speaks no HTTP/2".to_owned()),
        _ => {
            // A server that misses a certificate says so after the handshake (RFC 8446 section 4.4.2.4).
            let io = error.root_cause().downcast_ref::<std::io::Error>()?;
            io.get_ref()?.downcast_ref::<rustls::Error>().map(ToString::to_string)
        }
    }
}
