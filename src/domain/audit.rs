//! The audit trail: what somebody must be able to look up months later.
//!
//! An event is written in the transaction of what it tells, so that neither is there without the other.

use super::clock::Timestamp;
use super::id::{AccountId, AuditEventId, SessionId};

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its id; ids rise with time.
    pub id: AuditEventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: AuditKind,
    /// Whose account it concerns.
    pub account_id: AccountId,
    /// Which session it concerns, if one.
    pub session_id: Option<SessionId>,
    /// The address of the client that caused it.
    pub address: Option<String>,
    /// The `User-Agent` of the client that caused it, cut to 256 characters.
    pub user_agent: Option<String>,
}

/// What is told of an event before its store knows whom it concerns.
#[derive(Debug, Clone)]
pub struct AuditNote {
    /// See [`AuditEvent::id`].
    pub id: AuditEventId,
    /// See [`AuditEvent::address`].
    pub address: Option<String>,
    /// See [`AuditEvent::user_agent`].
    pub user_agent: Option<String>,
}

impl AuditNote {
    /// The event.
    pub fn event(
        &self,
        kind: AuditKind,
        at: Timestamp,
        account_id: AccountId,
        session_id: Option<SessionId>,
    ) -> AuditEvent {
        let (address, user_agent) = (self.address.clone(), self.user_agent.clone());
        AuditEvent { id: self.id, at, kind, account_id, session_id, address, user_agent }
    }
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditKind {
    /// A refresh token was used again after its successor was out; its session was ended.
    RefreshTokenReused,
}

impl AuditKind {
    /// Every kind.
    pub const ALL: [Self; 1] = [Self::RefreshTokenReused];

    /// The word that stores keep and operators read.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RefreshTokenReused => "refresh_token_reused",
        }
    }

    /// The kind behind a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_its_word() {
        for kind in AuditKind::ALL {
            assert_eq!(AuditKind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(AuditKind::parse("boredom"), None);
    }
}
