//! What an operator does to sessions, and to an account with all of them.

use super::AppError;
use super::operator::{Operator, no_account};
use crate::domain::id::{AccountId, SessionId};
use crate::domain::session::Session;

impl Operator {
    /// The live sessions of an account, newest first.
    ///
    /// # Errors
    /// The store does not answer.
    pub fn sessions(&self, account: AccountId) -> Result<Vec<Session>, AppError> {
        let handle = self.handle();
        let mut all: Vec<Session> = Vec::new();
        loop {
            let page = self.run(handle.sessions_of(account, all.last().map(|session| session.id)))?;
            all.extend(page.sessions);
            if !page.more {
                return Ok(all);
            }
        }
    }

    /// Ends sessions; which of them were alive. An unknown one among them, and none is ended.
    ///
    /// # Errors
    /// There is no such session, or the store does not answer: some may have been ended.
    pub fn revoke(&self, ids: &[SessionId]) -> Result<Vec<(SessionId, bool)>, AppError> {
        let handle = self.handle();
        let mut sessions = Vec::with_capacity(ids.len());
        for id in ids {
            let found = self.run(handle.session(*id))?;
            sessions.push(found.ok_or_else(|| AppError::Failed(format!("there is no session {id}")))?);
        }
        sessions
            .into_iter()
            .map(|session| Ok((session.id, self.run(handle.revoke_session(session))?)))
            .collect()
    }

    /// Ends all sessions of an account; how many.
    ///
    /// # Errors
    /// The store does not answer: some may be alive.
    pub fn revoke_all(&self, account: AccountId) -> Result<usize, AppError> {
        self.run(self.handle().revoke_sessions_of(account))
    }

    /// Ends all sessions of an account and removes it; how many.
    ///
    /// # Errors
    /// There is no such account, or the store does not answer: the account is there, with fewer sessions.
    pub fn delete(&self, account: AccountId) -> Result<usize, AppError> {
        self.run(self.handle().delete_account(account))?.ok_or_else(no_account)
    }

    /// This id, if there is such an account.
    ///
    /// # Errors
    /// There is none, or the store does not answer.
    pub fn existing(&self, account: AccountId) -> Result<AccountId, AppError> {
        self.run(self.handle().account(account))?.map(|found| found.id).ok_or_else(no_account)
    }
}
