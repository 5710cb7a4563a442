//! Who calls a handler of ours: the bearer token of the request, checked like any route's.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;

use super::problem::Problem;
use super::state::{ApiState, RequestFacts};
use crate::actors::Principal;
use crate::domain::token::TokenRefusal;
use crate::live::{Moment, TokenCheck, Verified};
use crate::telemetry::metrics::Metrics;

/// The credentials of a request as the edge parsed them, once, from its raw head. `Token` is `&str` on the hot
/// path, `String` where they outlive the head.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Presented<Token = String> {
    /// No `Authorization` line.
    Nothing,
    /// One, with a well-formed bearer token.
    Bearer(Token),
    /// One, but of another scheme, or not well formed.
    Malformed,
    /// More than one.
    Several,
}

impl<Token> std::fmt::Debug for Presented<Token> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Nothing => "Nothing",
            Self::Bearer(_) => "Bearer(redacted)",
            Self::Malformed => "Malformed",
            Self::Several => "Several",
        })
    }
}

impl Presented<String> {
    /// The same, borrowed.
    pub fn borrowed(&self) -> Presented<&str> {
        match self {
            Self::Nothing => Presented::Nothing,
            Self::Bearer(token) => Presented::Bearer(token),
            Self::Malformed => Presented::Malformed,
            Self::Several => Presented::Several,
        }
    }
}

impl Presented<&str> {
    /// The same, owned.
    pub fn owned(self) -> Presented<String> {
        match self {
            Self::Nothing => Presented::Nothing,
            Self::Bearer(token) => Presented::Bearer(token.to_owned()),
            Self::Malformed => Presented::Malformed,
            Self::Several => Presented::Several,
        }
    }
}

/// Why a caller is turned away: what the client is told, and what it was.
#[derive(Debug)]
pub struct Denied {
    /// For the client.
    pub problem: Problem,
    /// For logs and metrics.
    pub reason: &'static str,
    /// Which check failed, when it was the token's.
    pub refusal: Option<TokenRefusal>,
    /// The token, when nothing speaks against it but that it is not known which sessions have ended lately. Only
    /// the durable store can say whether it is good.
    pub undecided: Option<Arc<Verified>>,
}

/// See [`Denied::undecided`].
const STALE: &str = "revocations_stale";

/// Judges the credentials of a request of this client, and counts the judgement: the one place, for our own endpoints
/// and for the routes to services.
///
/// # Errors
/// [`Denied`].
pub fn authenticate(
    check: &TokenCheck,
    metrics: &Metrics,
    client: IpAddr,
    presented: Presented<&str>,
) -> Result<Arc<Verified>, Denied> {
    let (reason, problem, refusal) = match presented {
        Presented::Nothing => ("no_credentials", Problem::no_credentials(), None),
        Presented::Malformed => ("malformed_credentials", Problem::invalid_token(), None),
        Presented::Several => {
            let problem = Problem::invalid_request("a request may carry one access token");
            ("several_credentials", problem, None)
        }
        Presented::Bearer(token) => match check.check_from(client, token) {
            Ok(verified) if check.revocations().is_fresh(Moment::now()) => {
                metrics.auth_passed();
                return Ok(verified);
            }
            Ok(verified) => {
                metrics.auth_failed(STALE);
                let problem = Problem::revocations_stale();
                return Err(Denied { problem, reason: STALE, refusal: None, undecided: Some(verified) });
            }
            Err(refusal) if refusal.is_our_fault() => {
                metrics.auth_failed(refusal.as_str());
                let (problem, reason) = (Problem::unavailable(), refusal.as_str());
                return Err(Denied { problem, reason, refusal: Some(refusal), undecided: None });
            }
            // Not a 401: it was not looked at.
            Err(refusal @ TokenRefusal::TooManyForged) => {
                (refusal.as_str(), Problem::too_many_forged(), Some(refusal))
            }
            Err(refusal) => (refusal.as_str(), Problem::invalid_token(), Some(refusal)),
        },
    };
    metrics.auth_refused(reason);
    Err(Denied { problem, reason, refusal, undecided: None })
}

/// A caller whose token is valid now.
pub struct Caller(pub Arc<Verified>);

impl Caller {
    /// Account and session of the token.
    pub fn principal(&self) -> Principal {
        let claims = self.0.claims();
        Principal { account_id: claims.account_id(), session_id: claims.session_id() }
    }
}

impl FromRequestParts<ApiState> for Caller {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Response> {
        let facts = RequestFacts::from_request_parts(parts, state).await?;
        authenticate(&state.check, &state.metrics, facts.client, facts.presented.borrowed())
            .map(Self)
            .map_err(|denied| denied.problem.response(facts.request_id))
    }
}

impl<S: Sync> FromRequestParts<S> for RequestFacts {
    type Rejection = Response;

    /// The facts that the bridge put there.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            let nobody = crate::domain::id::RequestId::from_uuid(uuid::Uuid::nil());
            tracing::error!("a request without facts reached the api");
            Problem::new(http::StatusCode::INTERNAL_SERVER_ERROR, "internal", "the gateway failed at this")
                .response(nobody)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_token() {
        let presented = Presented::Bearer("eyJ.x.y".to_owned());
        assert_eq!(format!("{presented:?}"), "Bearer(redacted)");
    }
}
