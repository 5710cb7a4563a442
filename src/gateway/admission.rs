//! May this request reach a service?
//!
//! [`Admission::admit`] is the only maker of [`Admitted`], and the proxy names a service only for an
//! `Admitted`. Unknown path: refused. Protected route: a token that is valid now, exactly one.

use std::sync::Arc;

use http::StatusCode;

use super::request::{CanonicalRequest, Credentials};
use crate::actors::{AuthError, AuthHandle};
use crate::api::{Presented, Problem, authenticate};
use crate::domain::route::{Access, OnRevoke, OnStale, Route, RouteTable};
use crate::domain::token::TokenRefusal;
use crate::live::{IdentityValues, OpenConnection, OpenRequest, OpenRequests, TokenCheck, Verified};
use crate::telemetry::metrics::Metrics;

/// Decides. Cheap to clone.
#[derive(Clone)]
pub struct Admission {
    routes: Arc<RouteTable>,
    check: Arc<TokenCheck>,
    metrics: Arc<Metrics>,
    nobody: Arc<IdentityValues>,
}

/// Proof that a request may reach the service of its route.
#[derive(Debug)]
pub struct Admitted {
    route: AdmittedRoute,
    caller: Option<Arc<Verified>>,
    nobody: Arc<IdentityValues>,
    /// Until it is dropped, the request ends with its session.
    _open: Option<OpenRequest>,
}

/// What the rest of the way needs of the route.
#[derive(Debug, Clone, Copy)]
struct AdmittedRoute {
    position: usize,
    upstream: usize,
    forward_authorization: bool,
    on_stale: OnStale,
    on_revoke: OnRevoke,
}

/// Why the durable store says no.
const ENDED: &str = TokenRefusal::SessionEnded.as_str();

/// A request that may not pass, with the reason for the log.
#[derive(Debug)]
pub struct Refused {
    /// For the client.
    pub problem: Problem,
    /// For log and metrics.
    pub reason: &'static str,
    /// Place of the route in the route table, when there is one.
    pub route: Option<usize>,
    /// What would have passed, were it known that its session has not ended lately.
    undecided: Option<Box<Undecided>>,
}

impl Refused {
    /// The host belongs to another certificate than the connection's (RFC 9110 section 15.5.20).
    pub(super) fn misdirected() -> Self {
        let problem = Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "misdirected_request",
            "this connection was opened for another host: open one for the host of the request",
        );
        Self { reason: problem.code, problem, route: None, undecided: None }
    }
}

#[derive(Debug)]
struct Undecided {
    route: AdmittedRoute,
    caller: Arc<Verified>,
}

impl Admitted {
    /// Place of the route in the route table.
    pub fn route(&self) -> usize {
        self.route.position
    }

    /// Index of the upstream.
    pub fn upstream(&self) -> usize {
        self.route.upstream
    }

    /// Whether the service wants the token itself.
    pub fn forward_authorization(&self) -> bool {
        self.route.forward_authorization
    }

    /// What the service is told about the caller.
    pub fn identity(&self) -> &IdentityValues {
        self.caller.as_ref().map_or(&self.nobody, |caller| caller.identity())
    }

    /// The caller, on a protected route.
    pub fn caller(&self) -> Option<&Verified> {
        self.caller.as_deref()
    }
}

impl Admission {
    /// Decides by these routes and this check.
    pub fn new(routes: Arc<RouteTable>, check: Arc<TokenCheck>, metrics: Arc<Metrics>) -> Self {
        Self { routes, check, metrics, nobody: Arc::new(IdentityValues::anonymous()) }
    }

    /// The routes, in the order of the configuration.
    pub fn routes(&self) -> &[Route] {
        self.routes.routes()
    }

    /// The requests that end with their session.
    pub fn open_requests(&self) -> &OpenRequests {
        self.check.open_requests()
    }

    /// Judges a request of this connection. On a public route credentials are not looked at: the service is told
    /// nothing about the caller.
    ///
    /// # Errors
    /// [`Refused`]: no route, or no token that is valid now.
    pub fn admit(
        &self,
        request: &CanonicalRequest,
        connection: &OpenConnection,
    ) -> Result<Admitted, Refused> {
        let found = self.routes.position(request.path());
        let Some((position, route)) = found.and_then(|at| Some((at, self.routes().get(at)?))) else {
            let problem = Problem::not_found();
            return Err(Refused { problem, reason: "no_route", route: None, undecided: None });
        };
        let access = route.access;
        let route = AdmittedRoute {
            position,
            upstream: route.upstream,
            forward_authorization: route.forward_authorization,
            on_stale: route.on_stale,
            on_revoke: route.on_revoke,
        };
        let (caller, open) = match (access, route.on_revoke) {
            (Access::Public, _) => (None, None),
            (Access::Authenticated, OnRevoke::Finish) => (Some(self.caller(request, route)?), None),
            (Access::Authenticated, OnRevoke::Close) => {
                let (caller, open) = connection.open(|| self.caller(request, route))?;
                (Some(caller), Some(open))
            }
        };
        Ok(Admitted { route, caller, nobody: Arc::clone(&self.nobody), _open: open })
    }

    fn caller(&self, request: &CanonicalRequest, route: AdmittedRoute) -> Result<Arc<Verified>, Refused> {
        authenticate(&self.check, &self.metrics, presented(request)).map_err(|denied| Refused {
            problem: denied.problem,
            reason: denied.reason,
            route: Some(route.position),
            undecided: denied.undecided.map(|caller| Box::new(Undecided { route, caller })),
        })
    }

    /// Asks the durable store about a request that was refused only because revocations are stale, if its route
    /// wants that. Any other refusal stays one.
    ///
    /// # Errors
    /// [`Refused`]: as before, or for the session that the store knows as ended.
    pub async fn appeal(
        &self,
        mut refused: Refused,
        connection: &OpenConnection,
        auth: &AuthHandle,
    ) -> Result<Admitted, Refused> {
        let Some(undecided) = refused.undecided.take() else { return Err(refused) };
        let Undecided { route, caller } = *undecided;
        if route.on_stale != OnStale::Check {
            return Err(refused);
        }
        // Entered before the question: what ends after the answer cuts it.
        let open = match route.on_revoke {
            OnRevoke::Finish => None,
            OnRevoke::Close => Some(connection.open(|| Ok::<_, Refused>(Arc::clone(&caller)))?.1),
        };
        let claims = caller.claims();
        match auth.confirm(claims.account_id(), claims.session_id(), caller.kid().to_owned()).await {
            Ok(()) => {
                self.metrics.auth_passed();
                Ok(Admitted { route, caller: Some(caller), nobody: Arc::clone(&self.nobody), _open: open })
            }
            Err(AuthError::SessionEnded | AuthError::AccountGone) => {
                self.metrics.auth_refused(ENDED);
                Err(Refused { problem: Problem::invalid_token(), reason: ENDED, ..refused })
            }
            // The store cannot be asked either: as stale as before.
            Err(_) => Err(refused),
        }
    }
}

/// The credentials of a request in the API's words.
pub(super) fn presented(request: &CanonicalRequest) -> Presented<&str> {
    match request.credentials() {
        Credentials::None => Presented::Nothing,
        Credentials::Several => Presented::Several,
        Credentials::OtherScheme | Credentials::Malformed => Presented::Malformed,
        Credentials::Bearer(_) => request.bearer_token().map_or(Presented::Malformed, Presented::Bearer),
    }
}
