//! What goes wrong between us and Postgres, and what the contract calls it.
//!
//! Reasons carry the server's short message and SQLSTATE, never its detail line, which quotes rows,
//! and never the connection URL.

use deadpool_postgres::PoolError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::store::StoreError;

/// The store's name in errors.
const STORE: &str = "postgres";

/// The constraint that makes addresses unique (`V1__accounts`).
const EMAIL_CONSTRAINT: &str = "accounts_email_normal_key";

/// How tokio-postgres begins to speak of a failed TLS handshake.
const TLS_FAILED: &str = "error performing TLS handshake";

/// Why an attempt at a call failed: by stage, because a retry is safe only before the commit.
#[derive(Debug)]
pub(super) enum Failure {
    /// No connection was had.
    Connection(PoolError),
    /// A statement failed; nothing of this attempt is committed, or repeating it changes nothing.
    Statement(Error),
    /// The commit failed; when the connection went with it, nobody knows whether it happened.
    Commit(Error),
    /// The statements worked, and what they returned decides.
    Answer(StoreError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Statement(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Answer(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Connection(PoolError::Backend(error)) => unavailable(describe(&error)),
            Failure::Connection(PoolError::Timeout(_)) => unavailable("no connection in time".to_owned()),
            Failure::Connection(_) => unavailable("the connection pool is closed".to_owned()),
            Failure::Statement(error) | Failure::Commit(error) => judge(&error),
            Failure::Answer(error) => error,
        }
    }
}

/// The contract's name for an error of a statement.
pub(super) fn judge(error: &Error) -> StoreError {
    let Some(db) = error.as_db_error() else { return unavailable(describe(error)) };
    if *db.code() == SqlState::UNIQUE_VIOLATION && db.constraint() == Some(EMAIL_CONSTRAINT) {
        return StoreError::EmailTaken;
    }
    if is_passing(db.code()) { unavailable(describe(error)) } else { corrupt(describe(error)) }
}

/// Conditions that end by themselves or by an operator's hand, by SQLSTATE class
/// (PostgreSQL manual, appendix A): the data is as it was.
fn is_passing(code: &SqlState) -> bool {
    let class = code.code().get(..2).unwrap_or_default();
    match class {
        // Connection; authentication; no such database; serialization and deadlock; resources; lock not
        // available and object state; operator intervention (shutdown, cancelled by timeout); system (I/O).
        "08" | "28" | "3D" | "40" | "53" | "55" | "57" | "58" => true,
        // Of "invalid transaction state" only these: a standby, and a transaction that idled too long.
        "25" => {
            *code == SqlState::READ_ONLY_SQL_TRANSACTION
                || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        }
        _ => false,
    }
}

/// Whether the connection behind this error must not be used again.
pub(super) fn ends_connection(error: &Error) -> bool {
    match error.code() {
        // 57P..: the server is going down. 25006: this server is a standby now; another connection
        // may reach the new primary.
        Some(code) => {
            code.code().starts_with("57P")
                || code.code().starts_with("08")
                || *code == SqlState::READ_ONLY_SQL_TRANSACTION
                || *code == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT
        }
        None => true,
    }
}

/// Whether the connection was gone when the statement was tried, so that a fresh one may do better.
pub(super) fn lost_connection(error: &Error) -> bool {
    match error.code() {
        Some(code) => *code == SqlState::ADMIN_SHUTDOWN || *code == SqlState::CRASH_SHUTDOWN,
        None => error.is_closed() || is_io(error),
    }
}

fn is_io(error: &Error) -> bool {
    std::error::Error::source(error).is_some_and(|cause| cause.is::<std::io::Error>())
}

/// What happened, in one line, without values of rows.
pub(super) fn describe(error: &Error) -> String {
    if let Some(db) = error.as_db_error() {
        return format!("{} (SQLSTATE {})", db.message(), db.code().code());
    }
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    if text.starts_with(TLS_FAILED) {
        text.push_str(" (postgres.tls_ca_file names trusted roots; sslmode=disable in the URL means plain)");
    }
    text
}

/// [`StoreError::Unavailable`] of this store.
pub(super) fn unavailable(reason: String) -> StoreError {
    StoreError::Unavailable { store: STORE, reason }
}

/// [`StoreError::Corrupt`] of this store.
pub(super) fn corrupt(reason: String) -> StoreError {
    StoreError::Corrupt { store: STORE, reason }
}

/// A column's value, or [`StoreError::Corrupt`] when it is missing or of another type.
pub(super) fn column<'r, T: tokio_postgres::types::FromSql<'r>>(
    row: &'r tokio_postgres::Row,
    name: &str,
) -> Result<T, StoreError> {
    row.try_get(name).map_err(|error| corrupt(format!("column {name}: {}", describe(&error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_or_stopping_server_is_unavailable_and_a_missing_table_is_not() {
        for code in ["57P01", "57P03", "57014", "53300", "40P01", "55P03", "28P01", "3D000", "25006", "08006"]
        {
            assert!(is_passing(&SqlState::from_code(code)), "{code}");
        }
        for code in ["42P01", "23505", "23514", "22021", "XX001", "25P02"] {
            assert!(!is_passing(&SqlState::from_code(code)), "{code}");
        }
    }
}
