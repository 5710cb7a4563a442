//! From a pingora session to the API router and back, in process.
//!
//! The body is read whole, bounded and within one deadline, before the router sees the request: handlers cannot
//! be fed slowly, and a body that is too large is refused before it is read on.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::{Bytes, BytesMut};
use http::{Request, Response, StatusCode, Uri};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tower::ServiceExt as _;

use super::admission::presented;
use super::arrival::Arrival;
use super::request::{Body as Framing, Credentials};
use super::respond;
use crate::api::{BasicCredentials, Problem, Reason, RequestFacts};

/// Our largest page is part of Swagger UI, about 1.5 MB.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// Calls that wait for a password hash, and that nobody misses whose client has gone. Others go on without it: a client
/// need not wait for the answer of its logout.
const HASHING: [&str; 3] = ["/auth/login", "/auth/token", "/auth/register"];

/// Bounds of the bodies that the router takes.
#[derive(Debug, Clone, Copy)]
pub struct OwnBodyLimits {
    /// More is a 413.
    pub bytes: usize,
    /// From the end of the head to the end of the body. Later is a 408.
    pub time: Duration,
}

/// Calls the router.
#[derive(Clone)]
pub struct Bridge {
    router: Router,
    limits: OwnBodyLimits,
}

/// What was answered, for the log.
#[derive(Debug, Clone, Copy)]
pub struct Answered {
    /// Its status.
    pub status: StatusCode,
    /// Why, when it is an error.
    pub reason: Option<&'static str>,
}

impl Bridge {
    /// A bridge to `router` for bodies within `limits`.
    pub fn new(router: Router, limits: OwnBodyLimits) -> Self {
        Self { router, limits }
    }

    /// Has the router answer the request of this session.
    ///
    /// # Errors
    /// The client is gone, or stopped sending its body.
    pub async fn answer(&self, session: &mut Session, arrival: &Arrival) -> Result<Answered> {
        let time = self.limits.time;
        let read = tokio::time::timeout(time, self.body(session, arrival)).await;
        let read =
            read.unwrap_or_else(|_| Error::explain(ErrorType::ReadTimedout, "reading the body").into_err());
        // Pingora does not say whose fault it is; a body can only come, or fail to come, from the client.
        let body = match read.map_err(Error::into_down)? {
            Ok(body) => body,
            Err(problem) => return refuse(session, arrival, &problem).await,
        };
        let Some(request) = request(session, arrival, body) else {
            let problem = Problem::new(StatusCode::BAD_REQUEST, "bad_target", "the target is no URI");
            return refuse(session, arrival, &problem).await;
        };
        let waits_for_hash = HASHING.contains(&arrival.request.path());
        let answering = self.router.clone().oneshot(request);
        let Ok::<Response<Body>, Infallible>(response) = tokio::select! {
            biased;
            answered = answering => answered,
            // Dropped before its hash, a call leaves the hash thread to those who wait.
            left = client_left(session), if waits_for_hash => return Err(left.into_down()),
        };
        let reason = response.extensions().get::<Reason>().map(|reason| reason.0);
        let (parts, body) = response.into_parts();
        match to_bytes(body, LARGEST_ANSWER).await {
            Ok(body) => {
                respond::answer(session, parts.status, &parts.headers, body, arrival).await?;
                Ok(Answered { status: parts.status, reason })
            }
            Err(error) => {
                tracing::error!(%error, "an answer of the api could not be read");
                let problem =
                    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the gateway failed at this");
                refuse(session, arrival, &problem).await
            }
        }
    }

    async fn body(&self, session: &mut Session, arrival: &Arrival) -> Result<Result<Bytes, Problem>> {
        let announced = match arrival.request.body() {
            Framing::None => return Ok(Ok(Bytes::new())),
            Framing::Length(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Framing::Chunked => 0,
        };
        if announced > self.limits.bytes {
            return Ok(Err(Problem::too_large(self.limits.bytes)));
        }
        if arrival.request.expects_continue() {
            session.write_continue_response().await?;
        }
        let mut body = BytesMut::with_capacity(announced);
        while let Some(piece) = session.read_request_body().await? {
            if body.len().saturating_add(piece.len()) > self.limits.bytes {
                return Ok(Err(Problem::too_large(self.limits.bytes)));
            }
            body.extend_from_slice(&piece);
        }
        Ok(Ok(body.freeze()))
    }
}

/// Waits until the client closes or breaks its connection, or resets its stream. Its request has been read whole.
async fn client_left(session: &mut Session) -> Box<Error> {
    loop {
        if let Err(left) = session.as_downstream_mut().read_body_or_idle(true).await {
            return left;
        }
    }
}

async fn refuse(session: &mut Session, arrival: &Arrival, problem: &Problem) -> Result<Answered> {
    respond::problem(session, problem, arrival).await?;
    Ok(Answered { status: problem.status, reason: Some(problem.code) })
}

/// The request as the router sees it: path and query as decided on, all headers but `Authorization`, which was
/// parsed once and comes with the facts.
fn request(session: &Session, arrival: &Arrival, body: Bytes) -> Option<Request<Body>> {
    let canonical = &arrival.request;
    let target = match canonical.query() {
        Some(query) => format!("{}?{query}", canonical.path()),
        None => canonical.path().to_owned(),
    };
    let mut request = Request::new(Body::from(body));
    *request.method_mut() = canonical.method().clone();
    *request.uri_mut() = target.parse::<Uri>().ok()?;
    *request.headers_mut() = session.req_header().headers.clone();
    let authorization = request.headers_mut().remove(http::header::AUTHORIZATION);
    let basic = match canonical.credentials() {
        Credentials::OtherScheme => authorization.and_then(|line| BasicCredentials::of(line.as_bytes())),
        Credentials::None | Credentials::Bearer(_) | Credentials::Malformed | Credentials::Several => None,
    };
    request.extensions_mut().insert(RequestFacts {
        request_id: arrival.id,
        client: arrival.client.address,
        presented: presented(canonical).owned(),
        basic,
    });
    Some(request)
}
