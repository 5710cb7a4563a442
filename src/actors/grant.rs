//! The access token of a session that is known to be alive.

use std::time::Duration;

use super::AuthError;
use super::random::random_bytes;
use super::requests::TokenGrant;
use super::workshop::Workshop;
use crate::domain::account::Account;
use crate::domain::clock::Timestamp;
use crate::domain::id::TokenId;
use crate::domain::secret::AccessTokenText;
use crate::domain::session::Session;
use crate::domain::token::{self, Grant};

/// Mints a token for `lifetime`, or for what is left of the session.
pub fn grant(
    shop: &Workshop,
    account: &Account,
    session: &Session,
    lifetime: Duration,
    scope: String,
    now: Timestamp,
) -> Result<TokenGrant, AuthError> {
    let grant = Grant {
        account_id: account.id,
        session_id: session.id,
        token_id: TokenId::new(now, random_bytes()?),
        scope,
        roles: account.roles.clone(),
        email: account.email.as_shown().to_owned(),
        issued_at: now,
        expires_at: now.plus(lifetime).min(session.expires_at),
        status: shop.status_of(session),
    };
    let text = token::mint(&grant, &shop.parties, &*shop.signing_ring()?)
        .map_err(|error| AuthError::Internal(format!("signing failed: {error}")))?;
    Ok(TokenGrant {
        account_id: account.id,
        access_token: AccessTokenText::new(text),
        expires_at: grant.expires_at,
        issued_at: now,
        scope: grant.scope,
    })
}
