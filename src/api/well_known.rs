//! What other verifiers need.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;

use super::state::ApiState;

/// The public keys that access tokens are signed with (RFC 7517).
///
/// Empty with HS256: a shared secret is not published. A key is here before its first token, for longer than the
/// answer may be kept.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "keys",
    responses((status = 200, description = "A JWK Set", body = serde_json::Value))
)]
pub async fn jwks(State(state): State<ApiState>) -> Response {
    let keys = state.check.keys().load().jwks();
    let max_age = format!("public, max-age={}", state.keys_max_age.as_secs());
    ([(CACHE_CONTROL, max_age)], Json(keys)).into_response()
}
