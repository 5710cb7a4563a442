//! Discovery: what this issuer offers and where (RFC 8414, OpenID Connect Discovery 1.0).
//!
//! Only what is true. There is no authorization endpoint and no ID token, so `response_types_supported` is empty and
//! OpenID's other required members are absent: the document under OpenID's name is there for programs that look for
//! keys and endpoints at that place, and does not make this an OpenID provider. An endpoint that nobody can use
//! (introspection without clients) is not announced.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL};
use serde::Serialize;
use utoipa::ToSchema;

use super::issuer::Issuer;
use super::state::ApiState;
use super::token::GRANT_TYPES;

/// Ways for a client to authenticate; see `client_auth`.
const CLIENT_AUTH: [&str; 2] = ["client_secret_basic", "client_secret_post"];
/// Holding the token, or the password, is the proof.
const NO_AUTH: &str = "none";

/// Metadata of the authorization server.
#[derive(Debug, Serialize, ToSchema)]
pub struct MetadataBody {
    /// `iss` of every token.
    issuer: String,
    /// Answers every grant of `grant_types_supported`.
    token_endpoint: String,
    /// Clients are public here.
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    /// The keys.
    jwks_uri: String,
    /// Of `token_endpoint`.
    grant_types_supported: Vec<&'static str>,
    /// Empty: there is no authorization endpoint.
    response_types_supported: Vec<&'static str>,
    /// RFC 7009.
    revocation_endpoint: String,
    /// `none`: holding the token is enough.
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    /// RFC 7662; absent without clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    introspection_endpoint_auth_methods_supported: Option<Vec<&'static str>>,
    /// Where the status lists are listed.
    status_list_aggregation_endpoint: String,
    /// The API's own documentation.
    service_documentation: String,
}

/// What both documents say.
fn metadata(issuer: &Issuer) -> MetadataBody {
    let at = |path: &str| format!("{}{path}", issuer.public_url);
    let has_clients = !issuer.clients.is_empty();
    let or_client = if has_clients { &CLIENT_AUTH[..] } else { &[] };
    MetadataBody {
        issuer: issuer.name.clone(),
        token_endpoint: at("/auth/token"),
        token_endpoint_auth_methods_supported: vec![NO_AUTH],
        jwks_uri: at("/.well-known/jwks.json"),
        grant_types_supported: GRANT_TYPES.to_vec(),
        response_types_supported: Vec::new(),
        revocation_endpoint: at("/auth/revoke"),
        revocation_endpoint_auth_methods_supported: [&[NO_AUTH], or_client].concat(),
        introspection_endpoint: has_clients.then(|| at("/auth/introspect")),
        introspection_endpoint_auth_methods_supported: has_clients.then(|| CLIENT_AUTH.to_vec()),
        status_list_aggregation_endpoint: issuer.status_lists.uri_of_all().to_owned(),
        service_documentation: at("/auth/docs/"),
    }
}

fn document(state: &ApiState) -> Response {
    let headers = [(CACHE_CONTROL, "public, max-age=300"), (ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    (headers, Json(metadata(&state.issuer))).into_response()
}

/// Metadata of the authorization server (RFC 8414).
#[utoipa::path(
    get, path = "/.well-known/oauth-authorization-server", tag = "standards",
    responses((status = 200, description = "The metadata", body = MetadataBody))
)]
pub async fn authorization_server(State(state): State<ApiState>) -> Response {
    document(&state)
}

/// The same under OpenID's name, for programs that look there for keys and endpoints.
///
/// Not an OpenID provider: no authorization endpoint, no ID tokens.
#[utoipa::path(
    get, path = "/.well-known/openid-configuration", tag = "standards",
    responses((status = 200, description = "The metadata", body = MetadataBody))
)]
pub async fn openid_configuration(State(state): State<ApiState>) -> Response {
    document(&state)
}
