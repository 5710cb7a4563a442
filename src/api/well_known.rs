//! What other verifiers need.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CACHE_CONTROL;

use super::state::ApiState;

/// The public keys that access tokens are signed with (RFC 7517).
///
/// Empty with HS256: a shared secret is not published.
#[utoipa::path(
    get, path = "/.well-known/jwks.json", tag = "keys",
    responses((status = 200, description = "A JWK Set", body = serde_json::Value))
)]
pub async fn jwks(State(state): State<ApiState>) -> Response {
    let keys = state.check.keys().load().jwks();
    ([(CACHE_CONTROL, "public, max-age=300")], Json(keys)).into_response()
}
