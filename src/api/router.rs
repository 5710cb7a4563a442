//! The public router: which path goes to which handler.

use axum::Router;
use axum::middleware::from_fn;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::docs::{Document, pages};
use super::hardening::hardened;
use super::problem::Problem;
use super::state::{ApiState, RequestFacts};
use super::{
    accounts, discovery, introspect, login, logout, me, refresh, revoke, sessions, status_lists, token,
    well_known,
};

/// Documents about the issuer: a service must not speak for it.
const ISSUER_DOCUMENTS: [&str; 3] = [
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

/// Whether Gateward answers this (canonical) path itself. Nothing below `/auth` ever reaches a service.
pub fn owns(path: &str) -> bool {
    path == "/auth" || path.starts_with("/auth/") || ISSUER_DOCUMENTS.contains(&path)
}

/// The router behind [`owns`]. Every request must carry [`RequestFacts`] as an extension.
pub fn public_router(state: ApiState) -> Router {
    let (router, document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(accounts::register))
        .routes(routes!(accounts::me, me::rename, me::delete))
        .routes(routes!(me::change_password))
        .routes(routes!(sessions::list))
        .routes(routes!(sessions::end))
        .routes(routes!(login::login))
        .routes(routes!(refresh::refresh))
        .routes(routes!(logout::logout))
        .routes(routes!(token::token))
        .routes(routes!(introspect::introspect))
        .routes(routes!(revoke::revoke))
        .routes(routes!(status_lists::status_lists))
        .routes(routes!(status_lists::status_list))
        .routes(routes!(discovery::authorization_server))
        .routes(routes!(discovery::openid_configuration))
        .routes(routes!(well_known::jwks))
        .split_for_parts();
    router
        .merge(pages(document))
        .fallback(async |facts: RequestFacts| Problem::not_found().response(facts.request_id))
        .method_not_allowed_fallback(async |facts: RequestFacts| {
            Problem::method_not_allowed(None).response(facts.request_id)
        })
        .layer(from_fn(hardened))
        .with_state(state)
}

#[cfg(test)]
mod tests {
    use super::owns;

    #[test]
    fn only_whole_segments_are_ours() {
        for ours in
            ["/auth", "/auth/", "/auth/x/y", "/.well-known/jwks.json", "/.well-known/openid-configuration"]
        {
            assert!(owns(ours), "{ours}");
        }
        for theirs in ["/", "/authx", "/Auth/me", "/x/auth/me", "/.well-known/acme-challenge/x"] {
            assert!(!owns(theirs), "{theirs}");
        }
    }
}
