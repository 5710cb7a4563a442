//! A connection that speaks HTTP/1.1 or HTTP/1.0: feeds its requests to the proxy one by one.
//!
//! Each head is read and judged here (see [`super::head_reader`]); pingora then gets exactly the bytes that were
//! judged.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use pingora::apps::{HttpPersistentSettings, HttpServerApp as _};
use pingora::protocols::http::ServerSession;
use tokio::sync::watch;

use super::arrival::{Arrival, Client, Handed};
use super::client_connection::ClientConnection;
use super::edge::Edge;
use super::forwarded;
use super::guarded_stream::GuardedStream;
use super::head_reader::{NoHead, ReadHead, farewell, last_words, read_head};
use super::places::Place;
use super::respond::{self, Content};
use super::violation::Violation;
use crate::api::Problem;
use crate::live::Cut;

/// How long reading away the rest of a refused body may take before the connection is closed instead.
const DRAIN: Duration = Duration::from_secs(2);
/// Pingora's keep-alive time: any will do, since the wait for the next head is ours.
const KEEP: u64 = 60;

impl Edge {
    /// Serves the requests of this connection until it ends. `client` is the peer.
    pub(super) async fn http1(
        &self,
        stream: GuardedStream,
        client: Client,
        place: Place,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut stream = Box::new(stream);
        let connection = Arc::new(self.gateway.connection());
        stream.follow(connection.unwanted());
        let mut settings: Option<HttpPersistentSettings> = None;
        let mut idle = self.limits.head_timeout.saturating_sub(client.opened.elapsed());
        let mut left = self.limits.max_requests_per_connection;
        let mut ahead = BytesMut::new();
        loop {
            let limits = &self.limits;
            let bytes = std::mem::take(&mut ahead);
            let read = self.next_head(&mut stream, bytes, idle, &place, &mut stop);
            let ReadHead { mut head, behind, request, started } = match read.await {
                Ok(head) => head,
                Err(no_head) => {
                    self.no_head(&mut stream, &client, no_head).await;
                    return;
                }
            };
            let expected = stream.expect(&request, behind, limits.body_timeout, limits.write_timeout);
            let id = self.gateway.request_id();
            left = left.map(|left| left.saturating_sub(1));
            let client = forwarded::client(&limits.trusted_proxies, &client, &head);
            let arrival = Arrival { client, request, id, started, last: left == Some(0) };
            match expected {
                Ok(of_body) => head.unsplit(of_body),
                Err(violation) => {
                    self.bad_body(&mut stream, &arrival, violation).await;
                    return;
                }
            }
            let handed = Handed { arrival, connection: Arc::clone(&connection) };
            let session = self.session(stream, settings.take(), head, handed, &stop);
            connection.begin();
            let mut request = self.proxy.process_new_http(session, &stop);
            let served = match connection.open.until_cut(&mut request).await {
                Err(why) => tokio::time::timeout(connection.grace(), &mut request).await.map_err(|_| why),
                served => served,
            };
            // With it goes, if it was cut, the connection to the service.
            drop(request);
            let reused = match served {
                Ok(Some(reused)) => reused,
                Ok(None) => return,
                Err(why) => {
                    self.cut(&connection, why);
                    return;
                }
            };
            let (back, kept) = reused.consume();
            settings = kept;
            let Some(mut back) = GuardedStream::back(back) else { return };
            // Pingora saw the end of the body where there is none?
            let Some(bytes) = back.next_head() else { return };
            (stream, ahead) = (back, bytes);
            idle = self.limits.keepalive_timeout;
        }
    }

    /// Reads the next head, of which `bytes` are there, unless a newcomer takes the place meanwhile.
    async fn next_head(
        &self,
        stream: &mut GuardedStream,
        bytes: BytesMut,
        idle: Duration,
        place: &Place,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<ReadHead, NoHead> {
        let limits = &self.limits;
        place.wait();
        let head = tokio::select! {
            biased;
            head = read_head(stream, bytes, &limits.head, idle, limits.head_timeout, stop) => head,
            () = place.lost() => return Err(NoHead::Gone),
        };
        if place.serve() { head } else { Err(NoHead::Gone) }
    }

    /// A pingora session that has received exactly the bytes that were judged.
    fn session(
        &self,
        stream: Box<GuardedStream>,
        settings: Option<HttpPersistentSettings>,
        bytes: BytesMut,
        handed: Handed,
        stop: &watch::Receiver<bool>,
    ) -> ServerSession {
        let mut session = ServerSession::new_http1(stream);
        if let Some(settings) = settings {
            settings.apply_to_session(&mut session);
        }
        let keep = handed.arrival.keep_alive() && !*stop.borrow();
        session.set_keepalive(keep.then_some(KEEP));
        session.set_read_timeout(Some(self.limits.body_timeout));
        session.set_write_timeout(Some(self.limits.write_timeout));
        session.set_total_drain_timeout(Some(DRAIN));
        // An answer that is out before the body was read must not be lost to a reset, which closing at once with
        // unread bytes would cause: the body is read away first, within `DRAIN`.
        session.set_close_on_response_before_downstream_finish(false);
        session.set_pipelined_prefix(bytes);
        session.set_connection_user_context(Some(Box::new(handed)));
        session
    }

    /// The request's future is gone, and with it the client's connection and the service's.
    pub(super) fn cut(&self, connection: &ClientConnection, why: Cut) {
        match connection.left() {
            Some(left) => self.gateway.report_cut(&left, why),
            // It was over, and only its last bytes on their way: its line is written.
            None => tracing::debug!(?why, "a connection closed behind its last request"),
        }
    }

    pub(super) async fn no_head(&self, stream: &mut GuardedStream, client: &Client, no_head: NoHead) {
        let (problem, content) = match no_head {
            NoHead::Gone => return farewell(stream).await,
            NoHead::TooSlow(content) => {
                let detail = "the request head did not arrive in time";
                (Problem::new(http::StatusCode::REQUEST_TIMEOUT, "head_timeout", detail), content)
            }
            NoHead::Refused(refusal, content) => (respond::refusal_problem(&refusal), content),
        };
        let id = self.gateway.request_id();
        self.gateway.report_refused_head(client.address, id, &problem, http::Version::HTTP_11);
        last_words(stream, &respond::raw(&problem, id, content, client)).await;
    }

    /// The part of a body that came with its head is already wrong.
    async fn bad_body(&self, stream: &mut GuardedStream, arrival: &Arrival, violation: Violation) {
        if let (Some(problem), _) = respond::violation_problem(violation) {
            self.gateway.report_refused_body(arrival, &problem);
            let content = Content::of_answer_to(arrival.request.head());
            last_words(stream, &respond::raw(&problem, arrival.id, content, &arrival.client)).await;
        }
    }
}
