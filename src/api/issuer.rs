//! What the gateway is as an issuer of tokens, beyond single requests: its name and address, its clients, and the
//! status lists it publishes.

use std::sync::Arc;

use super::status_lists::StatusListCache;
use crate::domain::client::Clients;

/// Shared by the handlers of the standard endpoints.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// `iss` of every token.
    pub name: String,
    /// What clients know the gateway by, without a slash at its end. From the configuration, never from a request:
    /// a forged `Host` must not send anybody elsewhere.
    pub public_url: String,
    /// Who may ask about tokens.
    pub clients: Arc<Clients>,
    /// What others read of the revocations.
    pub status_lists: Arc<StatusListCache>,
}
