//! The service that stands behind a gateway without configuration: it answers with what it was sent.
//!
//! It listens on loopback and shows what a real service would see: method, path, query and the identity
//! headers, nothing else, so that trying things out does not print cookies or tokens.

use std::collections::BTreeMap;

use axum::extract::Request;
use axum::{Json, Router};
use serde::Serialize;

/// Headers that are shown besides all `x-forwarded-*` and `x-auth-*`.
const SHOWN: [&str; 4] = ["host", "via", "x-request-id", "content-type"];

#[derive(Serialize)]
struct Seen {
    method: String,
    path: String,
    query: Option<String>,
    headers: BTreeMap<String, String>,
}

/// Any method, any path.
pub fn demo_router() -> Router {
    Router::new().fallback(async |request: Request| {
        let headers = request
            .headers()
            .iter()
            .filter(|(name, _)| {
                let name = name.as_str();
                name.starts_with("x-forwarded-") || name.starts_with("x-auth-") || SHOWN.contains(&name)
            })
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
            .collect();
        Json(Seen {
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            headers,
        })
    })
}
