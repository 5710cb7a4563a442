//! Sessions: begun by a login, carried on by refreshes; how they end is `ending`'s part.

use std::sync::Arc;
use std::time::Duration;

use ractor::{Actor, ActorProcessingErr, ActorRef};

use super::AuthError;
use super::attempts::Caller;
use super::ending::{EndingMessage, announce};
use super::grant::grant;
use super::hasher::{Checked, HashWork};
use super::job::Job;
use super::mint::{Mint, mint};
use super::random::random_bytes;
use super::refresh::{self, Refresh, RefreshTokenFacts};
use super::requests::{ClientFacts, Login, Revoke, TokenGrant, TokenPair};
use super::workshop::Workshop;
use crate::domain::account::{Account, AccountStatus, Credentials};
use crate::domain::audit::AuditEvent;
use crate::domain::clock::Timestamp;
use crate::domain::id::{AuditEventId, SessionId};
use crate::domain::refresh::RefreshTokenText;
use crate::domain::session::{EndReason, Session, SessionState};

/// What may be asked of [`Sessions`].
pub enum SessionsMessage {
    /// Check a password; begin a session; mint its first tokens.
    Login(Job<Login, TokenPair>),
    /// Hand a refresh token over to its successor.
    Refresh(Job<Refresh, TokenPair>),
    /// What is known of a refresh token.
    RefreshFacts(Job<RefreshTokenText, Option<RefreshTokenFacts>>),
    /// Audit events in order of age, after one, at most so many.
    Audit(Job<(Option<AuditEventId>, u32), Vec<AuditEvent>>),
    /// End sessions, or look at them.
    Ending(EndingMessage),
    /// End the session of a token that its holder revokes.
    Revoke(Job<Revoke, ()>),
    /// How many places in the status list were taken.
    StatusIndexesTaken(Job<(), i64>),
    /// Begin sessions without a password.
    Mint(Job<Mint, Vec<TokenGrant>>),
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
            SessionsMessage::Refresh(job) => {
                job.start(async move |ask| refresh::refresh(&shop, ask).await);
            }
            SessionsMessage::RefreshFacts(job) => {
                job.start(async move |token: RefreshTokenText| refresh::facts(&shop, &token).await);
            }
            SessionsMessage::Audit(job) => {
                job.start(async move |(after, limit)| Ok(shop.durable.audit_events(after, limit).await?));
            }
            SessionsMessage::Ending(message) => message.start(shop),
            SessionsMessage::Revoke(job) => job.start(async move |ask| revoke(&shop, ask).await),
            SessionsMessage::StatusIndexesTaken(job) => {
                job.start(async move |()| Ok(shop.durable.status_indexes_taken().await?));
            }
            SessionsMessage::Mint(job) => job.start(async move |ask| mint(&shop, ask).await),
        }
        Ok(())
    }
}

async fn login(shop: &Workshop, ask: Login) -> Result<TokenPair, AuthError> {
    let normal = ask.email.as_ref().map(|email| email.normal().to_owned());
    let caller = Caller {
        address: ask.address,
        account: normal.as_deref(),
        cookie: ask.device_cookie.as_deref(),
        session: ask.session,
    };
    let admitted = shop.attempts.login(caller, shop.clock.now()).await?;
    let mut outcome = admitted_login(shop, ask).await;
    if let (Ok(pair), Some(account)) = (&mut outcome, normal) {
        pair.device_cookie = shop.attempts.device_cookie(&admitted, &account, pair.access.issued_at);
    }
    shop.attempts.settle(admitted, &outcome).await;
    outcome
}

/// A login that may be tried.
async fn admitted_login(shop: &Workshop, ask: Login) -> Result<TokenPair, AuthError> {
    // Something that is no address is looked up too (nobody has the empty one): it costs the same.
    let normal = ask.email.as_ref().map_or("", |email| email.normal());
    let (account, stored, epoch) = match shop.durable.credentials(normal).await? {
        Some(Credentials { account, stored_hash, epoch }) => (Some(account), Some(stored_hash), Some(epoch)),
        None => (None, None, None),
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
    let session = begin(shop, &account, ask.client, shop.session_lifetime, shop.clock.now()).await?;
    let (refresh_token, first) = refresh::first_token(shop, &session)?;
    if !shop.durable.create_session_with_refresh(&session, &first, epoch).await? {
        // Disabled, deleted, or with another password between the check and now.
        return Err(AuthError::InvalidCredentials);
    }
    let now = session.created_at;
    shop.remember(&session, now).await;
    let access = grant(shop, &account, &session, shop.access_lifetime, String::new(), now)?;
    Ok(TokenPair { access, refresh_token, device_cookie: None })
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

/// A session that begins at `now`; not yet stored.
pub(super) async fn begin(
    shop: &Workshop,
    account: &Account,
    client: ClientFacts,
    lifetime: Duration,
    now: Timestamp,
) -> Result<Session, AuthError> {
    Ok(Session {
        id: SessionId::new(now, random_bytes()?),
        account_id: account.id,
        created_at: now,
        last_used_at: now,
        expires_at: now.plus(lifetime),
        address: client.address,
        user_agent: client.user_agent,
        status_index: Some(shop.status_indexes.take(&*shop.durable).await?),
        state: SessionState::Active,
    })
}

async fn revoke(shop: &Arc<Workshop>, ask: Revoke) -> Result<(), AuthError> {
    let ended = shop.durable.end_session(ask.session_id, EndReason::TokenRevoked, shop.clock.now()).await?;
    announce(shop, ask.account_id, ended).await?;
    Ok(())
}
