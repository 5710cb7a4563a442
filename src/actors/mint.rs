//! Sessions without a password, for tests and load: only an operator may ask for them.

use std::time::Duration;

use super::AuthError;
use super::grant::grant;
use super::requests::{ClientFacts, TokenGrant};
use super::sessions::begin;
use super::workshop::Workshop;
use crate::domain::account::Account;
use crate::domain::clock::Timestamp;

/// Sessions of one call, which are stored in one transaction: as many as are signed and stored well within its
/// deadline, while others wait to write.
pub const MINTED_AT_ONCE: usize = 500;

/// Sessions, each with a token.
#[derive(Debug)]
pub struct Mint {
    /// Whose.
    pub account: Account,
    /// Life of session and token.
    pub lifetime: Duration,
    /// How long ago they began: longer than their life, and they have expired.
    pub age: Duration,
    /// Scope of the tokens.
    pub scope: String,
    /// How many, [`MINTED_AT_ONCE`] at most.
    pub count: usize,
}

/// Stores the sessions and signs their tokens. They are not handed to the shared store, which finds them in the
/// durable one when it is asked.
pub(super) async fn mint(shop: &Workshop, ask: Mint) -> Result<Vec<TokenGrant>, AuthError> {
    let age = i64::try_from(ask.age.as_millis()).unwrap_or(i64::MAX);
    let now = Timestamp::from_unix_millis(shop.clock.now().unix_millis().saturating_sub(age));
    let count = ask.count.min(MINTED_AT_ONCE);
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        sessions.push(begin(shop, &ask.account, ClientFacts::default(), ask.lifetime, now).await?);
    }
    if !shop.durable.create_sessions(ask.account.id, &sessions).await? {
        return Err(AuthError::InvalidCredentials);
    }
    let grant_of = |session| grant(shop, &ask.account, session, ask.lifetime, ask.scope.clone(), now);
    sessions.iter().map(grant_of).collect()
}
