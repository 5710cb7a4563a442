//! Every error answer of the gateway's own, and the one place that decides its status.
//!
//! Shape: `application/problem+json` (RFC 9457) with a stable `code` and the `request_id`. Bearer
//! failures carry `WWW-Authenticate` as RFC 6750 wants it: the client learns that a token is bad, never
//! which check it failed. A fault of ours is a 503 with `Retry-After`, never a 401.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::hardening::harden;
use crate::actors::AuthError;
use crate::domain::id::RequestId;

const REALM: &str = r#"Bearer realm="gateward""#;

/// What went wrong, as a client may know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable word a program may decide on.
    pub code: &'static str,
    /// A sentence for a person.
    pub detail: Box<str>,
    /// `WWW-Authenticate`, for 401 and 403 of bearer tokens.
    challenge: Option<&'static str>,
    /// `Allow`, for 405.
    allow: Option<&'static str>,
    /// `Retry-After` in seconds, for 429 and 503.
    retry_after: u32,
}

/// The body of a problem.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody<'a> {
    /// HTTP status, again.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// The status in words.
    title: &'a str,
    /// Stable word a program may decide on; which ones there are stands with each status.
    code: &'a str,
    /// A sentence for a person.
    detail: &'a str,
    /// Names the request in the gateway's log.
    request_id: String,
}

impl Problem {
    /// A problem without special headers.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Box<str>>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            challenge: None,
            allow: None,
            retry_after: whole_seconds(AuthError::RETRY_AFTER),
        }
    }

    /// No credentials (RFC 6750 3.1: no error code then).
    pub fn no_credentials() -> Self {
        Self {
            challenge: Some(REALM),
            ..Self::new(StatusCode::UNAUTHORIZED, "no_credentials", "this needs an access token")
        }
    }

    /// A token that is not valid now; which check failed stays ours to know.
    pub fn invalid_token() -> Self {
        Self {
            challenge: Some(r#"Bearer realm="gateward", error="invalid_token""#),
            ..Self::new(
                StatusCode::UNAUTHORIZED,
                "invalid_token",
                "the access token is not valid, has expired or was revoked",
            )
        }
    }

    /// More than one credential in a request, or one that is no bearer token.
    pub fn invalid_request(detail: &'static str) -> Self {
        Self {
            challenge: Some(r#"Bearer realm="gateward", error="invalid_request""#),
            ..Self::new(StatusCode::BAD_REQUEST, "invalid_request", detail)
        }
    }

    /// Too many tokens of this address were forged, and this one, which may be good, is not known yet.
    pub fn too_many_forged() -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_forged_tokens",
            "too many forged access tokens came from this address: this one was not looked at; try again",
        )
    }

    /// Nothing is here.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "there is nothing at this path")
    }

    /// Not with this method.
    pub fn method_not_allowed(allow: Option<&'static str>) -> Self {
        Self {
            allow,
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "this path does not take this method",
            )
        }
    }

    /// The body is larger than this path takes.
    pub fn too_large(limit: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "body_too_large",
            format!("the body may have {limit} bytes here"),
        )
    }

    /// Our own trouble: try again.
    pub fn unavailable() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "the gateway cannot do this right now; try again",
        )
    }

    /// It is not known which sessions have ended lately: our trouble, too.
    pub fn revocations_stale() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "revocations_stale",
            "the gateway cannot tell right now whether this session has ended; try again",
        )
    }

    /// Headers besides `Content-Type` and length.
    pub fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        harden(&mut headers);
        if let Some(challenge) = self.challenge {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(allow) = self.allow {
            headers.insert(ALLOW, HeaderValue::from_static(allow));
        }
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(RETRY_AFTER, HeaderValue::from(self.retry_after));
        }
        headers
    }

    /// The JSON body.
    pub fn body(&self, request_id: RequestId) -> Vec<u8> {
        let body = ProblemBody {
            status: self.status.as_u16(),
            title: self.status.canonical_reason().unwrap_or("Error"),
            code: self.code,
            detail: &self.detail,
            request_id: request_id.to_string(),
        };
        // Strings and a number always serialise; an empty body would still carry the status.
        serde_json::to_vec(&body).unwrap_or_default()
    }

    /// The whole answer.
    pub fn response(&self, request_id: RequestId) -> Response {
        let mut response = (self.status, self.body(request_id)).into_response();
        response.headers_mut().extend(self.headers());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        // The log line names it.
        response.extensions_mut().insert(Reason(self.code));
        response
    }
}

/// Rounded up: whoever waits for so long has waited long enough.
fn whole_seconds(span: Duration) -> u32 {
    let seconds = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

/// The reason code of an answer, for the log line of its request.
#[derive(Debug, Clone, Copy)]
pub struct Reason(pub &'static str);

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        match &error {
            AuthError::EmailTaken => Self::new(
                StatusCode::CONFLICT,
                "email_exists",
                "there is an account with this e-mail address",
            ),
            AuthError::WeakPassword(why) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "weak_password", why.to_string())
            }
            AuthError::InvalidCredentials => Self {
                challenge: Some(REALM),
                ..Self::new(
                    StatusCode::UNAUTHORIZED,
                    "invalid_credentials",
                    "the e-mail address or the password is wrong",
                )
            },
            AuthError::InvalidRefreshToken => Self {
                challenge: Some(REALM),
                ..Self::new(
                    StatusCode::UNAUTHORIZED,
                    "invalid_refresh_token",
                    "the refresh token is not valid, was used before, has expired or its session has ended",
                )
            },
            // Not a 401: the token is good, and a client must not throw it away.
            AuthError::WrongPassword => {
                Self::new(StatusCode::FORBIDDEN, "invalid_credentials", "the password is wrong")
            }
            AuthError::AccountGone | AuthError::SessionEnded => Self::invalid_token(),
            AuthError::TooManyAttempts(wait) => Self {
                retry_after: whole_seconds(*wait),
                ..Self::new(
                    StatusCode::TOO_MANY_REQUESTS,
                    "too_many_attempts",
                    "there were too many attempts; try again later",
                )
            },
            AuthError::Busy => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "too many of these are under way; try again",
            ),
            AuthError::Unavailable(reason) => {
                // The line of the request says `unavailable`; a store that fails is told once, by its observer.
                tracing::debug!(%reason, "call not done");
                Self::unavailable()
            }
            AuthError::Internal(reason) => {
                tracing::error!(%reason, "call failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the gateway failed at this")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_trouble_is_never_a_401_and_says_when_to_come_back() {
        for error in [AuthError::Busy, AuthError::Unavailable("postgres".into())] {
            let problem = Problem::from(error);
            assert_eq!(problem.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(problem.headers().contains_key(RETRY_AFTER));
        }
    }

    #[test]
    fn too_many_attempts_say_in_whole_seconds_when_they_may_go_on() {
        for (millis, seconds) in [(0, "1"), (1, "1"), (1000, "1"), (1001, "2"), (959_999, "960")] {
            let problem = Problem::from(AuthError::TooManyAttempts(Duration::from_millis(millis)));
            assert_eq!((problem.status.as_u16(), problem.code), (429, "too_many_attempts"));
            assert_eq!(problem.headers()[RETRY_AFTER], seconds, "{millis} ms");
        }
    }

    #[test]
    fn without_credentials_there_is_a_challenge_without_an_error() {
        let headers = Problem::no_credentials().headers();
        assert_eq!(headers[WWW_AUTHENTICATE], REALM);
        let headers = Problem::invalid_token().headers();
        assert!(headers[WWW_AUTHENTICATE].to_str().unwrap().contains(r#"error="invalid_token""#));
    }

    #[test]
    fn an_internal_reason_stays_inside() {
        let problem = Problem::from(AuthError::Internal("row 7 of accounts".into()));
        let body = String::from_utf8(problem.body(RequestId::from_uuid(uuid::Uuid::nil()))).unwrap();
        assert!(!body.contains("row 7"));
    }
}
