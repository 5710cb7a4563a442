//! What is asked of a durable store about refresh tokens, and what it answers.

use super::EndedSessions;
use crate::domain::audit::AuditNote;
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, SessionId};
use crate::domain::refresh::{
    ClientFingerprint, RefreshRecord, RefreshRefusal, RefreshRules, RefreshTokenHash, SuccessorNonce,
};

/// A refresh token that a client presents, with the successor it gets if this is the call that rotates.
///
/// The store sees hashes only. It could not compute a successor, and does not have to.
#[derive(Debug, Clone)]
pub struct Presentation {
    /// Hash of the presented token.
    pub hash: RefreshTokenHash,
    /// Who presents it.
    pub client: ClientFingerprint,
    /// When.
    pub now: Timestamp,
    /// The lifetimes.
    pub rules: RefreshRules,
    /// 32 fresh random bytes.
    pub nonce: SuccessorNonce,
    /// Hash of the successor that is computed with `nonce`.
    pub successor: RefreshTokenHash,
    /// For the audit trail, should this turn out to be a reuse.
    pub note: AuditNote,
}

/// What became of a presented refresh token.
#[derive(Debug)]
pub enum Refreshed {
    /// It has this successor.
    Granted {
        /// Session and account as they were in that moment.
        record: Box<RefreshRecord>,
        /// What the successor is computed with.
        nonce: SuccessorNonce,
        /// Whether this call made it.
        turn: Turn,
    },
    /// It had been used before: its session was ended, with an audit event in the same transaction.
    Reused {
        /// Whose.
        account_id: AccountId,
        /// Which.
        session_id: SessionId,
        /// To be published.
        ended: EndedSessions,
    },
    /// It gets nothing, and nothing was changed.
    Refused {
        /// Why.
        refusal: RefreshRefusal,
        /// Its session, if it is known.
        session_id: Option<SessionId>,
    },
}

/// Which call a grant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The one that rotated.
    First,
    /// A later one of the same client, within the grace.
    Again,
}

impl Refreshed {
    /// A refusal of a token that was found.
    pub(super) fn refused(record: &RefreshRecord, refusal: RefreshRefusal) -> Self {
        Self::Refused { refusal, session_id: Some(record.session.id) }
    }

    /// A refusal of a token that was not.
    pub(super) const fn unknown() -> Self {
        Self::Refused { refusal: RefreshRefusal::Unknown, session_id: None }
    }
}
