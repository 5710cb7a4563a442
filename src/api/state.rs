//! What handlers work with.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::bearer::Presented;
use super::client_auth::BasicCredentials;
use super::issuer::Issuer;
use crate::actors::{AuthHandle, ClientFacts};
use crate::domain::id::RequestId;
use crate::live::TokenCheck;
use crate::telemetry::metrics::Metrics;

/// Shared by all handlers.
#[derive(Clone)]
pub struct ApiState {
    /// The door to the actors.
    pub auth: AuthHandle,
    /// Is this token valid now?
    pub check: Arc<TokenCheck>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// For how long a service may keep the published keys.
    pub keys_max_age: Duration,
    /// Whether anybody may register.
    pub registration_open: bool,
    /// Name, address, clients, status lists.
    pub issuer: Arc<Issuer>,
}

/// What the edge knows about a request; an extension of every request to these routers.
#[derive(Debug, Clone)]
pub struct RequestFacts {
    /// Its id.
    pub request_id: RequestId,
    /// The client's address.
    pub client: IpAddr,
    /// The credentials it carried.
    pub presented: Presented,
    /// The credentials of a client, if the one `Authorization` line is HTTP Basic; `presented` is malformed then.
    pub basic: Option<BasicCredentials>,
}

/// Characters of a `User-Agent` that are kept.
const USER_AGENT_CHARS: usize = 256;

impl RequestFacts {
    /// What is kept of the client with a session.
    pub fn client_facts(&self, headers: &http::HeaderMap) -> ClientFacts {
        let user_agent = headers
            .get(http::header::USER_AGENT)
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .map(|text| text.chars().filter(|c| !c.is_control()).take(USER_AGENT_CHARS).collect());
        ClientFacts { address: Some(self.client.to_string()), user_agent }
    }
}
