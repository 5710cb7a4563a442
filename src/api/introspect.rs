//! Introspection (RFC 7662): is this token valid now, and what does it say? For clients that cannot check tokens
//! themselves, or want to know of a session's end at once.
//!
//! Judged by the same check as every protected request. Why a token is not active stays ours to know.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::Request;
use http::header::CACHE_CONTROL;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use utoipa::ToSchema;

use super::client_auth::{Asker, authenticate_client, invalid_client};
use super::login::{OAuthErrorBody, oauth_error};
use super::problem::Problem;
use super::state::{ApiState, RequestFacts};
use super::token_form::{self, TokenForm};
use crate::actors::RefreshTokenFacts;
use crate::domain::refresh::{RefreshTokenText, Standing};
use crate::domain::token::{Claims, read_claims};

/// A token as its issuer sees it. Without `active`, all other members are absent.
#[derive(Debug, Serialize, ToSchema)]
pub struct IntrospectionBody {
    /// Whether it is valid now.
    active: bool,
    /// Space separated; may be empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// Whom it was issued to.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// The e-mail address of the person.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// `Bearer`; absent for a refresh token, which is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// When it ends, seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// When it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// When it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    /// Whom it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    /// Who issued it.
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    /// Roles of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
}

/// Looks a refresh token up; `None` for one that was never handed out, or is forgotten.
///
/// # Errors
/// The store does not answer.
pub async fn refresh_token(state: &ApiState, token: &str) -> Result<Option<RefreshTokenFacts>, Problem> {
    match RefreshTokenText::parse(token) {
        Ok(token) => Ok(state.auth.refresh_token_facts(token).await?),
        Err(_) => Ok(None),
    }
}

/// Introspect a token.
///
/// For clients of the configuration only. A session that was ended is inactive from the next request on.
#[utoipa::path(
    post, path = "/auth/introspect", tag = "standards", security(("client" = [])),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "Active, and what it says; or exactly `{\"active\":false}`, whatever the reason", body = IntrospectionBody),
        (status = 400, description = "`invalid_request`", body = OAuthErrorBody),
        (status = 401, description = "`invalid_client`", body = OAuthErrorBody),
        (status = 415, description = "Not a form", body = OAuthErrorBody),
        (status = 429, description = "`temporarily_unavailable`: too many attempts; see Retry-After", body = OAuthErrorBody),
        (status = 503, description = "`temporarily_unavailable`: what ended elsewhere is not known at the moment", body = OAuthErrorBody),
    )
)]
pub async fn introspect(
    State(state): State<ApiState>,
    facts: RequestFacts,
    request: Request<Body>,
) -> Response {
    let (token, credentials) = match token_form::read(request).await {
        Ok(form) => form.split(),
        Err(answer) => return answer,
    };
    match authenticate_client(&state, &facts, credentials) {
        Ok(Asker::Client) => {}
        Ok(Asker::Anybody) => return invalid_client(),
        Err(answer) => return answer,
    }
    match describe(&state, token.expose_secret()).await {
        Ok(body) => ([(CACHE_CONTROL, "no-store")], Json(body)).into_response(),
        Err(problem) => oauth_error(&problem),
    }
}

async fn describe(state: &ApiState, token: &str) -> Result<IntrospectionBody, Problem> {
    // Who asks has a secret of ours, and answers for what it asks about: others' forgeries are not its own.
    let judged = state.check.check(token);
    // Asked after the check: what was fresh before it may not be any more.
    state.issuer.status_lists.fresh()?;
    match judged {
        Ok(_) => return Ok(read_claims(token).map_or_else(inactive, access_token)),
        Err(refusal) if refusal.is_our_fault() => return Err(Problem::unavailable()),
        Err(_) => {}
    }
    Ok(match refresh_token(state, token).await? {
        Some(facts) if facts.standing == Standing::Live => of_refresh_token(state, &facts),
        Some(_) | None => inactive(),
    })
}

fn inactive() -> IntrospectionBody {
    IntrospectionBody {
        active: false,
        scope: None,
        client_id: None,
        username: None,
        token_type: None,
        exp: None,
        iat: None,
        nbf: None,
        sub: None,
        aud: None,
        iss: None,
        jti: None,
        sid: None,
        roles: None,
    }
}

fn access_token(claims: Claims) -> IntrospectionBody {
    IntrospectionBody {
        active: true,
        scope: Some(claims.scope),
        client_id: Some(claims.client_id),
        username: Some(claims.email),
        token_type: Some("Bearer"),
        exp: Some(claims.exp),
        iat: Some(claims.iat),
        nbf: claims.nbf,
        sub: Some(claims.sub.to_string()),
        aud: Some(claims.aud),
        iss: Some(claims.iss),
        jti: Some(claims.jti.to_string()),
        sid: Some(claims.sid.to_string()),
        roles: Some(claims.roles),
    }
}

fn of_refresh_token(state: &ApiState, facts: &RefreshTokenFacts) -> IntrospectionBody {
    IntrospectionBody {
        active: true,
        client_id: Some(crate::domain::token::CLIENT_ID.to_owned()),
        exp: Some(facts.expires_at.unix_seconds()),
        sub: Some(facts.account_id.to_string()),
        iss: Some(state.issuer.name.clone()),
        sid: Some(facts.session_id.to_string()),
        ..inactive()
    }
}
