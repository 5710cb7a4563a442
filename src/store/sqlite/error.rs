//! What goes wrong in SQLite, and what the contract calls it.

use rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE;
use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// The store's name in errors.
const STORE: &str = "sqlite";

/// How SQLite names the constraint that makes addresses unique (`V1__accounts`).
const EMAIL_CONSTRAINT: &str = "accounts.email_normal";

/// Lets operations use `?` on both kinds of error, without rusqlite in the contract.
#[derive(Debug)]
pub(super) struct Failure(pub(super) StoreError);

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(judge(&error))
    }
}

/// The contract's name for an error. SQLite's messages name tables and columns, never values.
pub(super) fn judge(error: &Error) -> StoreError {
    if let Error::SqliteFailure(code, Some(message)) = error
        && code.extended_code == SQLITE_CONSTRAINT_UNIQUE
        && message.contains(EMAIL_CONSTRAINT)
    {
        return StoreError::EmailTaken;
    }
    match error.sqlite_error_code() {
        // The file is locked, read-only, unreadable, or the disk is full: the data is as it was.
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OperationInterrupted
            | ErrorCode::OperationAborted
            | ErrorCode::OutOfMemory
            | ErrorCode::NoLargeFileSupport,
        ) => unavailable(error.to_string()),
        _ => corrupt(error.to_string()),
    }
}

/// [`StoreError::Unavailable`] of this store.
pub(super) fn unavailable(reason: String) -> StoreError {
    StoreError::Unavailable { store: STORE, reason }
}

/// [`StoreError::Corrupt`] of this store.
pub(super) fn corrupt(reason: String) -> StoreError {
    StoreError::Corrupt { store: STORE, reason }
}
