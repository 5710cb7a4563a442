//! Why a call was not done. The API turns each variant into one answer.

use std::time::Duration;

use crate::domain::password::WeakPassword;
use crate::store::StoreError;

/// Why a call was not done.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Another account has this address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The policy refuses the password, with the reason for the person.
    #[error("weak password: {0}")]
    WeakPassword(WeakPassword),
    /// Unknown address, wrong password or disabled account: the client never learns which.
    #[error("invalid credentials")]
    InvalidCredentials,
    /// A refresh token that gets nothing: the client never learns why.
    #[error("the refresh token is not valid")]
    InvalidRefreshToken,
    /// The password that was given to prove who asks is not the account's.
    #[error("wrong password")]
    WrongPassword,
    /// The account of a token that verified is gone or disabled.
    #[error("the account is gone")]
    AccountGone,
    /// The session of a token that verified has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// Tried too often; nothing was looked at. It may be tried again after this long.
    #[error("too many attempts")]
    TooManyAttempts(Duration),
    /// All permits are taken; nothing was started.
    #[error("busy")]
    Busy,
    /// The deadline passed, or a store or actor was not there.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// A bug, or damaged data.
    #[error("internal: {0}")]
    Internal(String),
}

impl AuthError {
    /// How long a client should wait before it tries again, for `Retry-After`.
    pub const RETRY_AFTER: Duration = Duration::from_secs(1);

    /// Stable word for logs and metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::EmailTaken => "email_exists",
            Self::WeakPassword(_) => "weak_password",
            Self::InvalidCredentials => "invalid_credentials",
            Self::InvalidRefreshToken => "invalid_refresh_token",
            Self::WrongPassword => "wrong_password",
            Self::AccountGone => "account_gone",
            Self::SessionEnded => "session_ended",
            Self::TooManyAttempts(_) => "too_many_attempts",
            Self::Busy => "busy",
            Self::Unavailable(_) => "unavailable",
            Self::Internal(_) => "internal",
        }
    }
}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::EmailTaken => Self::EmailTaken,
            StoreError::Unavailable { .. } => Self::Unavailable(error.to_string()),
            StoreError::Corrupt { .. } => Self::Internal(error.to_string()),
        }
    }
}
