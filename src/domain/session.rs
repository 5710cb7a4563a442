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
    /// No token of this session lives past this.
    pub expires_at: Timestamp,
    /// The client's address at login, as seen by the gateway.
    pub address: Option<String>,
    /// The client's `User-Agent` at login, cut to 256 characters.
    pub user_agent: Option<String>,
    /// Alive, or how it ended.
    pub state: SessionState,
}

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
    /// The person logged out.
    Logout,
    /// The account was disabled.
    AccountDisabled,
}

impl EndReason {
    /// The word that stores and logs keep.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::AccountDisabled => "account_disabled",
        }
    }

    /// The reason behind a stored word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Logout, Self::AccountDisabled].into_iter().find(|reason| reason.as_str() == word)
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
