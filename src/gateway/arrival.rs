//! One request as the edge received it, handed to the proxy together with the connection.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::{HeaderValue, Version};

use super::client_connection::ClientConnection;
use super::headers::ConnectionFacts;
use super::request::CanonicalRequest;
use super::tls::SecuredBy;
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
    /// When its connection was accepted.
    pub opened: tokio::time::Instant,
    /// What TLS means for its requests; none without TLS.
    pub tls: Option<Arc<SecuredBy>>,
}

impl Client {
    /// A client at this address, without TLS, whose connection was accepted now.
    ///
    /// # Errors
    /// None: an address is a header value.
    pub fn plain(address: IpAddr) -> Result<Self, http::header::InvalidHeaderValue> {
        Ok(Self {
            address,
            address_value: HeaderValue::try_from(address.to_string())?,
            proto: HeaderValue::from_static("http"),
            host: None,
            opened: tokio::time::Instant::now(),
            tls: None,
        })
    }

    /// `Strict-Transport-Security` of its answers; only over TLS (RFC 6797 section 7.2).
    pub fn hsts(&self) -> Option<&HeaderValue> {
        self.tls.as_ref()?.hsts.as_ref()
    }
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

    /// Whether its host may not be asked for on this connection: with several certificates, one that is not in the
    /// certificate that the connection was opened with (RFC 9110 section 15.5.20).
    pub fn is_misdirected(&self) -> bool {
        let hosts = self.client.tls.as_ref().and_then(|tls| tls.hosts.as_ref());
        hosts.is_some_and(|hosts| !hosts.covers(self.request.host()))
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
            via: HeaderValue::from_static(match self.request.version() {
                Version::HTTP_2 => "2.0 gateward",
                Version::HTTP_10 => "1.0 gateward",
                _ => "1.1 gateward",
            }),
        }
    }
}
