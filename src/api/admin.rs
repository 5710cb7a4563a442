//! What operators ask, on an address of its own (loopback unless configured otherwise): is it alive, is
//! it ready, what does it count, which version is it. There is no authentication here.

use std::sync::Arc;

use axum::extract::State;
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;

use super::hardening::hardened;
use crate::actors::AuthHandle;
use crate::live::{LiveRevocations, Moment, TokenCheck};
use crate::telemetry::metrics::{self, Metrics};

/// What the admin handlers work with.
#[derive(Clone)]
pub struct AdminState {
    /// Asked for readiness.
    pub auth: AuthHandle,
    /// Its cache is counted.
    pub check: Arc<TokenCheck>,
    /// Counted.
    pub revocations: LiveRevocations,
    /// Shown.
    pub metrics: Arc<Metrics>,
}

#[derive(Serialize)]
struct ReadyBody {
    ready: bool,
    /// Without these, accounts and logins fail; protected calls go on.
    missing: Vec<&'static str>,
    /// Without these, everything works.
    degraded: Vec<&'static str>,
    revocations: RevocationsBody,
}

#[derive(Serialize)]
struct RevocationsBody {
    /// While this is false, protected calls are refused or checked with the durable store, route by route.
    fresh: bool,
    /// Age of the last proof that all ended sessions are known.
    lag_seconds: f64,
}

#[derive(Serialize)]
struct VersionBody {
    name: &'static str,
    version: &'static str,
}

/// `/livez`, `/readyz`, `/metrics`, `/version`.
pub fn admin_router(state: AdminState) -> Router {
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .layer(from_fn(hardened))
        .with_state(state)
}

async fn ready(State(state): State<AdminState>) -> Response {
    let found = state.auth.readiness().await;
    let now = Moment::now();
    let revocations = RevocationsBody {
        fresh: state.revocations.is_fresh(now),
        lag_seconds: state.revocations.lag(now).as_secs_f64(),
    };
    let ready = found.missing.is_empty() && revocations.fresh;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = ReadyBody { ready, missing: found.missing, degraded: found.degraded, revocations };
    (status, Json(body)).into_response()
}

async fn metrics(State(state): State<AdminState>) -> Response {
    let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let used = state.check.cache_use();
    state.metrics.token_cache_used(used.hits, used.misses);
    state.metrics.token_cache_entries.set(gauge(state.check.cached()));
    state.metrics.open_requests.set(gauge(state.check.open_requests().len()));
    state.metrics.revocations.set(gauge(state.revocations.len()));
    state.metrics.revocation_lag(state.revocations.lag(Moment::now()));
    match state.metrics.render() {
        Ok(text) => ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics not rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn version() -> Response {
    Json(VersionBody { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") }).into_response()
}
