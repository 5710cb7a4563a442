//! Logging in: JSON for our own clients, the OAuth2 password form (RFC 6749 4.3) for everything that
//! knows a FastAPI or Swagger `tokenUrl`.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, PRAGMA, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{self, MediaType};
use super::device;
use super::problem::{Problem, ProblemBody, Reason};
use super::state::{ApiState, RequestFacts};
use crate::actors::{AuthError, Login, TokenPair};
use crate::domain::email::EmailAddress;
use crate::domain::password::Password;
use crate::telemetry::LoginResult;

/// Credentials as JSON.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    /// The address of the account.
    #[schema(example = "ada@example.org")]
    pub(super) email: String,
    /// Its password.
    #[schema(value_type = String, format = Password, example = "seven purple otters juggle")]
    pub(super) password: SecretString,
}

/// Credentials as an OAuth2 password form. Other fields are ignored (RFC 6749 3.2).
#[derive(Debug, Deserialize, ToSchema)]
pub struct LoginForm {
    /// `password`, or absent.
    grant_type: Option<String>,
    /// The e-mail address of the account.
    username: String,
    /// Its password.
    #[schema(value_type = String, format = Password)]
    password: SecretString,
    /// Ignored: the gateway grants no scopes at login. The answer says what was granted.
    #[expect(dead_code, reason = "named so that a second one is an error (RFC 6749 3.2)")]
    scope: Option<String>,
}

/// An access token, and the refresh token that gets the next one.
#[derive(Serialize, ToSchema)]
pub struct TokenBody {
    /// The access token: a JWT (RFC 9068) for `Authorization: Bearer`.
    access_token: String,
    /// `bearer`.
    #[schema(example = "bearer")]
    token_type: &'static str,
    /// Seconds that the access token lives.
    #[schema(example = 900)]
    expires_in: u64,
    /// For `POST /auth/refresh`, once: the answer holds the next one.
    #[schema(example = "gwr_3q2-7wAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    refresh_token: String,
    /// What was granted, space separated.
    scope: String,
}

/// An error of the OAuth2 form (RFC 6749 5.2).
#[derive(Debug, Serialize, ToSchema)]
pub struct OAuthErrorBody {
    /// `invalid_request`, `invalid_grant`, `unsupported_grant_type`, `temporarily_unavailable`, ...
    #[schema(example = "invalid_grant")]
    error: &'static str,
    /// A sentence for a person.
    error_description: String,
}

/// Log in.
#[utoipa::path(
    post, path = "/auth/login", tag = "sessions",
    request_body(content(
        (LoginBody = "application/json"),
        (LoginForm = "application/x-www-form-urlencoded"),
    )),
    responses(
        (status = 200, description = "A session has begun; its tokens", body = TokenBody),
        (status = 400, description = "Not JSON; as a form: wrong credentials too (`invalid_grant`)", body = OAuthErrorBody),
        (status = 401, description = "`invalid_credentials`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_attempts`; as a form `temporarily_unavailable`; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`busy`, `unavailable`; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn login(State(state): State<ApiState>, facts: RequestFacts, request: Request<Body>) -> Response {
    let client = request.headers().clone();
    let (media, bytes) = match body::json_or_form(request).await {
        Ok(body) => body,
        Err(problem) => return problem.response(facts.request_id),
    };
    match media {
        MediaType::Json => {
            let asked = body::parse_json::<LoginBody>(&bytes);
            let outcome = match asked {
                Ok(ask) => attempt(&state, &facts, &client, &ask.email, &ask.password).await,
                Err(problem) => Err(problem),
            };
            outcome.map_or_else(|problem| problem.response(facts.request_id), |pair| granted(&pair))
        }
        MediaType::Form => password_grant(&state, &facts, &client, &bytes).await,
    }
}

/// The OAuth2 password form, here and at the token endpoint.
pub async fn password_grant(
    state: &ApiState,
    facts: &RequestFacts,
    headers: &HeaderMap,
    form: &[u8],
) -> Response {
    match parse_form(form) {
        Ok(ask) => match attempt(state, facts, headers, &ask.username, &ask.password).await {
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
    email: &str,
    password: &SecretString,
) -> Result<TokenPair, Problem> {
    // Nobody can have a password that does not parse; it answers like any wrong one.
    let Ok(password) = Password::parse(password.expose_secret().to_owned()) else {
        state.metrics.login(LoginResult::InvalidCredentials);
        return Err(AuthError::InvalidCredentials.into());
    };
    let email = EmailAddress::parse(email).ok();
    let ask = Login {
        password,
        address: facts.client,
        device_cookie: device::presented(headers),
        session: email.as_ref().and_then(|email| device::session_of(state, facts, email)),
        email,
        client: facts.client_facts(headers),
    };
    let outcome = state.auth.login(ask).await;
    state.metrics.login(match &outcome {
        Ok(_) => LoginResult::Ok,
        Err(AuthError::InvalidCredentials) => LoginResult::InvalidCredentials,
        Err(AuthError::TooManyAttempts(_)) => LoginResult::TooMany,
        Err(AuthError::Busy) => LoginResult::Busy,
        Err(_) => LoginResult::Error,
    });
    Ok(outcome?)
}

fn parse_form(bytes: &[u8]) -> Result<LoginForm, (&'static str, &'static str)> {
    let form: LoginForm = serde_urlencoded::from_bytes(bytes)
        .map_err(|_| ("invalid_request", "expected the fields username and password, each once"))?;
    match form.grant_type.as_deref() {
        None | Some("" | "password") => Ok(form),
        Some(_) => Err(("unsupported_grant_type", "only the grant type `password` is served here")),
    }
}

/// The token pair (RFC 6749 5.1).
pub(super) fn granted(pair: &TokenPair) -> Response {
    let grant = &pair.access;
    let body = TokenBody {
        access_token: grant.access_token.expose().to_owned(),
        token_type: "bearer",
        expires_in: grant.issued_at.until(grant.expires_at).as_secs(),
        refresh_token: pair.refresh_token.expose(),
        scope: grant.scope.clone(),
    };
    // RFC 6749 5.1 wants both.
    let mut response = ([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], Json(body)).into_response();
    if let Some(cookie) = pair.device_cookie.as_ref().and_then(device::set_cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}

/// A problem in the shape of RFC 6749 5.2.
pub fn oauth_error(problem: &Problem) -> Response {
    let (status, error) = match problem.status {
        StatusCode::UNAUTHORIZED => (StatusCode::BAD_REQUEST, "invalid_grant"),
        // RFC 6749 knows no word for a client that is too fast; the one that says "later" fits.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
            (problem.status, "temporarily_unavailable")
        }
        StatusCode::INTERNAL_SERVER_ERROR => (problem.status, "server_error"),
        _ => (StatusCode::BAD_REQUEST, "invalid_request"),
    };
    let mut response = oauth_answer(status, error, problem.detail.to_string(), problem.code);
    for (name, value) in &problem.headers() {
        if name != http::header::WWW_AUTHENTICATE {
            response.headers_mut().insert(name, value.clone());
        }
    }
    response
}

/// An error of RFC 6749 5.2; `reason` is for the log.
pub fn oauth_answer(
    status: StatusCode,
    error: &'static str,
    error_description: String,
    reason: &'static str,
) -> Response {
    let body = Json(OAuthErrorBody { error, error_description });
    let mut response = (status, [(CACHE_CONTROL, "no-store")], body).into_response();
    response.extensions_mut().insert(Reason(reason));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_fastapi_client_is_understood() {
        let form =
            parse_form(b"grant_type=password&username=a%40b.org&password=p+w&scope=&client_id=x").unwrap();
        assert_eq!(form.username, "a@b.org");
        assert_eq!(form.password.expose_secret(), "p w");
    }

    #[test]
    fn another_grant_or_a_repeated_field_is_refused() {
        let error = |body: &[u8]| parse_form(body).map(|_| ()).unwrap_err().0;
        assert_eq!(error(b"grant_type=client_credentials&username=a&password=b"), "unsupported_grant_type");
        assert_eq!(error(b"username=a&username=b&password=c"), "invalid_request");
        assert_eq!(error(b"username=a"), "invalid_request");
        assert_eq!(error(b"username=a&password=b&scope=x&scope=y"), "invalid_request");
    }
}
