//! Revocations: which sessions ended before their tokens did.
//!
//! The durable store numbers them without gaps; a replica follows the numbers. A revocation may be
//! forgotten once no token of its session can still be alive.

use super::clock::Timestamp;
use super::id::SessionId;
use super::session::EndReason;

/// One ended session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its place in the order of all revocations, from 1.
    pub number: i64,
    /// The session that ended.
    pub session_id: SessionId,
    /// When the session would have expired by itself: past this the entry says nothing new.
    pub session_expires_at: Timestamp,
    /// When it was ended.
    pub revoked_at: Timestamp,
    /// Why.
    pub reason: EndReason,
}
