//! A session: from a login until it expires or is ended.

use serde::{Deserialize, Serialize};

use super::clock::Timestamp;
use super::id::{AccountId, SessionId};

/// A session as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id, the `sid` of its tokens.
    pub id: SessionId,
    /// Whose it is.
    pub account_id: AccountId,
    /// When the login happened.
    pub created_at: Timestamp,
    /// When its refresh token was last used; the login counts.
    pub last_used_at: Timestamp,
    /// No token of this session lives past this.
    pub expires_at: Timestamp,
    /// The client's address at login, as seen by the gateway.
    pub address: Option<String>,
    /// The client's `User-Agent` at login, cut to 256 characters.
    pub user_agent: Option<String>,
    /// Its place in the status list; none for a session begun before there was one.
    pub status_index: Option<StatusIndex>,
    /// Alive, or how it ended.
    pub state: SessionState,
}

/// A session's place in the status list, from 0. Not used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StatusIndex(pub i64);

/// Whether a session is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum SessionState {
    /// Its tokens are good until they expire.
    Active,
    /// Ended before its time.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: EndReason,
    },
}

/// Why a session was ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The person logged out of it.
    Logout,
    /// The person ended it from another session.
    LogoutElsewhere,
    /// The account was disabled.
    AccountDisabled,
    /// The account was deleted.
    AccountDeleted,
    /// The password of the account was changed.
    PasswordChanged,
    /// A refresh token was used again after its successor was out: somebody else may have it.
    RefreshTokenReused,
    /// A client revoked one of its tokens (RFC 7009).
    TokenRevoked,
    /// An operator ended it.
    Operator,
    /// The key that signed its tokens was retired.
    KeyRetired,
    /// A reason that a newer version knows: ended it is.
    Other,
}

impl EndReason {
    /// Every reason.
    pub const ALL: [Self; 10] = [
        Self::Logout,
        Self::LogoutElsewhere,
        Self::AccountDisabled,
        Self::AccountDeleted,
        Self::PasswordChanged,
        Self::RefreshTokenReused,
        Self::TokenRevoked,
        Self::Operator,
        Self::KeyRetired,
        Self::Other,
    ];

    /// Those that end sessions one by one.
    pub const OF_SESSIONS: [Self; 8] = [
        Self::Logout,
        Self::LogoutElsewhere,
        Self::AccountDisabled,
        Self::AccountDeleted,
        Self::PasswordChanged,
        Self::RefreshTokenReused,
        Self::TokenRevoked,
        Self::Operator,
    ];

    /// The word that stores and logs keep.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::LogoutElsewhere => "logout_elsewhere",
            Self::AccountDisabled => "account_disabled",
            Self::AccountDeleted => "account_deleted",
            Self::PasswordChanged => "password_changed",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::TokenRevoked => "token_revoked",
            Self::Operator => "operator",
            Self::KeyRetired => "key_retired",
            Self::Other => "other",
        }
    }

    /// The reason behind a stored word. One that means nothing here ends a session all the same.
    pub fn parse(word: &str) -> Self {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word).unwrap_or(Self::Other)
    }
}

impl Session {
    /// Whether tokens of this session may be used at `now`.
    pub fn is_live(&self, now: Timestamp) -> bool {
        match self.state {
            SessionState::Active => now < self.expires_at,
            SessionState::Revoked { .. } => false,
        }
    }
}
