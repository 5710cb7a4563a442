//! What may be asked of the actors, as types that were checked at the edge.

use std::net::IpAddr;

use crate::domain::attempts::DeviceCookie;
use crate::domain::clock::Timestamp;
use crate::domain::email::EmailAddress;
use crate::domain::id::{AccountId, SessionId};
use crate::domain::name::DisplayName;
use crate::domain::password::Password;
use crate::domain::refresh::RefreshTokenText;
use crate::domain::secret::AccessTokenText;

/// A new account.
#[derive(Debug)]
pub struct Registration {
    /// The address.
    pub email: EmailAddress,
    /// The password, not yet judged by the policy.
    pub password: Password,
    /// What they call themselves.
    pub name: Option<DisplayName>,
    /// Groups; only an operator gives any.
    pub roles: Vec<String>,
    /// The client's address, which is charged for it; none of an operator.
    pub address: Option<IpAddr>,
}

/// Who asks, as the gateway saw it.
#[derive(Debug, Clone, Default)]
pub struct ClientFacts {
    /// The client's address.
    pub address: Option<String>,
    /// Its `User-Agent`, cut to 256 characters.
    pub user_agent: Option<String>,
}

/// An attempt to log in.
#[derive(Debug)]
pub struct Login {
    /// The address; `None` when what was sent is no address, which costs and answers like a wrong one.
    pub email: Option<EmailAddress>,
    /// The password.
    pub password: Password,
    /// The client's address.
    pub address: IpAddr,
    /// The device cookie it sent.
    pub device_cookie: Option<String>,
    /// The session of a valid access token that it sent along, if that is one of this account.
    pub session: Option<SessionId>,
    /// Who asks.
    pub client: ClientFacts,
}

/// An access token of a session.
#[derive(Debug)]
pub struct TokenGrant {
    /// Whose.
    pub account_id: AccountId,
    /// The token.
    pub access_token: AccessTokenText,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When it was made.
    pub issued_at: Timestamp,
    /// Its scope, space separated.
    pub scope: String,
}

/// An access token, and what gets the next one.
#[derive(Debug)]
pub struct TokenPair {
    /// For services.
    pub access: TokenGrant,
    /// For the gateway, once.
    pub refresh_token: RefreshTokenText,
    /// For the client that logged in: makes its device known.
    pub device_cookie: Option<DeviceCookie>,
}

/// The end of a session because one of its tokens was revoked (RFC 7009).
#[derive(Debug, Clone, Copy)]
pub struct Revoke {
    /// Whose.
    pub account_id: AccountId,
    /// Which.
    pub session_id: SessionId,
}

/// What the gateway depends on and whether it is there.
#[derive(Debug, Clone, Default)]
pub struct Readiness {
    /// Without these, logins fail: the durable store.
    pub missing: Vec<&'static str>,
    /// Without these, everything works, slower or with less memory: the shared store.
    pub degraded: Vec<&'static str>,
}
