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
use pingora::{Error, ErrorType, Result, RetryType};

use super::admission::{Admission, Admitted, Refused};
use super::arrival::{Arrival, Handed};
use super::bridge::Bridge;
use super::client_connection::{ClientConnection, Progress};
use super::context::{Context, Stage};
use super::old_client::without_chunks;
use super::report::{Finished, Reports, Way};
use super::request::Upgrade;
use super::upstream::Upstreams;
use super::verdict::{NO_UPGRADE, NOT_HTTP2, blame, misconnection, verdict};
use super::violation::Violation;
use super::{headers, request_ids, respond};
use crate::actors::AuthHandle;
use crate::api::{self, Problem};
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

    /// A fresh id.
    pub(super) fn request_id(&self) -> RequestId {
        request_ids::next(self.clock.now())
    }

    async fn refuse(&self, session: &mut Session, arrival: &Arrival, refused: &Refused) -> Result<Stage> {
        // As with every head that can be read in two ways: nothing behind it is believed.
        let ambiguous =
            arrival.request.oddities().any() && refused.problem.status == http::StatusCode::BAD_REQUEST;
        // Behind a handshake, what comes next may be frames.
        if ambiguous || arrival.request.upgrade() == Upgrade::WebSocket {
            session.set_keepalive(None);
        }
        respond::problem(session, &refused.problem, arrival).await?;
        Ok(Stage::Answered {
            way: refused.route.map_or(Way::Nowhere, Way::Route),
            outcome: Outcome::Refused,
            reason: Some(refused.reason),
        })
    }

    /// The length that is announced is too much for the route.
    async fn refuse_length(
        &self,
        session: &mut Session,
        arrival: &Arrival,
        admitted: &Admitted,
    ) -> Result<Stage> {
        let problem = Problem::too_large(admitted.max_body_bytes().unwrap_or(u64::MAX));
        respond::problem(session, &problem, arrival).await?;
        let way = Way::Route(admitted.route());
        Ok(Stage::Answered { way, outcome: Outcome::Refused, reason: Some(problem.code) })
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
        if !arrival.keep_alive() {
            session.set_keepalive(None);
        }
        context.stage = match self.admission.is_own(&arrival.request) {
            _ if arrival.is_misdirected() => self.refuse(session, arrival, &Refused::misdirected()).await?,
            Ok(true) => self.answer(session, arrival).await?,
            Ok(false) => {
                let judged =
                    match self.admission.admit(&arrival.request, arrival.client.address, &connection.open) {
                        Err(refused) => self.admission.appeal(refused, &connection.open, &self.auth).await,
                        admitted => admitted,
                    };
                match judged {
                    Ok(admitted) if admitted.refuses_length(arrival.request.body()) => {
                        self.refuse_length(session, arrival, &admitted).await?
                    }
                    Ok(admitted) => {
                        headers::settle_connection(session.req_header_mut(), arrival.request.upgrade())?;
                        Stage::Admitted(admitted)
                    }
                    Err(refused) => self.refuse(session, arrival, &refused).await?,
                }
            }
            Err(refused) => self.refuse(session, arrival, &refused).await?,
        };
        let answered = matches!(context.stage, Stage::Answered { .. });
        if answered {
            context.handed()?.connection.answered();
        }
        Ok(answered)
    }

    async fn upstream_peer(&self, _session: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        let upstream = context.admitted()?.upstream();
        context.tries += 1;
        let next = match context.arrival()?.request.upgrade() {
            Upgrade::WebSocket if self.upstreams.only_http2(upstream) => {
                return Error::explain(NO_UPGRADE, "only HTTP/2 is spoken with the service")
                    .into_up()
                    .into_err();
            }
            Upgrade::WebSocket => self.upstreams.next_for_upgrade(upstream),
            Upgrade::None | Upgrade::Ignored => self.upstreams.next(upstream),
        };
        next.ok_or_else(|| {
            Error::explain(ErrorType::ConnectError, "no server of the upstream has an address").into_up()
        })
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        let (arrival, admitted) = (context.arrival()?, context.admitted()?);
        if request.version == http::Version::HTTP_2 {
            headers::settle_for_http2(request, &session.req_header().headers, arrival.request.version())?;
            respond::answer_expectation(session, request, arrival).await?;
        } else if self.upstreams.only_http2(admitted.upstream()) {
            return Error::explain(NOT_HTTP2, "the server chose HTTP/1.1").into_up().into_err();
        }
        headers::strip(request);
        headers::set(admitted.identity(), &arrival.connection_facts(), &arrival.id_value(), request)?;
        headers::remove_our_cookies(request)?;
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
        if !headers::settle_framing(response) {
            return Error::explain(ErrorType::InvalidHTTPHeader, "an answer without one end")
                .into_up()
                .into_err();
        }
        respond::settle_expectation(session, response.status, arrival);
        headers::settle_answer(response, arrival.request.version());
        headers::strip_answer(response);
        headers::keep_our_cookies(response)?;
        if arrival.request.version() == http::Version::HTTP_10 {
            session.downstream_modules_ctx = without_chunks();
        }
        response.insert_header("x-request-id", arrival.id_value())?;
        if let Some(hsts) = arrival.client.hsts() {
            response.insert_header(http::header::STRICT_TRANSPORT_SECURITY, hsts)?;
        }
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
        if context.arrival()?.request.upgrade() == Upgrade::WebSocket {
            return Ok(());
        }
        match context.admitted()?.max_body_bytes() {
            // What came before has passed: the service's connection is closed with it.
            Some(most) if context.passed.received > most => {
                let violation = std::io::Error::from(Violation::LargeBody(most));
                Err(Error::because(ErrorType::ReadError, "request body", violation).into_down())
            }
            Some(_) | None => Ok(()),
        }
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
            headers::strip_trailers(trailers);
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

    /// A request that may have consequences is never sent twice, unless it is certain that the service did not touch
    /// the first: it refused the HTTP/2 stream, or closed the connection before it (RFC 9113 sections 8.7 and 6.8).
    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        _context: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        let untouched =
            *error.etype() == ErrorType::H2Error && matches!(error.retry, RetryType::Decided(true));
        let harmless = untouched || session.req_header().method.is_idempotent();
        if !harmless || session.as_ref().retry_buffer_truncated() {
            error.set_retry(false);
        } else {
            error.retry.decide_reuse(reused);
        }
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        let (problem, reason) = verdict(error);
        if let Some(reason) = misconnection(error) {
            let upstream =
                context.admitted().ok().and_then(|admitted| self.upstreams.name(admitted.upstream()));
            tracing::warn!(upstream, reason, "no connection as configured to a service");
        }
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
            path_exception: admitted.and_then(|_| arrival.request.oddities().as_str()),
        });
    }
}

fn length(bytes: Option<&Bytes>) -> u64 {
    bytes.map_or(0, |bytes| u64::try_from(bytes.len()).unwrap_or(u64::MAX))
}
