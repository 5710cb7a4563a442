//! Why the program ends with an error.

use std::net::SocketAddr;

use crate::actors::{AuthError, StartError};

/// Why a command could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// A dependency does not answer; trying again later may work.
    #[error("{0}")]
    Unavailable(String),
    /// A listener could not be opened.
    #[error("cannot listen on {address} ({key})")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// The configuration key.
        key: &'static str,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

impl From<StartError> for AppError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Unavailable(_) => Self::Unavailable(error.to_string()),
            StartError::PendingMigrations(_) | StartError::Failed(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<AuthError> for AppError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Busy | AuthError::Unavailable(_) => Self::Unavailable(error.to_string()),
            AuthError::EmailTaken
            | AuthError::WeakPassword(_)
            | AuthError::InvalidCredentials
            | AuthError::InvalidRefreshToken
            | AuthError::WrongPassword
            | AuthError::TooManyAttempts(_)
            | AuthError::AccountGone
            | AuthError::SessionEnded
            | AuthError::Internal(_) => Self::Failed(error.to_string()),
        }
    }
}
