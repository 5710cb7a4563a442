//! Bringing the schema up to date, one process at a time.
//!
//! refinery reads what is applied and applies the rest in separate transactions, so two processes
//! could both find a migration pending. A lock on a file next to the database keeps them apart. Not on
//! the database file itself: closing a second handle to it would drop the locks that SQLite holds.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension};

use super::error::{Failure, judge, unavailable};
use crate::store::{MigrationStatus, StoreError, migrations};

/// Deadline of a whole run, waiting for other processes included.
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

/// How often to look whether the lock is free.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until no other process migrates this database. The lock goes with the file handle.
pub(super) async fn lock(database: &Path) -> Result<File, StoreError> {
    let path = lock_path(database);
    let refuse = |error: std::io::Error| unavailable(format!("cannot lock {}: {error}", path.display()));
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(refuse)?;
    let wait = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOOK_AGAIN).await,
                Err(TryLockError::Error(error)) => return Err(refuse(error)),
            }
        }
    };
    match tokio::time::timeout(DEADLINE, wait).await {
        Ok(locked) => locked.map(|()| file),
        Err(_) => Err(unavailable(format!("another process has held {} for too long", path.display()))),
    }
}

fn lock_path(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push("-migrate.lock");
    PathBuf::from(name)
}

/// Applies what is pending. To be called with [`lock`] held.
pub(super) fn run(connection: &mut Connection) -> Result<MigrationStatus, Failure> {
    migrations::runner("sqlite", migrations::SQLITE)?
        .run(connection)
        .map_err(|error| migrations::failed("sqlite", &error, |cause| cause.downcast_ref().map(judge)))?;
    status(connection)
}

/// What is applied and what is pending; a database without a history has nothing applied.
pub(super) fn status(connection: &Connection) -> Result<MigrationStatus, Failure> {
    let exists = connection
        .query_row(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1",
            [migrations::HISTORY],
            |_| Ok(()),
        )
        .optional()?;
    if exists.is_none() {
        return Ok(migrations::status(migrations::SQLITE, &[]));
    }
    let select = format!("SELECT version, name FROM {} ORDER BY version", migrations::HISTORY);
    let mut select = connection.prepare(&select)?;
    let history: Vec<(i32, String)> =
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    Ok(migrations::status(migrations::SQLITE, &history))
}
