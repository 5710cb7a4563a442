//! Ending sessions, durably and then in this process, before the answer.

use std::sync::Arc;

use super::ask::{Logout, LogoutScope, Principal, Renaming, SessionPage};
use crate::actors::AuthError;
use crate::actors::workshop::Workshop;
use crate::domain::account::{Account, AccountStatus, CredentialEpoch};
use crate::domain::id::{AccountId, SessionId};
use crate::domain::revocation::Revocation;
use crate::domain::session::{EndReason, Session};
use crate::store::EndedSessions;

/// Sessions on a page of a list.
const PAGE: u32 = 100;

pub(super) async fn logout(shop: &Arc<Workshop>, ask: Logout) -> Result<(), AuthError> {
    let Principal { account_id, session_id } = ask.by;
    match ask.scope {
        // Nothing to look up: it ends the session that asks, and one that has ended stays ended.
        LogoutScope::Local => {
            let ended = shop.durable.end_session(session_id, EndReason::Logout, shop.clock.now()).await?;
            announce(shop, account_id, ended).await?;
        }
        LogoutScope::Others => {
            require_live(shop, ask.by).await?;
            end_all(shop, account_id, Some(session_id), EndReason::LogoutElsewhere).await?;
        }
        LogoutScope::Global => {
            require_live(shop, ask.by).await?;
            // The one that asks comes last: after a failure half way it can ask again.
            end_all(shop, account_id, Some(session_id), EndReason::LogoutElsewhere).await?;
            end_all(shop, account_id, None, EndReason::Logout).await?;
        }
    }
    Ok(())
}

pub(super) async fn list(
    shop: &Workshop,
    by: Principal,
    before: Option<SessionId>,
) -> Result<SessionPage, AuthError> {
    require_live(shop, by).await?;
    page(shop, by.account_id, before).await
}

pub(super) async fn page(
    shop: &Workshop,
    account: AccountId,
    before: Option<SessionId>,
) -> Result<SessionPage, AuthError> {
    // One more than is shown, to know whether there are more.
    let mut sessions = shop.durable.sessions_of(account, before, PAGE + 1, shop.clock.now()).await?;
    let shown = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let more = sessions.len() > shown;
    sessions.truncate(shown);
    Ok(SessionPage { sessions, more })
}

pub(super) async fn end_own(shop: &Arc<Workshop>, by: Principal, id: SessionId) -> Result<bool, AuthError> {
    require_live(shop, by).await?;
    // A session never changes its account, so looking first is as good as looking in the same transaction.
    match shop.durable.session(id).await? {
        Some(session) if session.account_id == by.account_id => {}
        Some(_) | None => return Ok(false),
    }
    let reason = if id == by.session_id { EndReason::Logout } else { EndReason::LogoutElsewhere };
    let ended = shop.durable.end_session(id, reason, shop.clock.now()).await?;
    announce(shop, by.account_id, ended).await?;
    Ok(true)
}

pub(super) async fn revoke(shop: &Arc<Workshop>, session: Session) -> Result<bool, AuthError> {
    let ended = shop.durable.end_session(session.id, EndReason::Operator, shop.clock.now()).await?;
    Ok(announce(shop, session.account_id, ended).await? > 0)
}

pub(super) async fn revoke_all(shop: &Arc<Workshop>, account: AccountId) -> Result<usize, AuthError> {
    end_all(shop, account, None, EndReason::Operator).await
}

pub(super) async fn rename(shop: &Workshop, ask: Renaming) -> Result<Account, AuthError> {
    require_live(shop, ask.by).await?;
    let name = ask.name.as_ref().map(|name| name.as_str());
    shop.durable.rename_account(ask.by.account_id, name).await?.ok_or(AuthError::AccountGone)
}

/// Ends the sessions of an account and removes it, with `by` its owner's session and epoch if the owner asks.
pub(super) async fn delete(
    shop: &Arc<Workshop>,
    account: AccountId,
    by: Option<(SessionId, CredentialEpoch)>,
) -> Result<Option<usize>, AuthError> {
    let (last, epoch) = by.unzip();
    let mut count = 0;
    loop {
        let Some(ended) = shop.durable.delete_account(account, epoch, last, shop.clock.now()).await? else {
            // It may have gone by a try that was not acknowledged.
            shop.publish_ended(EndedSessions::default()).await?;
            return Ok(None);
        };
        let more = ended.more;
        count += announce(shop, account, ended).await?;
        if !more {
            tracing::info!(%account, sessions = count, "account deleted");
            return Ok(Some(count));
        }
    }
}

async fn end_all(
    shop: &Arc<Workshop>,
    account: AccountId,
    except: Option<SessionId>,
    reason: EndReason,
) -> Result<usize, AuthError> {
    let mut count = 0;
    loop {
        let ended = shop.durable.end_sessions_of(account, except, reason, shop.clock.now()).await?;
        let more = ended.more;
        count += announce(shop, account, ended).await?;
        if !more {
            return Ok(count);
        }
    }
}

/// Publishes what a transaction ended, and writes it into the log; how many sessions.
pub(in crate::actors) async fn announce(
    shop: &Arc<Workshop>,
    account: AccountId,
    ended: EndedSessions,
) -> Result<usize, AuthError> {
    let sessions: Vec<_> = ended
        .revocations
        .iter()
        .filter_map(|revocation| Some((Revocation::session_id(revocation)?, revocation.reason)))
        .collect();
    let published = shop.publish_ended(ended).await;
    for (session, reason) in &sessions {
        tracing::info!(%account, %session, reason = reason.as_str(), "session ended");
    }
    // They are ended for whoever hears of it, acknowledged or not.
    published?;
    Ok(sessions.len())
}

/// Whether the session that asks is alive by the durable store, which knows what other replicas did.
pub(super) async fn require_live(shop: &Workshop, by: Principal) -> Result<(), AuthError> {
    match shop.durable.session(by.session_id).await? {
        Some(session) if session.account_id == by.account_id && session.is_live(shop.clock.now()) => Ok(()),
        Some(_) | None => Err(AuthError::SessionEnded),
    }
}

/// The account of whoever asks.
pub(super) async fn account_of(shop: &Workshop, by: Principal) -> Result<Account, AuthError> {
    require_live(shop, by).await?;
    match shop.durable.account(by.account_id).await? {
        Some(account) if account.status == AccountStatus::Active => Ok(account),
        Some(_) | None => Err(AuthError::AccountGone),
    }
}
