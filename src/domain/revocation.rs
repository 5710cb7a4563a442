//! Revocations: what ended before its tokens did, a session or a signing key.
//!
//! The durable store numbers them without gaps; a replica follows the numbers. A revocation may be
//! forgotten once no token that it refuses can still be alive.

use super::clock::Timestamp;
use super::id::SessionId;
use super::session::{EndReason, StatusIndex};

/// One revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its place in the order of all revocations, from 1.
    pub number: i64,
    /// What ended.
    pub revoked: Revoked,
    /// From here on no token that it refuses can be alive: past this the entry says nothing new.
    pub forget_at: Timestamp,
    /// When it was ended.
    pub revoked_at: Timestamp,
    /// Why.
    pub reason: EndReason,
}

/// What a revocation ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoked {
    /// One session, and with it all its tokens.
    Session {
        /// Which.
        id: SessionId,
        /// Its place in the status list; none for a session begun before there was one.
        status_index: Option<StatusIndex>,
    },
    /// A signing key, and with it every token that it signed.
    Key {
        /// Its `kid`.
        kid: String,
    },
}

impl Revocation {
    /// The session that ended, if one did.
    pub const fn session_id(&self) -> Option<SessionId> {
        match &self.revoked {
            Revoked::Session { id, .. } => Some(*id),
            Revoked::Key { .. } => None,
        }
    }
}
