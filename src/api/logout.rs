//! Logging out: sessions end, durably, before the answer.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::bearer::{Caller, Denied, Presented, authenticate};
use super::body;
use super::problem::{Problem, ProblemBody};
use super::state::{ApiState, RequestFacts};
use crate::actors::{Logout, LogoutScope, Principal};
use crate::domain::token::{TokenRefusal, read_claims};

/// Which sessions end.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutBody {
    /// `local`: the session of the token. `others`: all other sessions of its account. `global`: all of them.
    #[serde(default)]
    pub(super) scope: ScopeWord,
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
        (status = 429, description = "`too_many_forged_tokens`: see Retry-After; the token may be good", body = ProblemBody, content_type = "application/problem+json"),
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
    let caller = match authenticate(&state.check, &state.metrics, facts.client, facts.presented.borrowed()) {
        Ok(caller) => Ok(Caller(caller)),
        // Whether that matters depends on what is asked.
        Err(Denied { refusal: Some(TokenRefusal::SessionEnded), problem, .. }) => Err(problem),
        // It is the durable store that ends it, and what this process knows does not matter.
        Err(Denied { undecided: Some(caller), .. }) => Ok(Caller(caller)),
        Err(denied) => return Err(denied.problem),
    };
    let scope = match scope(request).await? {
        ScopeWord::Local => LogoutScope::Local,
        ScopeWord::Others => LogoutScope::Others,
        ScopeWord::Global => LogoutScope::Global,
    };
    let by = match caller {
        Ok(caller) => caller.principal(),
        // Ending an ended session again is the same 204. But an earlier try may have been refused, or its answer
        // lost, before every replica could know: that it is done, only the durable store can say.
        Err(problem) if scope == LogoutScope::Local => ended_principal(facts).ok_or(problem)?,
        Err(problem) => return Err(problem),
    };
    Ok(state.auth.logout(Logout { by, scope }).await?)
}

/// Whose token it was, of a session that has ended: its signature and claims were found good before that.
fn ended_principal(facts: &RequestFacts) -> Option<Principal> {
    let Presented::Bearer(token) = facts.presented.borrowed() else { return None };
    let claims = read_claims(token)?;
    Some(Principal { account_id: claims.sub, session_id: claims.sid })
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
