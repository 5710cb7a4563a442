//! One request as the edge received it, handed to the proxy together with the connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, Version};

use super::client_connection::ClientConnection;
use super::headers::ConnectionFacts;
use super::request::CanonicalRequest;
use crate::domain::id::RequestId;

/// What is fixed for a connection.
#[derive(Debug, Clone)]
pub struct Client {
    /// The peer's address.
    pub address: IpAddr,
    /// The same as a header value.
    pub address_value: HeaderValue,
    /// `http`.
    pub proto: HeaderValue,
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

    /// Where it came from, for the service.
    pub fn connection_facts(&self) -> ConnectionFacts {
        ConnectionFacts {
            client_ip: self.client.address_value.clone(),
            proto: self.client.proto.clone(),
            // Checked by the request's parser: visible ASCII.
            host: HeaderValue::from_str(self.request.host()).unwrap_or_else(|_| HeaderValue::from_static("")),
            via: HeaderValue::from_static(match self.request.version() {
                Version::HTTP_2 => "2.0 gateward",
                Version::HTTP_10 => "1.0 gateward",
                _ => "1.1 gateward",
            }),
        }
    }
}
