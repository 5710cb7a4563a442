//! Logging out: sessions end, durably, before the answer.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::bearer::{Caller, Denied, authenticate};
use super::body;
use super::problem::{Problem, ProblemBody};
use super::state::{ApiState, RequestFacts};
use crate::actors::{Logout, LogoutScope};
use crate::domain::token::TokenRefusal;

/// Which sessions end.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutBody {
    /// `local`: the session of the token. `others`: all other sessions of its account. `global`: all of them.
    #[serde(default)]
    scope: ScopeWord,
}

/// See [`LogoutBody`].
#[derive(Debug, Default, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeWord {
    /// The session of the token.
    #[default]
    Local,
    /// All other sessions of its account.
    Others,
    /// All sessions of its account.
    Global,
}

/// Log out.
///
/// From the next request on every token of the ended sessions is refused, also after a restart. Again with the
/// token of a session that has ended: 204 for `local`, which is done already; 401 for `others` and `global`, for
/// such a token has no say over other sessions.
#[utoipa::path(
    post, path = "/auth/logout", tag = "sessions", security(("password" = [])),
    request_body(content = Option<LogoutBody>, description = "May be absent: `local`"),
    responses(
        (status = 204, description = "The sessions have ended"),
        (status = 401, description = "No token, or one that is not valid now", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`busy`, `unavailable`: sessions may be alive, the one of the token among them", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn logout(State(state): State<ApiState>, facts: RequestFacts, request: Request<Body>) -> Response {
    match end(&state, &facts, request).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => problem.response(facts.request_id),
    }
}

async fn end(state: &ApiState, facts: &RequestFacts, request: Request<Body>) -> Result<(), Problem> {
    let caller = match authenticate(&state.check, &state.metrics, facts.presented.borrowed()) {
        Ok(caller) => Ok(Caller(caller)),
        // Whether that matters depends on what is asked.
        Err(Denied { refusal: Some(TokenRefusal::SessionEnded), problem, .. }) => Err(problem),
        // It is the durable store that ends it, and what this process knows does not matter.
        Err(Denied { undecided: Some(caller), .. }) => Ok(Caller(caller)),
        Err(denied) => return Err(denied.problem),
    };
    let scope = match (scope(request).await?, &caller) {
        // It has ended; a retry after a lost answer gets the same 204, once nobody else can admit it any more.
        (ScopeWord::Local, Err(_)) => return Ok(state.auth.reaffirm_ends().await?),
        (ScopeWord::Local, Ok(_)) => LogoutScope::Local,
        (ScopeWord::Others, _) => LogoutScope::Others,
        (ScopeWord::Global, _) => LogoutScope::Global,
    };
    Ok(state.auth.logout(Logout { by: caller?.principal(), scope }).await?)
}

async fn scope(request: Request<Body>) -> Result<ScopeWord, Problem> {
    let (parts, content) = request.into_parts();
    let bytes = body::bytes(Request::new(content)).await?;
    if bytes.is_empty() {
        return Ok(ScopeWord::Local);
    }
    body::media_type(&parts.headers)?;
    Ok(body::parse_json::<LogoutBody>(&bytes)?.scope)
}
