//! One stream: a request and its answer.

use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use h2::server::SendResponse;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, DATE, STRICT_TRANSPORT_SECURITY};
use http::{HeaderValue, Method, Request, Response};
use pingora::apps::HttpServerApp as _;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::date::get_cached_date;
use tokio::sync::watch;

use super::exchange::Exchange;
use crate::api::Problem;
use crate::domain::id::RequestId;
use crate::gateway::arrival::{Arrival, Client, Handed};
use crate::gateway::edge::Edge;
use crate::gateway::forwarded;
use crate::gateway::request::{CanonicalRequest, Received};
use crate::gateway::respond;

/// A stream as it was opened.
pub(super) struct Opened {
    pub(super) request: Request<RecvStream>,
    pub(super) respond: SendResponse<Bytes>,
    pub(super) client: Client,
    /// Whether its `:path` had a fragment.
    pub(super) fragment: bool,
}

impl Edge {
    /// Serves a stream to its end. False: its head was refused. Dropped before, it resets the stream, and nothing
    /// else on the connection.
    pub(super) async fn stream(self: Arc<Self>, opened: Opened, stop: watch::Receiver<bool>) -> bool {
        #[expect(clippy::disallowed_methods, reason = "a duration, on the monotonic clock")]
        let started = Instant::now();
        let Opened { request, respond, client, fragment } = opened;
        let (parts, body) = request.into_parts();
        let trusted = &self.limits.trusted_proxies;
        let scheme = match parts.uri.scheme_str() {
            // What its client's scheme was, it passes on.
            Some(scheme @ ("http" | "https")) if trusted.trusts(client.address) => scheme,
            _ => client.proto.to_str().unwrap_or_default(),
        };
        let received = Received { scheme, ended: body.is_end_stream(), fragment };
        let id = self.gateway.request_id();
        let request = match CanonicalRequest::from_http2(&parts, received, &self.limits.head) {
            Ok(request) => request,
            Err(refusal) => {
                let problem = respond::refusal_problem(&refusal);
                self.gateway.report_refused_head(client.address, id, &problem, http::Version::HTTP_2);
                if let Err(error) = refuse(respond, &problem, id, &parts.method, &client) {
                    tracing::debug!(%error, "a refusal could not be sent");
                }
                return false;
            }
        };
        // The body has had its chance to be dropped with the refusal: unread, it resets the stream (NO_ERROR).
        let client = forwarded::client(trusted, &client, request.head());
        let arrival = Arrival { client, request, id, started, last: false };
        self.exchange(arrival, body, respond, stop).await;
        true
    }

    async fn exchange(
        &self,
        arrival: Arrival,
        body: RecvStream,
        respond: SendResponse<Bytes>,
        stop: watch::Receiver<bool>,
    ) {
        let connection = Arc::new(self.gateway.connection());
        let limits = &self.limits;
        let graces = (limits.body_timeout, limits.write_timeout);
        let head = BytesMut::from(&arrival.request.head()[..]);
        let stream = Exchange::new(&arrival.request, body, respond, Arc::clone(&connection), graces);
        let mut session = ServerSession::new_http1(Box::new(stream));
        session.set_keepalive(None);
        session.set_read_timeout(Some(limits.body_timeout));
        session.set_write_timeout(Some(limits.write_timeout));
        session.set_pipelined_prefix(head);
        let handed = Handed { arrival, connection: Arc::clone(&connection) };
        session.set_connection_user_context(Some(Box::new(handed)));
        connection.begin();
        let mut request = self.proxy.process_new_http(session, &stop);
        let served = match connection.open.until_cut(&mut request).await {
            Err(why) => tokio::time::timeout(connection.grace(), &mut request).await.map_err(|_| why),
            served => served,
        };
        // With it go the stream and the connection to the service.
        drop(request);
        if let Err(why) = served {
            self.cut(&connection, why);
        }
    }
}

/// Answers a stream that pingora does not see.
fn refuse(
    mut respond: SendResponse<Bytes>,
    problem: &Problem,
    id: RequestId,
    method: &Method,
    client: &Client,
) -> Result<(), h2::Error> {
    let body = Bytes::from(problem.body(id));
    let mut response = Response::new(());
    *response.status_mut() = problem.status;
    let headers = response.headers_mut();
    *headers = problem.headers();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        headers.insert("x-request-id", id);
    }
    headers.insert(DATE, get_cached_date());
    if let Some(hsts) = client.hsts() {
        headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
    }
    let to_head = *method == Method::HEAD;
    let mut send = respond.send_response(response, to_head)?;
    if !to_head {
        send.send_data(body, true)?;
    }
    Ok(())
}
