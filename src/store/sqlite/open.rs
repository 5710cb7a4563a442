//! Opening the file: its rights, and the settings that make a commit mean "on disk".

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::error::{Failure, unavailable};
use crate::store::StoreError;

/// How long a statement waits for another process (the command line) that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Statements kept prepared; more than there are.
const CACHED_STATEMENTS: usize = 64;

/// Opens the database, creating an empty one that only its owner may read. The folder must exist.
///
/// The file is made here and not by SQLite, which would give it the rights of the umask. Its `-wal`
/// and `-shm` files get the rights of the database file.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    create(path).map_err(|error| unavailable(format!("cannot open {}: {error}", path.display())))?;
    connect(path).map_err(|Failure(error)| error)
}

/// Makes the file if it is not there. One that is there is not even opened: closing any handle to it drops
/// every lock that this process's connections hold on it (sqlite.org/howtocorrupt.html, section 2.2). A program
/// with an SQLite before 3.51 that then closes the database takes itself for the last one and deletes the
/// write-ahead log under us, with every commit that follows.
fn create(path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop),
    }
}

fn connect(path: &Path) -> Result<Connection, Failure> {
    // Without SQLITE_OPEN_URI, a path is a path whatever it starts with.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
    if switch_to_wal(&connection)? != "wal" {
        return Err(unavailable(format!("{}: no write-ahead log here", path.display())).into());
    }
    // FULL: a commit waits until the log is on disk. fullfsync: on macOS, really on disk.
    // trusted_schema: functions with side effects stay unusable if foreign hands edit the schema.
    connection.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA foreign_keys = ON;
         PRAGMA trusted_schema = OFF;",
    )?;
    Ok(connection)
}

/// Asks for the write-ahead log and returns the mode that the file is in now.
///
/// Two processes that switch a new file at once can get "locked" without the wait of `busy_timeout`, so
/// the wait is here: a hundred tries, ten milliseconds apart. The mode stays with the file.
fn switch_to_wal(connection: &Connection) -> Result<String, rusqlite::Error> {
    let mut tries = 100_u32;
    loop {
        match connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && tries > 0 => {
                tries = tries.saturating_sub(1);
                std::thread::park_timeout(Duration::from_millis(10));
            }
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_the_owner_may_read_the_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateward.db");
        let connection = open(&path).unwrap();
        connection.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").unwrap();
        for suffix in ["", "-wal", "-shm"] {
            let file = folder.path().join(format!("gateward.db{suffix}"));
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{suffix}");
        }
    }

    #[test]
    fn what_is_no_database_is_corrupt_and_what_is_no_file_is_unavailable() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gateward.db");
        std::fs::write(&path, "this is not a database, and it is longer than a header is, too, by far....")
            .unwrap();
        assert!(matches!(open(&path), Err(StoreError::Corrupt { .. })));
        assert!(matches!(open(&folder.path().join("no/such/folder")), Err(StoreError::Unavailable { .. })));
    }

    #[test]
    fn many_may_open_a_new_file_at_once() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("gateward.db");
            std::thread::scope(|scope| {
                let opens: Vec<_> = (0..4).map(|_| scope.spawn(|| open(&path).map(drop))).collect();
                for open in opens {
                    open.join().unwrap().unwrap();
                }
            });
        }
    }
}
