//! The token endpoint (RFC 6749 3.2): the one address that a discovery document can name for every grant. Each grant
//! also has an endpoint of its own, which says more; the work is done there.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode};
use serde::Deserialize;

use super::client_auth::invalid_request;
use super::login::{LoginForm, OAuthErrorBody, TokenBody, oauth_answer, password_grant};
use super::refresh::refresh_grant;
use super::state::{ApiState, RequestFacts};
use super::token_form;

/// What `grant_type` may be; the discovery documents say the same.
pub const GRANT_TYPES: [&str; 2] = ["password", "refresh_token"];

#[derive(Deserialize)]
struct GrantType {
    grant_type: Option<String>,
}

/// Get a token.
///
/// By `grant_type`: `password` (RFC 6749 4.3) as at `/auth/login`, `refresh_token` (RFC 6749 6) as at `/auth/refresh`. A
/// client does not authenticate here.
#[utoipa::path(
    post, path = "/auth/token", tag = "standards",
    request_body(content = LoginForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The tokens", body = TokenBody),
        (status = 400, description = "`invalid_request`, `invalid_grant`, `unsupported_grant_type`", body = OAuthErrorBody),
        (status = 415, description = "Not a form", body = OAuthErrorBody),
        (status = 429, description = "`temporarily_unavailable`: too many attempts; see Retry-After", body = OAuthErrorBody),
        (status = 503, description = "`temporarily_unavailable`; see Retry-After", body = OAuthErrorBody),
    )
)]
pub async fn token(State(state): State<ApiState>, facts: RequestFacts, request: Request<Body>) -> Response {
    let headers = request.headers().clone();
    let bytes = match token_form::form_bytes(request).await {
        Ok(bytes) => bytes,
        Err(answer) => return answer,
    };
    let Ok(GrantType { grant_type }) = serde_urlencoded::from_bytes(&bytes) else {
        return invalid_request("expected the field grant_type, once");
    };
    match grant_type.as_deref() {
        Some("password") => password_grant(&state, &facts, &headers, &bytes).await,
        Some("refresh_token") => refresh_grant(&state, &facts, &headers, &bytes).await,
        None | Some("") => invalid_request("expected the field grant_type, once"),
        Some(_) => {
            let detail = format!("the grant types are {}", GRANT_TYPES.join(", "));
            let error = "unsupported_grant_type";
            oauth_answer(StatusCode::BAD_REQUEST, error, detail, error)
        }
    }
}
