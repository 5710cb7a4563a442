//! One request as the edge received it, handed to the proxy together with the connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderValue;

use super::client_connection::ClientConnection;
use super::headers::ConnectionFacts;
use super::request::CanonicalRequest;
use crate::domain::id::RequestId;

/// Who calls: the connection's peer, or whom a trusted one names (see [`super::forwarded`]).
#[derive(Debug, Clone)]
pub struct Client {
    /// Its address.
    pub address: IpAddr,
    /// `X-Forwarded-For` for the service: the address, then the trusted proxies on the way.
    pub address_value: HeaderValue,
    /// `http` or `https`.
    pub proto: HeaderValue,
    /// What it called, if a trusted peer says so; else it is the request's host.
    pub host: Option<HeaderValue>,
}

/// A request whose head was accepted.
#[derive(Debug)]
pub struct Arrival {
    /// Who sent it.
    pub client: Client,
    /// What it asks, decided on its raw bytes.
    pub request: CanonicalRequest,
    /// Its name in logs and answers.
    pub id: RequestId,
    /// When its first byte was read.
    pub started: Instant,
    /// Whether it is the last one that its connection may carry.
    pub last: bool,
}

/// What the edge hands to the proxy.
pub struct Handed {
    /// The request.
    pub arrival: Arrival,
    /// The connection that it came on.
    pub connection: Arc<ClientConnection>,
}

impl Arrival {
    /// The id as a header value.
    pub fn id_value(&self) -> HeaderValue {
        // Hexadecimal digits and hyphens are a header value.
        HeaderValue::from_str(&self.id.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Whether another request may follow on its connection.
    pub fn keep_alive(&self) -> bool {
        self.request.keep_alive() && !self.last
    }

    /// Where it came from, for the service.
    pub fn connection_facts(&self) -> ConnectionFacts {
        ConnectionFacts {
            client_ip: self.client.address_value.clone(),
            proto: self.client.proto.clone(),
            host: self.client.host.clone().unwrap_or_else(|| {
                // Checked by the request's parser: visible ASCII.
                HeaderValue::from_str(self.request.host()).unwrap_or_else(|_| HeaderValue::from_static(""))
            }),
        }
    }
}
