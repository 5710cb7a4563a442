//! One log line and one count per request, wherever it ended.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Version;

use crate::domain::id::{AccountId, RequestId};
use crate::domain::route::Route;
use crate::telemetry::metrics::{Metrics, RouteMetrics};
use crate::telemetry::{AccessLine, Outcome};

/// Where a request went, for the `route` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A configured route, by its place.
    Route(usize),
    /// The gateway's own endpoints.
    Own,
    /// Nowhere: refused before, or without, a route.
    Nowhere,
}

/// What is said about a finished request.
#[derive(Debug)]
pub struct Finished<'a> {
    pub id: RequestId,
    pub version: Version,
    pub method: &'a str,
    pub path: &'a str,
    pub way: Way,
    pub upstream: Option<&'a str>,
    pub status: Option<u16>,
    pub outcome: Outcome,
    pub reason: Option<&'static str>,
    pub duration: Duration,
    pub client: IpAddr,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub account: Option<AccountId>,
    /// What its route allowed that others do not.
    pub path_exception: Option<&'static str>,
}

/// Label of the gateway's own endpoints; a route's path starts with `/`, so none is called so.
const OWN: &str = "gateward";
/// Label of requests without a route.
const NOWHERE: &str = "none";

/// Says it. Cheap to clone.
#[derive(Clone)]
pub struct Reports(Arc<Handles>);

struct Handles {
    routes: Vec<(String, RouteMetrics)>,
    own: RouteMetrics,
    nowhere: RouteMetrics,
}

impl Reports {
    /// Resolves every label once.
    pub fn new(routes: &[Route], metrics: &Metrics) -> Self {
        let routes =
            routes.iter().map(|route| (route.path.clone(), metrics.for_route(&route.path))).collect();
        Self(Arc::new(Handles { routes, own: metrics.for_route(OWN), nowhere: metrics.for_route(NOWHERE) }))
    }

    /// Counts and logs.
    pub fn finished(&self, request: &Finished<'_>) {
        let (name, metrics) = match request.way {
            Way::Route(position) => match self.0.routes.get(position) {
                Some((name, metrics)) => (Some(name.as_str()), metrics),
                None => (None, &self.0.nowhere),
            },
            Way::Own => (Some(OWN), &self.0.own),
            Way::Nowhere => (None, &self.0.nowhere),
        };
        metrics.finished(request.outcome, request.status, request.duration);
        AccessLine {
            request_id: &request.id,
            http: match request.version {
                Version::HTTP_2 => "2",
                Version::HTTP_10 => "1.0",
                _ => "1.1",
            },
            method: request.method,
            path: request.path,
            route: name,
            upstream: request.upstream,
            status: request.status,
            outcome: request.outcome,
            reason: request.reason,
            duration: request.duration,
            client: request.client,
            bytes_in: request.bytes_in,
            bytes_out: request.bytes_out,
            account: request.account.as_ref().map(|id| id as &dyn std::fmt::Display),
            path_exception: request.path_exception,
        }
        .emit();
    }
}
