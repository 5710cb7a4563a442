//! May this request reach a service?
//!
//! [`Admission::admit`] is the only maker of [`Admitted`], and the proxy names a service only for an
//! `Admitted`. Unknown path: refused. Path that only some routes take (see [`super::request::Oddity`]): refused
//! without such a route. Protected route: a token that is valid now, exactly one.

use std::net::IpAddr;
use std::sync::Arc;

use http::StatusCode;

use super::request::{Body, CanonicalRequest, Credentials, Oddity, Refusal};
use super::respond;
use crate::actors::{AuthError, AuthHandle};
use crate::api::{self, Presented, Problem, authenticate};
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
    max_body_bytes: Option<u64>,
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

    /// Bytes of its body that may pass. None: any number.
    pub fn max_body_bytes(&self) -> Option<u64> {
        self.route.max_body_bytes
    }

    /// Whether so much is announced as may not pass.
    pub fn refuses_length(&self, body: Body) -> bool {
        match (body, self.route.max_body_bytes) {
            (Body::Length(length), Some(most)) => length > most,
            (Body::None | Body::Chunked, _) | (_, None) => false,
        }
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

impl Refused {
    fn by(refusal: &Refusal, route: Option<usize>) -> Self {
        Self { problem: respond::refusal_problem(refusal), reason: refusal.code, route, undecided: None }
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

    /// Whether the gateway answers this request itself, whatever the routes say.
    ///
    /// # Errors
    /// [`Refused`]: it does, and the path is one that only a route may allow.
    pub fn is_own(&self, request: &CanonicalRequest) -> Result<bool, Refused> {
        let own = api::owns(request.path());
        match request.oddities().refusal_unless(|_| !own) {
            Some(refusal) => Err(Refused::by(&refusal, None)),
            None => Ok(own),
        }
    }

    /// Judges a request that this client sent on this connection. On a public route credentials are not looked at: the service is told
    /// nothing about the caller.
    ///
    /// # Errors
    /// [`Refused`]: no route, or no token that is valid now.
    pub fn admit(
        &self,
        request: &CanonicalRequest,
        client: IpAddr,
        connection: &OpenConnection,
    ) -> Result<Admitted, Refused> {
        let found = self.routes.position(request.path());
        let found = found.and_then(|at| Some((at, self.routes().get(at)?)));
        if let Some(refusal) = odd_path(&self.routes, request, found) {
            return Err(Refused::by(&refusal, found.map(|(position, _)| position)));
        }
        let Some((position, route)) = found else {
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
            max_body_bytes: route.max_body_bytes,
        };
        let (caller, open) = match (access, route.on_revoke) {
            (Access::Public, _) => (None, None),
            (Access::Authenticated, OnRevoke::Finish) => (Some(self.caller(request, client, route)?), None),
            (Access::Authenticated, OnRevoke::Close) => {
                let (caller, open) = connection.open(|| self.caller(request, client, route))?;
                (Some(caller), Some(open))
            }
        };
        Ok(Admitted { route, caller, nobody: Arc::clone(&self.nobody), _open: open })
    }

    fn caller(
        &self,
        request: &CanonicalRequest,
        client: IpAddr,
        route: AdmittedRoute,
    ) -> Result<Arc<Verified>, Refused> {
        authenticate(&self.check, &self.metrics, client, presented(request)).map_err(|denied| Refused {
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

/// Why a path is not taken in the form that it has, if it is not, by the route that was found for it.
fn odd_path(
    routes: &RouteTable,
    request: &CanonicalRequest,
    found: Option<(usize, &Route)>,
) -> Option<Refusal> {
    let allowed = |oddity| match (oddity, found) {
        (_, None) => false,
        (Oddity::EncodedSlash, Some((_, route))) => route.allow_encoded_slash,
        (Oddity::EmptySegment, Some((_, route))) => route.merge_slashes,
    };
    // The service may take an encoded slash for a plain one. No reading of the path may lie under another route.
    let elsewhere =
        |path: &String| api::owns(path) || routes.position(path) != found.map(|(position, _)| position);
    let leads_elsewhere = || request.other_readings().is_some_and(|readings| readings.iter().any(elsewhere));
    let refusal = request.oddities().refusal_unless(allowed);
    refusal.or_else(|| leads_elsewhere().then(|| Oddity::EncodedSlash.refusal()))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::gateway::request::HeadLimits;

    const LIMITS: HeadLimits = HeadLimits { max_header_bytes: 4096, max_headers: 9, max_target_bytes: 1024 };

    fn table(routes: Vec<(String, bool, bool)>) -> RouteTable {
        let route = |(path, allow_encoded_slash, merge_slashes)| Route {
            path,
            upstream: 0,
            access: Access::Public,
            forward_authorization: false,
            on_stale: OnStale::Refuse,
            on_revoke: OnRevoke::Close,
            max_body_bytes: None,
            allow_encoded_slash,
            merge_slashes,
        };
        RouteTable::new(routes.into_iter().map(route).collect()).unwrap()
    }

    /// The path of the route that takes this path, and the path as it is forwarded; or why it is refused.
    fn taken<'a>(routes: &'a RouteTable, path: &str) -> Result<(&'a str, String), &'static str> {
        let head = format!("GET {path}?q//%2f HTTP/1.1\r\nHost: a\r\n\r\n");
        let request =
            CanonicalRequest::parse_odd(head.as_bytes(), &LIMITS).map_err(|refusal| refusal.code)?;
        let forwarded = format!("GET {}?q//%2f HTTP/1.1\r\n", request.path());
        assert!(request.head().starts_with(forwarded.as_bytes()), "{forwarded}");
        let found = routes.position(request.path()).map(|at| (at, &routes.routes()[at]));
        if let Some(refusal) = odd_path(routes, &request, found) {
            return Err(refusal.code);
        }
        Ok((found.ok_or("no_route")?.1.path.as_str(), request.path().to_owned()))
    }

    #[test]
    fn only_its_own_route_allows_an_odd_path() {
        let routes = [("/", false, false), ("/e", true, false), ("/m", false, true), ("/e/p", false, false)];
        let both = [("/b", true, true), ("/b/c", true, true), ("/b/d", false, false)];
        let routes = table(routes.iter().chain(&both).map(|(p, e, m)| ((*p).to_owned(), *e, *m)).collect());
        for (path, expected) in [
            ("/e/x%2Fy", Ok(("/e", "/e/x%2Fy"))),
            ("/e/x%2f%2fy%2f", Ok(("/e", "/e/x%2f%2fy%2f"))),
            ("/e/%2f", Ok(("/e", "/e/%2f"))),
            ("/e//x", Err("empty_segment")),
            ("/m//x///y//", Ok(("/m", "/m/x/y/"))),
            ("//m/x", Ok(("/m", "/m/x"))),
            ("/m/x%2fy", Err("encoded_slash")),
            ("/b//x%2fy", Ok(("/b", "/b/x%2fy"))),
            ("/b//%2f/x", Ok(("/b", "/b/%2f/x"))),
            // Of routes that allow nothing.
            ("/x%2fy", Err("encoded_slash")),
            ("//x", Err("empty_segment")),
            ("/e/p%2fx", Err("encoded_slash")),
            ("/e/p/x%2fy", Err("encoded_slash")),
            ("/b//d", Err("empty_segment")),
            // Another route, for a service that decodes.
            ("/e%2fx", Err("encoded_slash")),
            ("/e%2fp", Err("encoded_slash")),
            ("/e/%2fp", Err("encoded_slash")),
            ("/b/%2fc", Err("encoded_slash")),
            ("/b%2fc", Err("encoded_slash")),
            ("/b/%2f%2fd/x", Err("encoded_slash")),
            // Whatever is allowed.
            ("/e/..%2fp", Err("dot_segment")),
            ("/b//../e", Err("dot_segment")),
            ("/b/x%2f..%2f..%2fe", Err("dot_segment")),
            ("/b/x%5cy", Err("encoded_backslash")),
            ("/b//x%252fy", Err("double_encoding")),
        ] {
            assert_eq!(taken(&routes, path), expected.map(|(r, p)| (r, p.to_owned())), "{path}");
        }
    }

    #[test]
    fn nothing_leads_to_the_gateways_own_paths() {
        let routes = table(vec![("/".to_owned(), true, true), ("/.well-known".to_owned(), true, true)]);
        for path in ["/auth%2fme", "/%2fauth/me", "/auth%2F", "/.well-known%2fjwks.json", "//auth%2f%2fme"] {
            assert_eq!(taken(&routes, path).map(|_| ()), Err("encoded_slash"), "{path}");
        }
        // A merged path is the path: `is_own` sees it.
        assert_eq!(taken(&routes, "//auth//me"), Ok(("/", "/auth/me".to_owned())));
    }

    /// What services make of a path: decoded so often, slashes merged, dot segments removed.
    fn read(path: &str, decodings: usize, merges: bool, removes_dots: bool) -> String {
        let mut text = path.to_owned();
        for _ in 0..decodings {
            for (triple, character) in [("%2f", "/"), ("%2F", "/"), ("%2e", "."), ("%5c", "/"), ("%25", "%")]
            {
                text = text.replace(triple, character);
            }
        }
        let mut segments: Vec<&str> = Vec::new();
        for segment in text.split('/').skip(1) {
            match segment {
                "" if merges => {}
                "." if removes_dots => {}
                ".." if removes_dots => drop(segments.pop()),
                segment => segments.push(segment),
            }
        }
        format!("/{}", segments.join("/"))
    }

    /// The definition of a route, word for word.
    fn under<'a>(routes: &'a RouteTable, path: &str) -> Option<&'a str> {
        let takes = |route: &&Route| {
            let prefix = route.path.trim_end_matches('/');
            path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
        };
        let longest = routes.routes().iter().filter(takes).max_by_key(|route| route.path.len());
        longest.map(|route| route.path.as_str())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        /// Whatever routes allow, and however a service reads what it gets: it reads a path of the route that
        /// was decided on.
        #[test]
        fn no_reading_of_a_path_lies_under_another_route(
            routes in proptest::collection::hash_map(
                "/|(/(a|b|ab)){1,3}", (proptest::bool::weighted(0.7), proptest::bool::weighted(0.7)), 1..9,
            ),
            path in "/(a|b|ab|/|/|%2f|%2F|%2f|//|\\.|%2e|%5c|%25){0,10}",
        ) {
            let routes = table(routes.into_iter().map(|(path, (e, m))| (path, e, m)).collect());
            if let Ok((route, path)) = taken(&routes, &path) {
                prop_assert!(!path.contains("//"), "{}", path);
                for decodings in 0..3 {
                    for (merges, removes_dots) in [(false, false), (false, true), (true, false), (true, true)] {
                        let read = read(&path, decodings, merges, removes_dots);
                        prop_assert_eq!(under(&routes, &read), Some(route), "{} as {}", path, read);
                    }
                }
            }
        }
    }
}
