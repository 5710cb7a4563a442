//! The plain listener next to TLS: sends every request to its `https` address, and nothing else.
//!
//! 308 for every method. 301 and 302 let a client turn a POST into a GET, which would make a failed login of what was
//! one; 308 keeps method and body (RFC 9110 section 15.4.9), and caches treat it like 301.
//!
//! Only hosts of our certificates are redirected to, so that the answer never leads to somebody else's place. A request
//! is never passed on, and its connection closes behind the answer, so a body is never taken for a request.

use bytes::BytesMut;
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, LOCATION};
use http::{HeaderMap, HeaderValue};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::server::Tls;
use crate::api::Problem;
use crate::domain::certificate::host_without_port;
use crate::gateway::arrival::{Arrival, Client};
use crate::gateway::edge::Edge;
use crate::gateway::guarded_stream::GuardedStream;
use crate::gateway::head_reader::{NoHead, last_words, read_head};
use crate::gateway::places::Place;
use crate::gateway::request::CanonicalRequest;
use crate::gateway::respond::{self, Content};

impl Edge {
    /// Answers the one request of a plain connection.
    pub(in crate::gateway) async fn redirect(
        &self,
        tls: &Tls,
        tcp: TcpStream,
        client: Client,
        place: Place,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut stream = GuardedStream::new(tcp);
        let limits = &self.limits;
        let bytes = BytesMut::new();
        let (idle, whole) = (limits.head_timeout, limits.head_timeout);
        let read = tokio::select! {
            biased;
            read = read_head(&mut stream, bytes, &limits.head, idle, whole, &mut stop) => read,
            () = place.lost() => return,
        };
        if !place.serve() {
            return;
        }
        // There is no route here that could allow an odd path.
        let read = read.and_then(|head| match head.request.oddities().refusal_unless(|_| false) {
            Some(refusal) => Err(NoHead::Refused(refusal, Content::of_answer_to(&head.head))),
            None => Ok(head),
        });
        let head = match read {
            Ok(head) => head,
            Err(no_head) => return self.no_head(&mut stream, &client, no_head).await,
        };
        let id = self.gateway.request_id();
        let arrival = Arrival { client, request: head.request, id, started: head.started, last: true };
        let answer = match location(&arrival.request, tls) {
            Some(location) => {
                self.gateway.report_redirect(&arrival);
                redirection(location, arrival.id_value())
            }
            None => {
                let problem = Problem::new(
                    StatusCode::MISDIRECTED_REQUEST,
                    "misdirected_request",
                    "this gateway has no certificate for the host of the request",
                );
                self.gateway.report_refused_head(
                    arrival.client.address,
                    id,
                    &problem,
                    arrival.request.version(),
                );
                respond::raw(&problem, id, Content::of_answer_to(arrival.request.head()), &arrival.client)
            }
        };
        last_words(&mut stream, &answer).await;
    }
}

/// The same host and target with `https`, if the host is ours. Both were judged: a header value cannot be broken out of.
fn location(request: &CanonicalRequest, tls: &Tls) -> Option<HeaderValue> {
    if !tls.covers(request.host()) {
        return None;
    }
    let host = host_without_port(request.host());
    let (question, query) = request.query().map_or(("", ""), |query| ("?", query));
    let path = request.path();
    let text = match tls.rules.public_port {
        443 => format!("https://{host}{path}{question}{query}"),
        port => format!("https://{host}:{port}{path}{question}{query}"),
    };
    HeaderValue::try_from(text).ok()
}

fn redirection(location: HeaderValue, id: HeaderValue) -> Vec<u8> {
    let mut headers = HeaderMap::new();
    headers.insert(LOCATION, location);
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert("x-request-id", id);
    respond::raw_head(StatusCode::PERMANENT_REDIRECT, &headers)
}
