//! Reports of requests whose end the proxy library does not see: refused before it, or given up by the edge.

use std::time::Duration;

use http::Version;

use super::arrival::Arrival;
use super::client_connection::LeftOpen;
use super::proxy::Gateway;
use super::report::{Finished, Way};
use crate::api::{self, Problem};
use crate::domain::id::RequestId;
use crate::live::Cut;
use crate::telemetry::{Outcome, RequestClosed};

impl Gateway {
    /// A head that was refused before pingora saw it.
    pub(super) fn report_refused_head(
        &self,
        client: std::net::IpAddr,
        id: RequestId,
        problem: &Problem,
        version: Version,
    ) {
        self.reports.finished(&Finished {
            id,
            version,
            method: "-",
            path: "-",
            way: Way::Nowhere,
            upstream: None,
            status: Some(problem.status.as_u16()),
            outcome: Outcome::Refused,
            reason: Some(problem.code),
            duration: Duration::ZERO,
            client,
            bytes_in: 0,
            bytes_out: 0,
            account: None,
            path_exception: None,
        });
    }

    /// A request on the plain listener that was sent to TLS.
    pub(super) fn report_redirect(&self, arrival: &Arrival) {
        self.reports.finished(&Finished {
            id: arrival.id,
            version: arrival.request.version(),
            method: arrival.request.method().as_str(),
            path: arrival.request.path(),
            way: Way::Nowhere,
            upstream: None,
            status: Some(http::StatusCode::PERMANENT_REDIRECT.as_u16()),
            outcome: Outcome::Answered,
            reason: None,
            duration: arrival.started.elapsed(),
            client: arrival.client.address,
            bytes_in: 0,
            bytes_out: 0,
            account: None,
            path_exception: None,
        });
    }

    /// A body that was refused before pingora saw it.
    pub(super) fn report_refused_body(&self, arrival: &Arrival, problem: &Problem) {
        let path = arrival.request.path();
        self.reports.finished(&Finished {
            id: arrival.id,
            version: arrival.request.version(),
            method: arrival.request.method().as_str(),
            path,
            way: if api::owns(path) { Way::Own } else { Way::Nowhere },
            upstream: None,
            status: Some(problem.status.as_u16()),
            outcome: Outcome::Refused,
            reason: Some(problem.code),
            duration: arrival.started.elapsed(),
            client: arrival.client.address,
            bytes_in: 0,
            bytes_out: 0,
            account: None,
            path_exception: None,
        });
    }

    /// A request was closed before its end.
    pub(super) fn report_cut(&self, left: &LeftOpen, why: Cut) {
        let reason = match why {
            Cut::SessionEnded => RequestClosed::SessionEnded,
            Cut::TokenExpired => RequestClosed::TokenExpired,
            Cut::KeyRetired => RequestClosed::KeyRetired,
        };
        self.metrics.open_request_closed(reason);
        let arrival = &left.arrival;
        self.reports.finished(&Finished {
            id: arrival.id,
            version: arrival.request.version(),
            method: arrival.request.method().as_str(),
            path: arrival.request.path(),
            way: Way::Route(left.route),
            upstream: self.upstreams.name(left.upstream),
            status: left.status,
            outcome: Outcome::Closed,
            reason: Some(reason.as_str()),
            duration: arrival.started.elapsed(),
            client: arrival.client.address,
            bytes_in: left.passed.received,
            bytes_out: left.passed.sent,
            account: left.account,
            path_exception: arrival.request.oddities().as_str(),
        });
    }
}
