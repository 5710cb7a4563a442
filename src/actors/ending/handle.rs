//! The calls of [`AuthHandle`] that end sessions, or are about those that have not ended.

use std::time::Duration;

use super::ask::{AccountDeletion, Logout, LogoutScope, PasswordChange, Principal, Renaming, SessionPage};
use super::message::EndingMessage;
use crate::actors::handle::{DISABLE_DEADLINE, reach};
use crate::actors::job::{Job, Pending};
use crate::actors::sessions::SessionsMessage;
use crate::actors::{AuthError, AuthHandle};
use crate::domain::account::Account;
use crate::domain::id::{AccountId, SessionId};
use crate::domain::session::Session;

/// Deadline of calls that end sessions page by page.
const PAGES_DEADLINE: Duration = DISABLE_DEADLINE;

impl AuthHandle {
    /// Ends sessions of whoever asks: durably, then in this process, then answers. Ending one again is fine.
    ///
    /// # Errors
    /// [`AuthError::SessionEnded`] when an ended session asks for more than its own end; else a fault of ours:
    /// sessions may be alive, the one that asks among them.
    pub async fn logout(&self, ask: Logout) -> Result<(), AuthError> {
        let (job, pending) = match ask.scope {
            LogoutScope::Local => self.store_job(ask)?,
            LogoutScope::Others | LogoutScope::Global => self.pages_job(ask)?,
        };
        self.ask(EndingMessage::Logout(job), pending).await
    }

    /// The live sessions of whoever asks, newest first, from the one before `before` on.
    ///
    /// # Errors
    /// [`AuthError::SessionEnded`], or a fault of ours.
    pub async fn own_sessions(
        &self,
        by: Principal,
        before: Option<SessionId>,
    ) -> Result<SessionPage, AuthError> {
        let (job, pending) = self.store_job((by, before))?;
        self.ask(EndingMessage::List(job), pending).await
    }

    /// Ends one session of whoever asks; `false` when it is somebody else's or there is none. Ending it again is
    /// fine.
    ///
    /// # Errors
    /// [`AuthError::SessionEnded`], or a fault of ours: it may be alive.
    pub async fn end_own_session(&self, by: Principal, id: SessionId) -> Result<bool, AuthError> {
        let (job, pending) = self.store_job((by, id))?;
        self.ask(EndingMessage::EndOwn(job), pending).await
    }

    /// Changes the password and ends all sessions, the one that asks too.
    ///
    /// # Errors
    /// [`AuthError::WrongPassword`], [`AuthError::WeakPassword`], [`AuthError::TooManyAttempts`],
    /// [`AuthError::SessionEnded`], or a fault of ours:
    /// sessions may have ended; the old password holds, or the new one when only the answer was lost.
    pub async fn change_password(&self, ask: PasswordChange) -> Result<(), AuthError> {
        let (job, pending) = self.hash_job_within(ask, PAGES_DEADLINE)?;
        self.ask(EndingMessage::ChangePassword(job), pending).await
    }

    /// Ends all sessions of whoever asks and removes the account.
    ///
    /// # Errors
    /// [`AuthError::WrongPassword`], [`AuthError::TooManyAttempts`], [`AuthError::SessionEnded`], or a fault of ours: sessions may have ended; the
    /// account is there, or gone when only the answer was lost.
    pub async fn delete_own_account(&self, ask: AccountDeletion) -> Result<(), AuthError> {
        let (job, pending) = self.hash_job_within(ask, PAGES_DEADLINE)?;
        self.ask(EndingMessage::DeleteOwn(job), pending).await
    }

    /// Changes the name of whoever asks.
    ///
    /// # Errors
    /// [`AuthError::SessionEnded`], [`AuthError::AccountGone`], or a fault of ours.
    pub async fn rename(&self, ask: Renaming) -> Result<Account, AuthError> {
        let (job, pending) = self.store_job(ask)?;
        self.ask(EndingMessage::Rename(job), pending).await
    }

    /// For an operator: the live sessions of an account, newest first, from the one before `before` on.
    ///
    /// # Errors
    /// A fault of ours.
    pub async fn sessions_of(
        &self,
        account: AccountId,
        before: Option<SessionId>,
    ) -> Result<SessionPage, AuthError> {
        let (job, pending) = self.store_job((account, before))?;
        self.ask(EndingMessage::OfAccount(job), pending).await
    }

    /// For an operator: the session with this id, alive or not.
    ///
    /// # Errors
    /// A fault of ours.
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>, AuthError> {
        let (job, pending) = self.store_job(id)?;
        self.ask(EndingMessage::ById(job), pending).await
    }

    /// For an operator: ends one session; whether it was alive.
    ///
    /// # Errors
    /// A fault of ours: it may be alive.
    pub async fn revoke_session(&self, session: Session) -> Result<bool, AuthError> {
        let (job, pending) = self.store_job(session)?;
        self.ask(EndingMessage::Revoke(job), pending).await
    }

    /// For an operator: ends all sessions of an account; how many.
    ///
    /// # Errors
    /// A fault of ours: some may be alive.
    pub async fn revoke_sessions_of(&self, account: AccountId) -> Result<usize, AuthError> {
        let (job, pending) = self.pages_job(account)?;
        self.ask(EndingMessage::RevokeAll(job), pending).await
    }

    /// For an operator: ends all sessions of an account and removes it; how many, or `None` without account.
    ///
    /// # Errors
    /// A fault of ours: sessions may have ended, and the account is there.
    pub async fn delete_account(&self, account: AccountId) -> Result<Option<usize>, AuthError> {
        let (job, pending) = self.pages_job(account)?;
        self.ask(EndingMessage::Delete(job), pending).await
    }

    fn pages_job<Ask, Answer>(&self, ask: Ask) -> Result<(Job<Ask, Answer>, Pending<Answer>), AuthError>
    where
        Ask: Send + 'static,
        Answer: Send + 'static,
    {
        self.store_job_within(ask, PAGES_DEADLINE)
    }

    async fn ask<Answer>(
        &self,
        message: EndingMessage,
        pending: Pending<Answer>,
    ) -> Result<Answer, AuthError> {
        reach(&self.slots.sessions, SessionsMessage::Ending(message), pending).await
    }
}
