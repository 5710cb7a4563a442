//! `gateward serve`: start order, the wait for a reason to stop, stop order.
//!
//! Start: logs, stores and actors (they are ready or the start fails), the services' addresses, then the
//! listeners. Stop: the listeners first, then requests in flight have their grace, then the actors, so that an
//! acknowledged request is never cut off from its store.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::files::connections_within_limit;
use super::ready_line::try_it;
use super::runtime::{install_crypto, proxy_runtime};
use super::{AppError, tls, upstreams};
use crate::actors::AuthSystem;
use crate::api::admin::{AdminState, admin_router};
use crate::api::demo::demo_router;
use crate::api::{self, ApiState, Issuer, StatusListCache, public_router};
use crate::config::{
    LogFormat, Registration, RouteAccess, RouteOnRevoke, RouteOnStale, RouteSettings, Settings, StoreKind,
};
use crate::domain::client::Clients;
use crate::domain::route::{Access, OnRevoke, OnStale, Route, RouteTable};
use crate::domain::status_list::StatusLists;
use crate::gateway::request::HeadLimits;
use crate::gateway::{Admission, Bridge, Edge, EdgeLimits, Gateway, OwnBodyLimits, UpstreamSpec, Upstreams};
use crate::live::Clock;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{self, LogFormatChoice};

/// Connections that wait to be accepted. The system may allow fewer (net.core.somaxconn, 4096 on Linux).
const QUEUE: u32 = 4096;

/// Name of the built-in demo service.
const DEMO: &str = "demo";

/// How long a service may keep the published keys at most.
const KEYS_MAX_AGE: std::time::Duration = std::time::Duration::from_secs(300);

/// Serves until a signal, or until the actors give up. `greet`: print the calls to try.
///
/// # Errors
/// The start failed, or the actors could not be kept running.
pub fn serve(settings: &Settings, greet: bool) -> Result<(), AppError> {
    install_crypto();
    let format = match settings.log.format {
        LogFormat::Text => LogFormatChoice::Text,
        LogFormat::Json => LogFormatChoice::Json,
    };
    let logs = telemetry::init(format, &settings.log.level).map_err(failed)?;
    telemetry::log_panics();
    let clock = Clock::System;
    let metrics = Arc::new(Metrics::new(clock.now().unix_seconds()).map_err(failed)?);
    metrics.watch_dropped_lines(logs.dropped_lines());
    let system = AuthSystem::start(settings, Arc::clone(&metrics), clock)?;
    let runtime = proxy_runtime(settings.server.threads)?;
    let outcome = runtime.block_on(run(settings, &system, metrics, greet));
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    system.stop(settings.server.shutdown_grace);
    outcome
}

fn failed(error: impl std::fmt::Display) -> AppError {
    AppError::Failed(error.to_string())
}

async fn run(
    settings: &Settings,
    system: &AuthSystem,
    metrics: Arc<Metrics>,
    greet: bool,
) -> Result<(), AppError> {
    let (stop, stopping) = watch::channel(false);
    let listener = bind(settings.server.listen, "server.listen")?;
    let admin = bind(settings.server.admin_listen, "server.admin_listen")?;
    let (listen_at, admin_at) = (local(&listener)?, local(&admin)?);
    let redirect = match settings.tls.redirect_listen {
        Some(address) => Some(bind(address, "tls.redirect_listen")?),
        None => None,
    };
    let tls = tls::load(settings, listen_at, system.check().clock(), &metrics)?;
    let (upstreams, routes) = services(settings, &stopping).await?;
    let behind = upstreams.iter().map(|upstream| upstream.servers.join(", ")).collect::<Vec<_>>().join(", ");
    let issuer = Arc::new(issuer(settings, system, listen_at));
    let edge = edge(settings, system, issuer, &upstreams, &routes, &metrics, &stopping).await?;
    if let Some(tls) = &tls {
        drop(start(tls::follow(Arc::clone(tls), stopping.clone())));
    }
    let hang_up_stops = tls.is_none();
    let edge = Arc::new(match tls {
        Some(tls) => edge.with_tls(tls),
        None => edge,
    });
    if let Some(redirect) = redirect {
        drop(start(Arc::clone(&edge).redirect_to_tls(redirect, stopping.clone())));
    }
    let admin_state = AdminState {
        auth: system.handle(),
        check: system.check(),
        revocations: system.revocations(),
        metrics,
    };
    let admin_task = start(api::serve(admin, admin_router(admin_state), api::ADMIN_BOUNDS, stopping.clone()));
    tracing::info!(listen = %listen_at, admin = %admin_at, version = env!("CARGO_PKG_VERSION"), "ready");
    if greet {
        let behind = if settings.upstreams.is_empty() { "the built-in demo service" } else { &behind };
        let scheme = if settings.server.over_tls { "https" } else { "http" };
        print!("{}", try_it(scheme, listen_at, admin_at, behind));
    }
    #[expect(clippy::disallowed_methods, reason = "one task, awaited below")]
    let serving = tokio::spawn(edge.serve(listener, stopping, settings.server.shutdown_grace));
    let outcome = reason_to_stop(system.fatal(), hang_up_stops).await;
    tracing::info!("stopping");
    stop.send_replace(true);
    tokio::select! {
        finished = serving => {
            if !finished.unwrap_or(false) {
                tracing::warn!("some connections were cut");
            }
        }
        () = any_signal(hang_up_stops) => tracing::warn!("stopped at once"),
    }
    admin_task.abort();
    outcome
}

/// A listener with a queue that outlasts a moment in which nobody accepts: the usual 128 overflow when a few hundred
/// clients come at once, and each that finds it full tries again after a whole second.
fn bind(address: SocketAddr, key: &'static str) -> Result<TcpListener, AppError> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // As std does: a restart need not wait for connections of the last run to be forgotten.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(QUEUE)
    };
    listen().map_err(|source| AppError::Bind { address, key, source })
}

fn local(listener: &TcpListener) -> Result<SocketAddr, AppError> {
    listener.local_addr().map_err(failed)
}

/// The configured services, or the built-in demo service on a loopback port of its own.
async fn services(
    settings: &Settings,
    stopping: &watch::Receiver<bool>,
) -> Result<(Vec<UpstreamSpec>, Vec<RouteSettings>), AppError> {
    if !settings.upstreams.is_empty() {
        return Ok((upstreams::specs(&settings.upstreams), settings.routes.clone()));
    }
    let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let address = local(&listener)?;
    drop(start(api::serve(listener, demo_router(), api::DEMO_BOUNDS, stopping.clone())));
    tracing::info!(%address, "no upstream is configured: the built-in demo service answers");
    let route = RouteSettings {
        path: "/".to_owned(),
        upstream: DEMO.to_owned(),
        access: RouteAccess::Authenticated,
        forward_authorization: false,
        on_stale: RouteOnStale::Refuse,
        on_revoke: RouteOnRevoke::Close,
        max_body_bytes: None,
        allow_encoded_slash: false,
        merge_slashes: false,
    };
    Ok((vec![upstreams::own(DEMO, address)], vec![route]))
}

#[expect(clippy::disallowed_methods, reason = "a server of its own, which ends with the stop signal")]
fn start(server: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(server)
}

fn issuer(settings: &Settings, system: &AuthSystem, listen_at: SocketAddr) -> Issuer {
    let public_url = settings.server.public_url(listen_at);
    if settings.server.public_url.is_none() && matches!(settings.store.kind, StoreKind::Postgres { .. }) {
        tracing::warn!(%public_url, "server.public_url is not set: each replica tells clients its own address");
    }
    let status_lists = StatusListCache::new(
        StatusLists::at(&public_url),
        settings.token.status_list_ttl,
        system.revocations(),
        system.check(),
    );
    let clients = settings.clients.iter().map(|client| (client.id.as_str(), &client.secret));
    Issuer {
        name: settings.token.issuer.clone(),
        public_url,
        clients: Arc::new(Clients::new(clients)),
        status_lists: Arc::new(status_lists),
    }
}

async fn edge(
    settings: &Settings,
    system: &AuthSystem,
    issuer: Arc<Issuer>,
    upstreams: &[UpstreamSpec],
    routes: &[RouteSettings],
    metrics: &Arc<Metrics>,
    stopping: &watch::Receiver<bool>,
) -> Result<Edge, AppError> {
    let table = RouteTable::new(route_rules(upstreams, routes)?).map_err(failed)?;
    let admission = Admission::new(Arc::new(table), system.check(), Arc::clone(metrics));
    let resolved = Upstreams::resolve(upstreams).await;
    drop(start(resolved.clone().follow(stopping.clone())));
    let state = ApiState {
        auth: system.handle(),
        check: system.check(),
        metrics: Arc::clone(metrics),
        keys_max_age: (settings.token.publish_ahead / 2).min(KEYS_MAX_AGE),
        registration_open: settings.accounts.registration == Registration::Open,
        issuer,
    };
    let server = &settings.server;
    let own_bodies = OwnBodyLimits { bytes: server.auth_body_limit, time: server.body_timeout };
    let gateway = Gateway::new(
        admission,
        system.handle(),
        resolved,
        Bridge::new(public_router(state), own_bodies),
        Arc::clone(metrics),
        system.check().clock(),
    );
    Ok(Edge::new(gateway, limits(settings)))
}

fn limits(settings: &Settings) -> EdgeLimits {
    let server = &settings.server;
    EdgeLimits {
        max_connections: connections_within_limit(settings),
        max_connections_per_address: server.max_connections_per_address,
        count_loopback: server.count_loopback,
        trusted_proxies: server.trusted_proxies.clone(),
        max_requests_per_connection: server.max_requests_per_connection,
        head: HeadLimits {
            max_header_bytes: server.max_header_bytes,
            max_headers: server.max_headers,
            max_target_bytes: server.max_target_bytes,
        },
        head_timeout: server.head_timeout,
        keepalive_timeout: server.keepalive_timeout,
        body_timeout: server.body_timeout,
        write_timeout: server.write_timeout,
        max_streams: server.max_streams,
        h2c: server.h2c,
    }
}

fn route_rules(upstreams: &[UpstreamSpec], routes: &[RouteSettings]) -> Result<Vec<Route>, AppError> {
    routes
        .iter()
        .map(|route| {
            let upstream = upstreams
                .iter()
                .position(|upstream| upstream.name == route.upstream)
                .ok_or_else(|| AppError::Failed(format!("no upstream `{}`", route.upstream)))?;
            if route.allow_encoded_slash || route.merge_slashes {
                tracing::warn!(
                    route = route.path,
                    route.allow_encoded_slash,
                    route.merge_slashes,
                    "a route takes paths that can be read in two ways"
                );
            }
            Ok(Route {
                path: route.path.clone(),
                upstream,
                access: match route.access {
                    RouteAccess::Public => Access::Public,
                    RouteAccess::Authenticated => Access::Authenticated,
                },
                forward_authorization: route.forward_authorization,
                on_stale: match route.on_stale {
                    RouteOnStale::Refuse => OnStale::Refuse,
                    RouteOnStale::Check => OnStale::Check,
                },
                on_revoke: match route.on_revoke {
                    RouteOnRevoke::Close => OnRevoke::Close,
                    RouteOnRevoke::Finish => OnRevoke::Finish,
                },
                max_body_bytes: route.max_body_bytes,
                allow_encoded_slash: route.allow_encoded_slash,
                merge_slashes: route.merge_slashes,
            })
        })
        .collect()
}

/// Waits for a signal to stop, or the actors' end.
async fn reason_to_stop(mut fatal: watch::Receiver<bool>, hang_up_stops: bool) -> Result<(), AppError> {
    tokio::select! {
        () = any_signal(hang_up_stops) => Ok(()),
        _ = fatal.wait_for(|fatal| *fatal) => {
            Err(AppError::Failed("the actors could not be kept running".to_owned()))
        }
    }
}

/// SIGHUP too: a closed terminal is no reason to cut requests off. Unless it asks for certificates to be read again.
async fn any_signal(hang_up_stops: bool) {
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hang_up)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::hangup()))
    else {
        // Without handlers the default action ends the process.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hang_up.recv(), if hang_up_stops => {}
    }
}
