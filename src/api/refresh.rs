//! Refreshing: JSON for our own clients, the OAuth2 form (RFC 6749 6) for everything that knows a `refreshUrl`.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Request, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{self, MediaType};
use super::login::{OAuthErrorBody, TokenBody, granted, oauth_answer, oauth_error};
use super::problem::{Problem, ProblemBody};
use super::state::{ApiState, RequestFacts};
use crate::actors::{AuthError, Refresh, TokenPair};
use crate::domain::refresh::RefreshTokenText;
use crate::telemetry::RefreshResult;

/// A refresh token as JSON.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    /// From the last login or refresh.
    #[schema(value_type = String, example = "gwr_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    pub(super) refresh_token: SecretString,
}

/// A refresh token as an OAuth2 form. Other fields are ignored (RFC 6749 3.2).
#[derive(Debug, Deserialize, ToSchema)]
pub struct RefreshForm {
    /// `refresh_token`, or absent.
    grant_type: Option<String>,
    /// From the last login or refresh.
    #[schema(value_type = String)]
    refresh_token: SecretString,
    /// Ignored: the gateway grants no scopes. The answer says what was granted.
    #[expect(dead_code, reason = "named so that a second one is an error (RFC 6749 3.2)")]
    scope: Option<String>,
}

/// Get new tokens.
///
/// The refresh token is used up; the answer holds the next one. If the answer was lost, the same client may ask again
/// with the same token within seconds (`token.refresh_grace`) and gets the same next one. Whoever presents a used
/// token otherwise ends the session, with all its tokens.
#[utoipa::path(
    post, path = "/auth/refresh", tag = "sessions",
    request_body(content(
        (RefreshBody = "application/json"),
        (RefreshForm = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "New tokens of the same session", body = TokenBody),
        (status = 400, description = "Not JSON; as a form: a token that gets nothing too (`invalid_grant`)", body = OAuthErrorBody),
        (status = 401, description = "`invalid_refresh_token`: unknown, used, expired or ended", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_attempts`: too many unknown tokens from this address; as a form `temporarily_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`busy`, `unavailable`; see Retry-After. The same token may be presented again", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn refresh(State(state): State<ApiState>, facts: RequestFacts, request: Request<Body>) -> Response {
    let client = request.headers().clone();
    let (media, bytes) = match body::json_or_form(request).await {
        Ok(body) => body,
        Err(problem) => return problem.response(facts.request_id),
    };
    match media {
        MediaType::Json => {
            let outcome = match body::parse_json::<RefreshBody>(&bytes) {
                Ok(ask) => attempt(&state, &facts, &client, &ask.refresh_token).await,
                Err(problem) => Err(problem),
            };
            outcome.map_or_else(|problem| problem.response(facts.request_id), |pair| granted(&pair))
        }
        MediaType::Form => refresh_grant(&state, &facts, &client, &bytes).await,
    }
}

/// The OAuth2 form (RFC 6749 6), here and at the token endpoint.
pub async fn refresh_grant(
    state: &ApiState,
    facts: &RequestFacts,
    headers: &HeaderMap,
    form: &[u8],
) -> Response {
    match parse_form(form) {
        Ok(ask) => match attempt(state, facts, headers, &ask.refresh_token).await {
            Ok(pair) => granted(&pair),
            Err(problem) => oauth_error(&problem),
        },
        Err((error, detail)) => oauth_answer(StatusCode::BAD_REQUEST, error, detail.to_owned(), error),
    }
}

async fn attempt(
    state: &ApiState,
    facts: &RequestFacts,
    headers: &HeaderMap,
    token: &SecretString,
) -> Result<TokenPair, Problem> {
    let Ok(token) = RefreshTokenText::parse(token.expose_secret()) else {
        // Like any other token that was never handed out.
        state.metrics.refresh(RefreshResult::Unknown);
        return Err(AuthError::InvalidRefreshToken.into());
    };
    let ask = Refresh { token, address: facts.client, client: facts.client_facts(headers) };
    Ok(state.auth.refresh(ask).await?)
}

fn parse_form(bytes: &[u8]) -> Result<RefreshForm, (&'static str, &'static str)> {
    let form: RefreshForm = serde_urlencoded::from_bytes(bytes)
        .map_err(|_| ("invalid_request", "expected the field refresh_token, once"))?;
    match form.grant_type.as_deref() {
        None | Some("" | "refresh_token") => Ok(form),
        Some(_) => Err(("unsupported_grant_type", "only the grant type `refresh_token` is served here")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_an_oauth2_client_is_understood() {
        for body in ["grant_type=refresh_token&refresh_token=gwr_x&client_id=a&scope=", "refresh_token=gwr_x"]
        {
            assert_eq!(parse_form(body.as_bytes()).unwrap().refresh_token.expose_secret(), "gwr_x");
        }
    }

    #[test]
    fn another_grant_or_a_repeated_field_is_refused() {
        let error = |body: &[u8]| parse_form(body).map(|_| ()).unwrap_err().0;
        assert_eq!(error(b"grant_type=password&refresh_token=a"), "unsupported_grant_type");
        assert_eq!(error(b"refresh_token=a&refresh_token=b"), "invalid_request");
        assert_eq!(error(b"refresh_token=a&scope=x&scope=y"), "invalid_request");
        assert_eq!(error(b"token=a"), "invalid_request");
    }
}
