//! Sessions: begun by a login, ended by a logout.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::AuthError;
use super::hasher::{Checked, HashWork};
use super::job::Job;
use super::random::random_bytes;
use super::requests::{ClientFacts, Login, Logout, Revoke, TokenGrant};
use super::supervisor::Workshop;
use crate::domain::account::{Account, AccountStatus, Credentials};
use crate::domain::id::{SessionId, TokenId};
use crate::domain::secret::AccessTokenText;
use crate::domain::session::{EndReason, Session, SessionState};
use crate::domain::token::{self, Grant};

/// A session without a password, for tests and load: only an operator may ask for one.
#[derive(Debug)]
pub struct Mint {
    /// Whose.
    pub account: Account,
    /// Life of session and token.
    pub lifetime: Duration,
    /// Scope of the token.
    pub scope: String,
}

/// What may be asked of [`Sessions`].
pub enum SessionsMessage {
    /// Check a password; begin a session; mint its first token.
    Login(Job<Login, TokenGrant>),
    /// End a session.
    Logout(Job<Logout, ()>),
    /// End the session of a token that its holder revokes.
    Revoke(Job<Revoke, ()>),
    /// How many places in the status list were taken.
    StatusIndexesTaken(Job<(), i64>),
    /// Begin a session without a password.
    Mint(Job<Mint, TokenGrant>),
}

/// The actor.
pub struct Sessions;

impl Actor for Sessions {
    type Msg = SessionsMessage;
    type State = Arc<Workshop>;
    type Arguments = Arc<Workshop>;

    async fn pre_start(
        &self,
        _myself: ActorRef<SessionsMessage>,
        workshop: Arc<Workshop>,
    ) -> Result<Arc<Workshop>, ActorProcessingErr> {
        Ok(workshop)
    }

    async fn handle(
        &self,
        _myself: ActorRef<SessionsMessage>,
        message: SessionsMessage,
        workshop: &mut Arc<Workshop>,
    ) -> Result<(), ActorProcessingErr> {
        let shop = Arc::clone(workshop);
        match message {
            SessionsMessage::Login(job) => job.start(async move |ask| login(&shop, ask).await),
            SessionsMessage::Logout(job) => job.start(async move |ask| logout(&shop, ask).await),
            SessionsMessage::Revoke(job) => job.start(async move |ask| revoke(&shop, ask).await),
            SessionsMessage::StatusIndexesTaken(job) => {
                job.start(async move |()| Ok(shop.durable.status_indexes_taken().await?));
            }
            SessionsMessage::Mint(job) => job.start(async move |ask| mint(&shop, ask).await),
        }
        Ok(())
    }
}

async fn login(shop: &Workshop, ask: Login) -> Result<TokenGrant, AuthError> {
    // Something that is no address is looked up too (nobody has the empty one): it costs the same.
    let normal = ask.email.as_ref().map_or("", |email| email.normal());
    let (account, stored) = match shop.durable.credentials(normal).await? {
        Some(Credentials { account, stored_hash }) => (Some(account), Some(stored_hash)),
        None => (None, None),
    };
    let (password, salt, check) = (ask.password, random_bytes()?, stored.clone());
    let checked = shop.hash(|reply| HashWork::Verify { password, stored: check, salt, reply }).await?;
    let account = match (checked, account) {
        (Checked::Right, Some(account)) if account.status == AccountStatus::Active => account,
        (Checked::RightWithRehash(new), Some(account)) if account.status == AccountStatus::Active => {
            if let Some(old) = &stored {
                rehash(shop, &account, old, &new).await;
            }
            account
        }
        (Checked::Wrong | Checked::Right | Checked::RightWithRehash(_), _) => {
            return Err(AuthError::InvalidCredentials);
        }
    };
    begin(shop, &account, ask.client, shop.session_lifetime, shop.access_lifetime, String::new()).await
}

/// Replaces a hash of another form or cost. The login does not depend on it.
async fn rehash(
    shop: &Workshop,
    account: &Account,
    old: &crate::domain::password_hash::StoredHash,
    new: &crate::domain::password_hash::PasswordHash,
) {
    match shop.durable.replace_password_hash(account.id, old, new).await {
        Ok(_) => tracing::info!(account = %account.id, "password hash renewed"),
        Err(error) => tracing::warn!(account = %account.id, %error, "password hash not renewed"),
    }
}

async fn begin(
    shop: &Workshop,
    account: &Account,
    client: ClientFacts,
    session_lifetime: Duration,
    access_lifetime: Duration,
    scope: String,
) -> Result<TokenGrant, AuthError> {
    let now = shop.clock.now();
    let session = Session {
        id: SessionId::new(now, random_bytes()?),
        account_id: account.id,
        created_at: now,
        last_used_at: now,
        expires_at: now.plus(session_lifetime),
        address: client.address,
        user_agent: client.user_agent,
        status_index: Some(shop.status_indexes.take(&*shop.durable).await?),
        state: SessionState::Active,
    };
    if !shop.durable.create_session(&session).await? {
        // Disabled between the check and now.
        return Err(AuthError::InvalidCredentials);
    }
    shop.remember(&session, now).await;
    let grant = Grant {
        account_id: account.id,
        session_id: session.id,
        token_id: TokenId::new(now, random_bytes()?),
        scope,
        roles: account.roles.clone(),
        email: account.email.as_shown().to_owned(),
        issued_at: now,
        expires_at: now.plus(access_lifetime.min(session_lifetime)),
        status: shop.status_of(&session),
    };
    let text = token::mint(&grant, &shop.parties, &shop.keys.load())
        .map_err(|error| AuthError::Internal(format!("signing failed: {error}")))?;
    Ok(TokenGrant {
        account_id: account.id,
        access_token: AccessTokenText::new(text),
        expires_at: grant.expires_at,
        issued_at: now,
        scope: grant.scope,
    })
}

async fn logout(shop: &Arc<Workshop>, ask: Logout) -> Result<(), AuthError> {
    let ended = shop.durable.end_session(ask.session_id, EndReason::Logout, shop.clock.now()).await?;
    shop.publish_ended(ended).await
}

async fn revoke(shop: &Arc<Workshop>, ask: Revoke) -> Result<(), AuthError> {
    let ended = shop.durable.end_session(ask.session_id, EndReason::TokenRevoked, shop.clock.now()).await?;
    shop.publish_ended(ended).await
}

async fn mint(shop: &Workshop, ask: Mint) -> Result<TokenGrant, AuthError> {
    begin(shop, &ask.account, ClientFacts::default(), ask.lifetime, ask.lifetime, ask.scope).await
}
