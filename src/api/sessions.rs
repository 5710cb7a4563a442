//! The sessions of the caller's account: where somebody is logged in, and ending one of them.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{StatusCode, Uri};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bearer::Caller;
use super::problem::{Problem, ProblemBody};
use super::state::{ApiState, RequestFacts};
use crate::actors::SessionPage;
use crate::domain::id::SessionId;
use crate::domain::session::Session;

/// Where the id of a session stands in a path.
const PREFIX: &str = "/auth/sessions/";

/// A live session as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionBody {
    /// UUIDv7; the `sid` of its tokens.
    id: String,
    /// Whether it is the session of the token that asks.
    current: bool,
    /// When the login happened; RFC 3339, UTC.
    created_at: String,
    /// When it was last refreshed; the login counts.
    last_used_at: String,
    /// When it ends by itself.
    expires_at: String,
    /// The client's address at the login.
    address: Option<String>,
    /// The client's `User-Agent` at the login, at most 256 characters.
    user_agent: Option<String>,
}

/// A page of live sessions.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionsBody {
    /// Newest first; at most 100.
    sessions: Vec<SessionBody>,
    /// `after` of the next page; null on the last one.
    next: Option<String>,
}

impl SessionsBody {
    fn new(page: &SessionPage, current: SessionId) -> Self {
        let next = page.sessions.last().filter(|_| page.more).map(|last| last.id.to_string());
        Self { sessions: page.sessions.iter().map(|session| shown(session, current)).collect(), next }
    }
}

fn shown(session: &Session, current: SessionId) -> SessionBody {
    SessionBody {
        id: session.id.to_string(),
        current: session.id == current,
        created_at: session.created_at.rfc3339(),
        last_used_at: session.last_used_at.rfc3339(),
        expires_at: session.expires_at.rfc3339(),
        address: session.address.clone(),
        user_agent: session.user_agent.clone(),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    after: Option<SessionId>,
}

/// List your live sessions, newest first.
#[utoipa::path(
    get, path = "/auth/sessions", tag = "sessions", security(("password" = [])),
    params(("after" = Option<String>, Query, description = "Begin behind this session: `next` of the page before")),
    responses(
        (status = 200, description = "A page of your sessions", body = SessionsBody),
        (status = 401, description = "No token, or one that is not valid now", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_forged_tokens`: see Retry-After; the token may be good", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`busy`, `unavailable`; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn list(
    State(state): State<ApiState>,
    facts: RequestFacts,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Response {
    let Ok(ListQuery { after }) = serde_urlencoded::from_str(query.as_deref().unwrap_or_default()) else {
        let detail = "the one parameter there may be is `after`, the id of a session";
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", detail);
        return problem.response(facts.request_id);
    };
    match state.auth.own_sessions(caller.principal(), after).await {
        Ok(page) => {
            let body = SessionsBody::new(&page, caller.principal().session_id);
            ([(CACHE_CONTROL, "no-store")], Json(body)).into_response()
        }
        Err(error) => Problem::from(error).response(facts.request_id),
    }
}

/// End one of your sessions.
///
/// It may be the one of the token. One that has ended already is a 204 again, as long as it is remembered: until
/// it would have expired.
#[utoipa::path(
    delete, path = "/auth/sessions/{id}", tag = "sessions", security(("password" = [])),
    params(("id" = String, Path, description = "The session")),
    responses(
        (status = 204, description = "It has ended"),
        (status = 401, description = "No token, or one that is not valid now", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_not_found`: there is none, or it is not yours", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_forged_tokens`: see Retry-After; the token may be good", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`busy`, `unavailable`: it may be alive", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn end(State(state): State<ApiState>, facts: RequestFacts, caller: Caller, uri: Uri) -> Response {
    // What is no id is nobody's session.
    let id = uri.path().strip_prefix(PREFIX).and_then(|text| text.parse().ok());
    let found = match id {
        Some(id) => state.auth.end_own_session(caller.principal(), id).await,
        None => Ok(false),
    };
    match found {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => {
            let detail = "you have no session with this id";
            Problem::new(StatusCode::NOT_FOUND, "session_not_found", detail).response(facts.request_id)
        }
        Err(error) => Problem::from(error).response(facts.request_id),
    }
}
