//! Registering, and reading one's own account.

use std::net::IpAddr;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{Request, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::bearer::Caller;
use super::body;
use super::problem::{Problem, ProblemBody};
use super::state::{ApiState, RequestFacts};
use crate::actors::{AuthError, Registration};
use crate::domain::account::Account;
use crate::domain::email::EmailAddress;
use crate::domain::name::DisplayName;
use crate::domain::password::Password;
use crate::telemetry::RegistrationResult;

/// A new account.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    /// E-mail address (RFC 5321 mailbox); at most 254 bytes. Unique without regard to letter case.
    #[schema(example = "ada@example.org")]
    pub(super) email: String,
    /// 8 to 256 code points (the minimum is configurable), not easy to guess.
    #[schema(value_type = String, format = Password, example = "seven purple otters juggle")]
    pub(super) password: SecretString,
    /// What they call themselves; 1 to 200 characters.
    #[schema(example = "Ada")]
    pub(super) name: Option<String>,
}

/// An account as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct AccountBody {
    /// UUIDv7; the `sub` of its tokens.
    id: String,
    /// As registered.
    email: String,
    /// Whether the address was shown to be theirs.
    email_verified: bool,
    /// What they call themselves.
    name: Option<String>,
    /// Groups that services may decide on.
    roles: Vec<String>,
    /// RFC 3339, UTC.
    created_at: String,
}

impl From<&Account> for AccountBody {
    fn from(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            email: account.email.as_shown().to_owned(),
            email_verified: account.email_verified,
            name: account.name.clone(),
            roles: account.roles.clone(),
            created_at: account.created_at.rfc3339(),
        }
    }
}

/// Register an account.
#[utoipa::path(
    post, path = "/auth/register", tag = "accounts", request_body = RegisterBody,
    responses(
        (status = 201, description = "The account; it can log in at once", body = AccountBody),
        (status = 400, description = "Not JSON", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`registration_closed`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`email_exists`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`, `invalid_email`, `invalid_password`, `invalid_name`, `weak_password`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_attempts`; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`busy`, `unavailable`; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn register(
    State(state): State<ApiState>,
    facts: RequestFacts,
    request: Request<Body>,
) -> Response {
    match try_register(&state, facts.client, request).await {
        Ok(account) => {
            state.metrics.registration(RegistrationResult::Created);
            let body = Json(AccountBody::from(&account));
            (StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], body).into_response()
        }
        Err((result, problem)) => {
            state.metrics.registration(result);
            problem.response(facts.request_id)
        }
    }
}

async fn try_register(
    state: &ApiState,
    address: IpAddr,
    request: Request<Body>,
) -> Result<Account, (RegistrationResult, Problem)> {
    if !state.registration_open {
        let problem = Problem::new(
            StatusCode::FORBIDDEN,
            "registration_closed",
            "accounts are made by the operator here",
        );
        return Err((RegistrationResult::Closed, problem));
    }
    let invalid = |problem| (RegistrationResult::Invalid, problem);
    let ask: RegisterBody = body::json(request).await.map_err(invalid)?;
    let ask = checked(ask, address).map_err(invalid)?;
    state.auth.register(ask).await.map_err(|error| (result_of(&error), error.into()))
}

fn checked(ask: RegisterBody, address: IpAddr) -> Result<Registration, Problem> {
    let refuse = |code, detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
    Ok(Registration {
        email: EmailAddress::parse(&ask.email).map_err(|error| refuse("invalid_email", error.to_string()))?,
        password: Password::parse(ask.password.expose_secret().to_owned())
            .map_err(|error| refuse("invalid_password", error.to_string()))?,
        name: ask
            .name
            .map(|name| DisplayName::parse(&name))
            .transpose()
            .map_err(|error| refuse("invalid_name", error.to_string()))?,
        roles: Vec::new(),
        address: Some(address),
    })
}

fn result_of(error: &AuthError) -> RegistrationResult {
    match error {
        AuthError::EmailTaken => RegistrationResult::EmailExists,
        AuthError::WeakPassword(_) => RegistrationResult::WeakPassword,
        AuthError::TooManyAttempts(_) => RegistrationResult::TooMany,
        AuthError::Busy => RegistrationResult::Busy,
        AuthError::InvalidCredentials
        | AuthError::InvalidRefreshToken
        | AuthError::WrongPassword
        | AuthError::AccountGone
        | AuthError::SessionEnded
        | AuthError::Unavailable(_)
        | AuthError::Internal(_) => RegistrationResult::Error,
    }
}

/// Read your own account.
#[utoipa::path(
    get, path = "/auth/me", tag = "accounts", security(("password" = [])),
    responses(
        (status = 200, description = "Your account", body = AccountBody),
        (status = 401, description = "No token, or one that is not valid now", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_forged_tokens`: see Retry-After; the token may be good", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`busy`, `unavailable`; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn me(State(state): State<ApiState>, facts: RequestFacts, Caller(caller): Caller) -> Response {
    let claims = caller.claims();
    match state.auth.profile(claims.account_id(), claims.session_id()).await {
        Ok(account) => ([(CACHE_CONTROL, "no-store")], Json(AccountBody::from(&account))).into_response(),
        Err(error) => Problem::from(error).response(facts.request_id),
    }
}
