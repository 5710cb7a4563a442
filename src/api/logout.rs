//! Logging out: the session ends, durably, before the answer.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Request, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::bearer::{Denied, authenticate};
use super::body;
use super::problem::{Problem, ProblemBody};
use super::state::{ApiState, RequestFacts};
use crate::actors::Logout;
use crate::domain::token::TokenRefusal;

/// Which sessions end.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LogoutBody {
    /// `local`: the session of the token. The only one there is so far.
    #[serde(default)]
    #[expect(dead_code, reason = "its only value says what happens anyway")]
    scope: LogoutScope,
}

/// See [`LogoutBody`].
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogoutScope {
    /// The session of the token.
    #[default]
    Local,
}

/// Log out.
///
/// From the next request on every token of this session is refused, also after a restart.
#[utoipa::path(
    post, path = "/auth/logout", tag = "sessions", security(("password" = [])),
    request_body(content = Option<LogoutBody>, description = "May be absent"),
    responses(
        (status = 204, description = "The session has ended"),
        (status = 401, description = "No token, or one that is not valid now", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`busy`, `unavailable`: the session may be alive", body = ProblemBody, content_type = "application/problem+json"),
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
        Ok(caller) => caller,
        // Ending an ended session is done already: a retry after a lost answer gets the same 204.
        Err(Denied { refusal: Some(TokenRefusal::SessionEnded), .. }) => return Ok(()),
        // It is the durable store that ends it, and what this process knows does not matter.
        Err(Denied { undecided: Some(caller), .. }) => caller,
        Err(denied) => return Err(denied.problem),
    };
    let (parts, content) = request.into_parts();
    let bytes = body::bytes(Request::new(content)).await?;
    if !bytes.is_empty() {
        body::media_type(&parts.headers)?;
        let _only_local: LogoutBody = body::parse_json(&bytes)?;
    }
    Ok(state.auth.logout(Logout { session_id: caller.claims().session_id() }).await?)
}
