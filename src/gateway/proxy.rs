//! Pingora's view of the gateway: thin, each phase one decision made elsewhere.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use super::admission::{Admission, Admitted, Refused};
use super::arrival::{Arrival, Handed};
use super::bridge::Bridge;
use super::client_connection::{ClientConnection, Progress};
use super::context::{Context, Stage};
use super::report::{Finished, Reports, Way};
use super::request::Upgrade;
use super::upstream::Upstreams;
use super::verdict::{blame, verdict};
use super::{headers, respond};
use crate::actors::AuthHandle;
use crate::api;
use crate::domain::id::RequestId;
use crate::live::Clock;
use crate::telemetry::Outcome;
use crate::telemetry::metrics::Metrics;

/// The gateway as pingora calls it. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    admission: Admission,
    auth: AuthHandle,
    pub(super) upstreams: Upstreams,
    bridge: Bridge,
    pub(super) reports: Reports,
    pub(super) metrics: Arc<Metrics>,
    clock: Clock,
}

impl Gateway {
    /// Puts the parts together.
    pub fn new(
        admission: Admission,
        auth: AuthHandle,
        upstreams: Upstreams,
        bridge: Bridge,
        metrics: Arc<Metrics>,
        clock: Clock,
    ) -> Self {
        let reports = Reports::new(admission.routes(), &metrics);
        Self { admission, auth, upstreams, bridge, reports, metrics, clock }
    }

    /// A new connection of a client.
    pub(super) fn connection(&self) -> ClientConnection {
        ClientConnection::new(self.admission.open_requests())
    }

    /// Closes the requests whose tokens have expired.
    pub(super) fn end_expired(&self) {
        self.admission.open_requests().end_expired(self.clock.now());
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// A fresh id. Without randomness the time alone names the request: ids of requests are no secret.
    pub(super) fn request_id(&self) -> RequestId {
        let mut random = [0; 10];
        if getrandom::fill(&mut random).is_err() {
            tracing::debug!("no randomness for a request id");
        }
        RequestId::new(self.clock.now(), random)
    }

    async fn refuse(&self, session: &mut Session, arrival: &Arrival, refused: &Refused) -> Result<Stage> {
        if arrival.request.upgrade() == Upgrade::WebSocket {
            // What comes next may be frames.
            session.set_keepalive(None);
        }
        respond::problem(session, &refused.problem, arrival).await?;
        Ok(Stage::Answered {
            way: refused.route.map_or(Way::Nowhere, Way::Route),
            outcome: Outcome::Refused,
            reason: Some(refused.reason),
        })
    }

    async fn answer(&self, session: &mut Session, arrival: &Arrival) -> Result<Stage> {
        let answered = self.bridge.answer(session, arrival).await?;
        let outcome = match answered.status.as_u16() {
            500.. => Outcome::Failed,
            400..500 => Outcome::Refused,
            _ => Outcome::Answered,
        };
        Ok(Stage::Answered { way: Way::Own, outcome, reason: answered.reason })
    }
}

#[async_trait]
impl ProxyHttp for Gateway {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new()
    }

    fn init_downstream_modules(&self, _modules: &mut HttpModules) {
        // None: bytes pass as they are.
    }

    /// The edge hands over what it decided on the raw head with every request, not only with reused
    /// connections.
    fn on_connection_reuse(
        &self,
        _session: &mut Session,
        context: &mut Context,
        handed: Box<dyn Any + Send + Sync>,
    ) {
        context.handed = handed.downcast::<Handed>().ok();
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        let Handed { arrival, connection } = context.handed()?;
        if !arrival.request.keep_alive() {
            session.set_keepalive(None);
        }
        context.stage = if api::owns(arrival.request.path()) {
            self.answer(session, arrival).await?
        } else {
            let judged = match self.admission.admit(&arrival.request, &connection.open) {
                Err(refused) => self.admission.appeal(refused, &connection.open, &self.auth).await,
                admitted => admitted,
            };
            match judged {
                Ok(admitted) => {
                    headers::settle_connection(session.req_header_mut(), arrival.request.upgrade())?;
                    Stage::Admitted(admitted)
                }
                Err(refused) => self.refuse(session, arrival, &refused).await?,
            }
        };
        Ok(matches!(context.stage, Stage::Answered { .. }))
    }

    async fn upstream_peer(&self, _session: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        let upstream = context.admitted()?.upstream();
        context.tries += 1;
        let next = match context.arrival()?.request.upgrade() {
            Upgrade::WebSocket => self.upstreams.next_for_upgrade(upstream),
            Upgrade::None | Upgrade::Ignored => self.upstreams.next(upstream),
        };
        next.ok_or_else(|| {
            Error::explain(ErrorType::ConnectError, "no server of the upstream has an address").into_up()
        })
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        let (arrival, admitted) = (context.arrival()?, context.admitted()?);
        headers::strip(request);
        headers::set(admitted.identity(), &arrival.connection_facts(), &arrival.id_value(), request)?;
        headers::remove_session_cookie(request)?;
        if !admitted.forward_authorization() {
            headers::remove_authorization(request);
        }
        Ok(())
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: std::os::unix::io::RawFd,
        _digest: Option<&Digest>,
        context: &mut Context,
    ) -> Result<()> {
        context.failure = None;
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        let arrival = context.arrival()?;
        if response.status == http::StatusCode::SWITCHING_PROTOCOLS
            && arrival.request.upgrade() != Upgrade::WebSocket
        {
            // A client that did not ask would read the other protocol's bytes as answers.
            return Error::explain(ErrorType::InvalidHTTPHeader, "101 without an upgrade")
                .into_up()
                .into_err();
        }
        respond::settle_expectation(session, response.status, arrival);
        headers::settle_answer(response, arrival.request.version());
        response.insert_header("x-request-id", arrival.id_value())?;
        context.status = Some(response.status.as_u16());
        if response.status == http::StatusCode::SWITCHING_PROTOCOLS {
            context.handed()?.connection.advance(Progress::Upgraded);
        } else if !response.status.is_informational() {
            context.handed()?.connection.advance(Progress::Answering);
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        context: &mut Context,
    ) -> Result<()> {
        context.passed.received += length(body.as_ref());
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        context: &mut Context,
    ) -> Result<Option<Duration>> {
        context.passed.sent += length(body.as_ref());
        Ok(None)
    }

    /// The library writes none to a client of HTTP/1.1; a stream of HTTP/2 takes them from here.
    async fn response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        context: &mut Context,
    ) -> Result<Option<Bytes>> {
        if context.arrival()?.request.version() == http::Version::HTTP_2 {
            context.handed()?.connection.set_trailers(trailers.clone());
        }
        Ok(None)
    }

    /// Nothing was sent yet, so the next server may be tried, each once.
    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let servers = context.admitted().map_or(0, |admitted| self.upstreams.servers(admitted.upstream()));
        error.set_retry(context.tries < servers);
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        let (problem, reason) = verdict(error);
        context.failure = Some((blame(problem.as_ref()), reason));
        let mut error_code = 0;
        // A `100 Continue` is no answer yet.
        let answered = session.response_written().is_some_and(|head| {
            !head.status.is_informational() || head.status == http::StatusCode::SWITCHING_PROTOCOLS
        });
        if let (Some(problem), Ok(arrival), false) = (problem, context.arrival(), answered) {
            session.set_keepalive(None);
            error_code = problem.status.as_u16();
            if respond::problem(session, &problem, arrival).await.is_err() {
                context.failure = Some((Outcome::Failed, "client_gone"));
            }
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    /// Our own line says it, without the query.
    fn suppress_error_log(&self, _session: &Session, _context: &Context, _error: &Error) -> bool {
        true
    }

    fn request_summary(&self, _session: &Session, context: &Context) -> String {
        context.arrival().map_or_else(|_| "-".to_owned(), |arrival| arrival.id.to_string())
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        context.logged = true;
        let Ok(arrival) = context.arrival() else {
            tracing::error!("a request without its arrival");
            return;
        };
        let (failed, failure) = match (context.failure, error) {
            (Some((outcome, reason)), Some(_)) => (outcome, Some(reason)),
            (None, Some(error)) => {
                let (problem, reason) = verdict(error);
                (blame(problem.as_ref()), Some(reason))
            }
            (_, None) => (Outcome::Failed, None),
        };
        let (way, outcome, reason) = match &context.stage {
            Stage::Answered { way, outcome, reason } => (*way, *outcome, *reason),
            Stage::Admitted(admitted) if error.is_none() => {
                (Way::Route(admitted.route()), Outcome::Forwarded, None)
            }
            Stage::Admitted(admitted) => (Way::Route(admitted.route()), failed, failure),
            // On its way to a handler of ours: its body did not come.
            Stage::Arrived if api::owns(arrival.request.path()) => (Way::Own, failed, failure),
            Stage::Arrived => (Way::Nowhere, failed, failure),
        };
        let admitted = context.admitted().ok();
        self.reports.finished(&Finished {
            id: arrival.id,
            version: arrival.request.version(),
            method: arrival.request.method().as_str(),
            path: arrival.request.path(),
            way,
            upstream: admitted.and_then(|admitted| self.upstreams.name(admitted.upstream())),
            status: session.response_written().map(|response| response.status.as_u16()),
            outcome,
            reason,
            duration: arrival.started.elapsed(),
            client: arrival.client.address,
            bytes_in: u64::try_from(session.body_bytes_read()).unwrap_or(u64::MAX),
            bytes_out: u64::try_from(session.body_bytes_sent()).unwrap_or(u64::MAX),
            account: admitted.and_then(Admitted::caller).map(|caller| caller.claims().account_id()),
        });
    }
}

fn length(bytes: Option<&Bytes>) -> u64 {
    bytes.map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}
