//! What goes wrong between us and Redis, and what the contract calls it.

use bb8_redis::bb8::RunError;
use redis::{ErrorKind, RedisError};

use crate::store::StoreError;

/// The store's name in errors.
const STORE: &str = "redis";

/// The contract's name for an error of a command.
pub(super) fn judge(error: &RedisError) -> StoreError {
    match error.kind() {
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => corrupt(error.to_string()),
        // Not reached, refused, loading, read-only, out of memory: trying again later may work.
        _ => unavailable(error.to_string()),
    }
}

/// The contract's name for not having got a connection.
pub(super) fn no_connection(error: &RunError<RedisError>) -> StoreError {
    match error {
        RunError::User(error) => judge(error),
        RunError::TimedOut => unavailable("no connection in time".to_owned()),
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
