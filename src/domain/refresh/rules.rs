//! What becomes of a refresh token that is presented.

use std::time::Duration;

use super::{ClientFingerprint, RefreshTokenHash, SuccessorNonce};
use crate::domain::account::{Account, AccountStatus};
use crate::domain::clock::Timestamp;
use crate::domain::id::SessionId;
use crate::domain::session::{Session, SessionState};
use crate::domain::token::LEEWAY;

/// A refresh token as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// What it is known by.
    pub hash: RefreshTokenHash,
    /// Its family.
    pub session_id: SessionId,
    /// When it was handed out first.
    pub issued_at: Timestamp,
    /// Not used until then, it is dead: the idle end, never past the session's.
    pub expires_at: Timestamp,
    /// The live one of its family, or one of the past.
    pub state: RefreshTokenState,
}

/// Where a refresh token is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshTokenState {
    /// The one of its family that may be used.
    Live,
    /// It has handed over to its successor.
    Rotated {
        /// When.
        at: Timestamp,
        /// Who got the successor.
        by: ClientFingerprint,
        /// What the successor is computed with; erased when nobody may be told it again.
        nonce: Option<SuccessorNonce>,
    },
}

/// A refresh token with everything that decides about it.
#[derive(Debug, Clone)]
pub struct RefreshRecord {
    /// The token.
    pub token: RefreshToken,
    /// Its session.
    pub session: Session,
    /// The account of the session, as it is now.
    pub account: Account,
}

/// How long refresh tokens live, and how long a lost answer can be had again.
#[derive(Debug, Clone, Copy)]
pub struct RefreshRules {
    /// A token that is not used for so long is dead.
    pub idle_lifetime: Duration,
    /// How long after a rotation the same client gets the same successor again; zero: never.
    pub grace: Duration,
}

impl RefreshRules {
    /// The idle end of a token of this session that is handed out now.
    pub fn idle_end(&self, now: Timestamp, session: &Session) -> Timestamp {
        now.plus(self.idle_lifetime).min(session.expires_at)
    }

    /// From this moment back, no rotation can be asked for again.
    pub fn grace_begins(&self, now: Timestamp) -> Timestamp {
        let span = self.grace.saturating_add(LEEWAY);
        let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_unix_millis(now.unix_millis().saturating_sub(millis))
    }

    /// Whether a rotation at `at` is so recent that its answer may have been lost. Replicas' clocks may differ by
    /// [`LEEWAY`]: a rotation that seems to lie that little in the future has just happened.
    fn in_grace(&self, at: Timestamp, now: Timestamp) -> bool {
        !self.grace.is_zero() && at <= now.plus(LEEWAY) && at.until(now) < self.grace
    }
}

/// What is to be done about a presented token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Hand over to a successor, which is dead if not used before `expires_at`.
    Rotate {
        /// The successor's idle end.
        expires_at: Timestamp,
    },
    /// Tell the same client the same successor again: its answer may have been lost.
    Repeat {
        /// What the successor is computed with.
        nonce: SuccessorNonce,
    },
    /// Somebody has an old token who should not: end the session.
    Reuse,
    /// Nothing happens.
    Refuse(RefreshRefusal),
}

/// Why a token gets nothing. For logs and metrics; a client never learns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshRefusal {
    /// There is no such token, or nothing is left of its session or account.
    Unknown,
    /// Not used for too long, or the session is at its end.
    Expired,
    /// The session was ended, or its account is disabled.
    Ended,
}

impl RefreshRefusal {
    /// Every refusal.
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Expired, Self::Ended];

    /// The word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Ended => "ended",
        }
    }
}

/// Judges a token that `client` presents at `now`.
///
/// Within the grace the same client gets the same successor also when that one has been used meanwhile. Two tabs of
/// a browser share a token: one refreshes twice while the other's first answer is on its way. What the other gets
/// is a token of the past that is in its own grace, and leads to the live one in a step. Ending the session there
/// would log people out by chance; and a thief who is the same client, that soon, would have got the live one anyway.
pub fn judge(
    record: &RefreshRecord,
    client: ClientFingerprint,
    now: Timestamp,
    rules: &RefreshRules,
) -> Judgement {
    // An ended family stays ended, and is not ended twice.
    if let Err(refusal) = family(record, now) {
        return Judgement::Refuse(refusal);
    }
    match record.token.state {
        RefreshTokenState::Live if now < record.token.expires_at => {
            Judgement::Rotate { expires_at: rules.idle_end(now, &record.session) }
        }
        RefreshTokenState::Live => Judgement::Refuse(RefreshRefusal::Expired),
        // One that is past its idle end has a successor out, too: to use it again is no less suspicious.
        RefreshTokenState::Rotated { at, by, nonce: Some(nonce) }
            if by == client && rules.in_grace(at, now) =>
        {
            Judgement::Repeat { nonce }
        }
        RefreshTokenState::Rotated { .. } => Judgement::Reuse,
    }
}

/// Whether a token could be used, for those who only ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The live one of a live session.
    Live,
    /// It has a successor; using it may end the session.
    Rotated,
    /// It, or its session, has expired or was ended.
    Dead,
}

/// The standing of a token at `now`.
pub fn standing(record: &RefreshRecord, now: Timestamp) -> Standing {
    match (family(record, now), record.token.state) {
        (Err(_), _) => Standing::Dead,
        (Ok(()), RefreshTokenState::Rotated { .. }) => Standing::Rotated,
        (Ok(()), RefreshTokenState::Live) if now < record.token.expires_at => Standing::Live,
        (Ok(()), RefreshTokenState::Live) => Standing::Dead,
    }
}

/// Whether anything of this family may be used.
fn family(record: &RefreshRecord, now: Timestamp) -> Result<(), RefreshRefusal> {
    match record.session.state {
        SessionState::Revoked { .. } => return Err(RefreshRefusal::Ended),
        SessionState::Active if now >= record.session.expires_at => return Err(RefreshRefusal::Expired),
        SessionState::Active => {}
    }
    match record.account.status {
        AccountStatus::Active => Ok(()),
        AccountStatus::Disabled => Err(RefreshRefusal::Ended),
    }
}
