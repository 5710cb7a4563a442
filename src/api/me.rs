//! What somebody changes about their own account: the name, the password, and that it is there.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;
use http::{Request, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::accounts::AccountBody;
use super::bearer::Caller;
use super::body;
use super::problem::{Problem, ProblemBody};
use super::state::{ApiState, RequestFacts};
use crate::actors::{AccountDeletion, AuthError, PasswordChange, Renaming};
use crate::domain::name::DisplayName;
use crate::domain::password::Password;

/// A new name.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameBody {
    /// 1 to 200 characters, or null for none.
    #[serde(deserialize_with = "Option::deserialize")] // null is a value; to leave it out is a mistake
    #[schema(required, example = "Ada")]
    pub(super) name: Option<String>,
}

/// A new password.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    /// The password so far.
    #[schema(value_type = String, format = Password)]
    pub(super) current_password: SecretString,
    /// The new one, by the rules of registration.
    #[schema(value_type = String, format = Password)]
    pub(super) new_password: SecretString,
}

/// The proof that it is really you who asks.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteBody {
    /// Your password.
    #[schema(value_type = String, format = Password)]
    pub(super) password: SecretString,
}

/// Change your name.
#[utoipa::path(
    patch, path = "/auth/me", tag = "accounts", security(("password" = [])), request_body = RenameBody,
    responses(
        (status = 200, description = "Your account as it is now", body = AccountBody),
        (status = 400, description = "Not JSON", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No token, or one that is not valid now", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`, `invalid_name`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_forged_tokens`: see Retry-After; the token may be good", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`busy`, `unavailable`; see Retry-After", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn rename(
    State(state): State<ApiState>,
    facts: RequestFacts,
    caller: Caller,
    request: Request<Body>,
) -> Response {
    let attempt = async {
        let ask: RenameBody = body::json(request).await?;
        let name = ask.name.map(|name| DisplayName::parse(&name)).transpose();
        let name = name.map_err(|error| unprocessable("invalid_name", error.to_string()))?;
        Ok::<_, Problem>(state.auth.rename(Renaming { by: caller.principal(), name }).await?)
    };
    match attempt.await {
        Ok(account) => ([(CACHE_CONTROL, "no-store")], Json(AccountBody::from(&account))).into_response(),
        Err(problem) => problem.response(facts.request_id),
    }
}

/// Change your password.
///
/// Ends every session of the account, the one that asks too: log in again with the new password.
#[utoipa::path(
    post, path = "/auth/password/change", tag = "accounts", security(("password" = [])), request_body = PasswordBody,
    responses(
        (status = 204, description = "Changed; all sessions have ended"),
        (status = 400, description = "Not JSON", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No token, or one that is not valid now", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`invalid_credentials`: the current password is wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`, `invalid_password`, `weak_password`, `same_password`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_attempts`: wrong passwords in this session; `too_many_forged_tokens`: the token may be good. See Retry-After", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`busy`, `unavailable`: not known to be done. Sessions may have ended; the old password holds, or the new one when only the answer was lost", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn change_password(
    State(state): State<ApiState>,
    facts: RequestFacts,
    caller: Caller,
    request: Request<Body>,
) -> Response {
    let attempt = async {
        let ask: PasswordBody = body::json(request).await?;
        let new = Password::parse(ask.new_password.expose_secret().to_owned())
            .map_err(|error| unprocessable("invalid_password", error.to_string()))?;
        let current = proof(&ask.current_password)?;
        // Says nothing about the right one: both came with the request.
        if new.expose() == current.expose() {
            return Err(unprocessable("same_password", "the new password is the current one"));
        }
        let ask = PasswordChange { by: caller.principal(), address: facts.client, current, new };
        Ok::<_, Problem>(state.auth.change_password(ask).await?)
    };
    done(attempt.await, &facts)
}

/// Delete your account.
///
/// Ends every session of it first. The address is free again afterwards.
#[utoipa::path(
    delete, path = "/auth/me", tag = "accounts", security(("password" = [])), request_body = DeleteBody,
    responses(
        (status = 204, description = "The account is gone"),
        (status = 400, description = "Not JSON", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "No token, or one that is not valid now", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`invalid_credentials`: the password is wrong", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`unsupported_media_type`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`invalid_fields`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 429, description = "`too_many_attempts`: wrong passwords in this session; `too_many_forged_tokens`: the token may be good. See Retry-After", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`busy`, `unavailable`: not known to be done. Sessions may have ended; the account is there, or gone when only the answer was lost", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn delete(
    State(state): State<ApiState>,
    facts: RequestFacts,
    caller: Caller,
    request: Request<Body>,
) -> Response {
    let attempt = async {
        let ask: DeleteBody = body::json(request).await?;
        let ask = AccountDeletion {
            by: caller.principal(),
            address: facts.client,
            password: proof(&ask.password)?,
        };
        Ok::<_, Problem>(state.auth.delete_own_account(ask).await?)
    };
    done(attempt.await, &facts)
}

/// Nobody can have a password that does not parse; it answers like any wrong one.
fn proof(password: &SecretString) -> Result<Password, Problem> {
    Password::parse(password.expose_secret().to_owned()).map_err(|_| AuthError::WrongPassword.into())
}

fn unprocessable(code: &'static str, detail: impl Into<Box<str>>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
}

fn done(outcome: Result<(), Problem>, facts: &RequestFacts) -> Response {
    match outcome {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(problem) => problem.response(facts.request_id),
    }
}
