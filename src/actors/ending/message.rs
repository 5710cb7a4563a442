//! From a message to its work.

use std::sync::Arc;

use super::ask::{AccountDeletion, Logout, PasswordChange, Principal, Renaming, SessionPage};
use super::{password, work};
use crate::actors::job::Job;
use crate::actors::workshop::Workshop;
use crate::domain::account::Account;
use crate::domain::id::{AccountId, SessionId};
use crate::domain::session::Session;

/// What may be asked. The `Sessions` actor takes it.
pub enum EndingMessage {
    /// End the session that asks, the others, or all.
    Logout(Job<Logout, ()>),
    /// The live sessions of whoever asks, from the one before this on.
    List(Job<(Principal, Option<SessionId>), SessionPage>),
    /// End one session of whoever asks; `false`: it is not theirs, or there is none.
    EndOwn(Job<(Principal, SessionId), bool>),
    /// Change the password and end all sessions.
    ChangePassword(Job<PasswordChange, ()>),
    /// Change the name; the account as it is then.
    Rename(Job<Renaming, Account>),
    /// End all sessions and remove the account of whoever asks.
    DeleteOwn(Job<AccountDeletion, ()>),
    /// For an operator: the live sessions of an account, from the one before this on.
    OfAccount(Job<(AccountId, Option<SessionId>), SessionPage>),
    /// For an operator: one session, alive or not.
    ById(Job<SessionId, Option<Session>>),
    /// For an operator: end one session; whether it was alive.
    Revoke(Job<Session, bool>),
    /// For an operator: end all sessions of an account; how many.
    RevokeAll(Job<AccountId, usize>),
    /// For an operator: remove an account; how many sessions that ended, or none without account.
    Delete(Job<AccountId, Option<usize>>),
}

impl EndingMessage {
    /// Starts the job.
    pub fn start(self, shop: Arc<Workshop>) {
        match self {
            Self::Logout(job) => job.start(async move |ask| work::logout(&shop, ask).await),
            Self::List(job) => job.start(async move |(by, before)| work::list(&shop, by, before).await),
            Self::EndOwn(job) => job.start(async move |(by, id)| work::end_own(&shop, by, id).await),
            Self::ChangePassword(job) => job.start(async move |ask| password::change(&shop, ask).await),
            Self::Rename(job) => job.start(async move |ask| work::rename(&shop, ask).await),
            Self::DeleteOwn(job) => job.start(async move |ask| password::delete_own(&shop, ask).await),
            Self::OfAccount(job) => {
                job.start(async move |(account, before)| work::page(&shop, account, before).await);
            }
            Self::ById(job) => job.start(async move |id| Ok(shop.durable.session(id).await?)),
            Self::Revoke(job) => job.start(async move |session| work::revoke(&shop, session).await),
            Self::RevokeAll(job) => job.start(async move |account| work::revoke_all(&shop, account).await),
            Self::Delete(job) => job.start(async move |account| work::delete(&shop, account, None).await),
        }
    }
}
