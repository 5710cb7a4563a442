//! The form that introspection and revocation take: a token, what kind it may be, and who asks.

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{self, MediaType};
use super::client_auth::{FormCredentials, invalid_request};
use super::login::{oauth_answer, oauth_error};

/// A token and, optionally, who asks. Other fields are ignored (RFC 7662 2.1, RFC 7009 2.1).
#[derive(Debug, Deserialize, ToSchema)]
pub struct TokenForm {
    /// The token.
    #[schema(value_type = String)]
    token: SecretString,
    /// `access_token` or `refresh_token`. Only a hint, and not needed: what kind a token is shows.
    #[expect(dead_code, reason = "named so that a second one is an error (RFC 6749 3.2)")]
    token_type_hint: Option<String>,
    /// With `client_secret`, instead of HTTP Basic.
    client_id: Option<String>,
    /// See `client_id`.
    #[schema(value_type = Option<String>, format = Password)]
    client_secret: Option<SecretString>,
}

impl TokenForm {
    /// The token, and the credentials apart from it.
    pub fn split(self) -> (SecretString, FormCredentials) {
        (self.token, FormCredentials { id: self.client_id, secret: self.client_secret })
    }
}

/// Reads the form.
///
/// # Errors
/// The answer: 415 for another media type, 400 for another form.
pub async fn read(request: Request<Body>) -> Result<TokenForm, Response> {
    let bytes = form_bytes(request).await?;
    let form: TokenForm = serde_urlencoded::from_bytes(&bytes)
        .map_err(|_| invalid_request("expected the field token, each field once"))?;
    // A parameter without a value counts as absent (RFC 6749 3.2).
    if form.token.expose_secret().is_empty() {
        return Err(invalid_request("expected the field token, each field once"));
    }
    Ok(form)
}

/// The body of an OAuth2 form.
///
/// # Errors
/// The answer: 415 for another media type, 400 for a body that cannot be read.
pub async fn form_bytes(request: Request<Body>) -> Result<bytes::Bytes, Response> {
    match body::media_type(request.headers()) {
        Ok(MediaType::Form) => {}
        Ok(MediaType::Json) | Err(_) => {
            let detail = "expected application/x-www-form-urlencoded (UTF-8), not compressed".to_owned();
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(oauth_answer(status, "invalid_request", detail, "unsupported_media_type"));
        }
    }
    body::bytes(request).await.map_err(|problem| oauth_error(&problem))
}
