//! Revocation (RFC 7009): whoever holds a token may end it.
//!
//! Tokens of one session end together: revoking an access token ends its session, and with it the refresh token and
//! every other access token of it, on all replicas. The token itself is the proof, so no client authentication is
//! needed; client credentials that are sent all the same must be right.
//!
//! A token that is not valid now (unknown, expired, ended) gets the same 200 and nothing happens. That includes an
//! expired access token of a live session: old tokens lie in old logs, and must not end anything. A client that
//! wants to end a session later revokes the refresh token.

use std::net::IpAddr;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{Request, StatusCode};
use secrecy::ExposeSecret as _;

use super::client_auth::{Asker, authenticate_client};
use super::introspect::refresh_token;
use super::login::{OAuthErrorBody, oauth_error};
use super::problem::Problem;
use super::state::{ApiState, RequestFacts};
use super::token_form::{self, TokenForm};
use crate::actors::Revoke;
use crate::domain::refresh::RefreshTokenText;
use crate::domain::token::{TokenRefusal, read_claims};

/// Revoke a token.
///
/// Its whole session ends, with all its tokens, durably before the answer. Unknown tokens get the same 200.
#[utoipa::path(
    post, path = "/auth/revoke", tag = "standards", security((), ("client" = [])),
    request_body(content = TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The token is of no use any more; no body"),
        (status = 400, description = "`invalid_request`", body = OAuthErrorBody),
        (status = 401, description = "`invalid_client`: credentials were sent and are wrong", body = OAuthErrorBody),
        (status = 415, description = "Not a form", body = OAuthErrorBody),
        (status = 429, description = "`temporarily_unavailable`: too many attempts, or too many forged tokens from this address; see Retry-After", body = OAuthErrorBody),
        (status = 503, description = "`temporarily_unavailable`: the session may be alive; see Retry-After", body = OAuthErrorBody),
    )
)]
pub async fn revoke(State(state): State<ApiState>, facts: RequestFacts, request: Request<Body>) -> Response {
    let (token, credentials) = match token_form::read(request).await {
        Ok(form) => form.split(),
        Err(answer) => return answer,
    };
    let stranger = match authenticate_client(&state, &facts, credentials) {
        Ok(Asker::Client) => None,
        Ok(Asker::Anybody) => Some(facts.client),
        Err(answer) => return answer,
    };
    match end(&state, stranger, token.expose_secret()).await {
        Ok(()) => (StatusCode::OK, [(CACHE_CONTROL, "no-store")]).into_response(),
        Err(problem) => oauth_error(&problem),
    }
}

async fn end(state: &ApiState, stranger: Option<IpAddr>, token: &str) -> Result<(), Problem> {
    match meant(state, stranger, token).await? {
        // Also what has ended: an earlier try may have been refused before every replica could know.
        Some(ask) => Ok(state.auth.revoke(ask).await?),
        None => Ok(()),
    }
}

/// The session that a token stands for.
async fn meant(state: &ApiState, stranger: Option<IpAddr>, token: &str) -> Result<Option<Revoke>, Problem> {
    let judged = match stranger {
        Some(address) => state.check.check_from(address, token),
        None => state.check.check(token),
    };
    match judged {
        Ok(verified) => {
            let claims = verified.claims();
            let (account_id, session_id) = (claims.account_id(), claims.session_id());
            return Ok(Some(Revoke { account_id, session_id }));
        }
        Err(TokenRefusal::SessionEnded) => {
            let claims = read_claims(token);
            return Ok(claims.map(|claims| Revoke { account_id: claims.sub, session_id: claims.sid }));
        }
        Err(TokenRefusal::TooManyForged) => return Err(Problem::too_many_forged()),
        Err(refusal) if refusal.is_our_fault() => return Err(Problem::unavailable()),
        Err(_) => {}
    }
    // A refusal counts only from a gateway that knows: else the answer would be a 200 for nothing.
    state.issuer.status_lists.fresh()?;
    // One that was used already counts, too: who holds it could end the session by using it again.
    let known = refresh_token(state, token).await?;
    // Anybody may ask, and each that might be one of ours costs a look into the store.
    if let (Some(address), None, true) = (stranger, &known, RefreshTokenText::parse(token).is_ok()) {
        state.auth.charge_secret(address)?;
    }
    Ok(known.map(|facts| Revoke { account_id: facts.account_id, session_id: facts.session_id }))
}
