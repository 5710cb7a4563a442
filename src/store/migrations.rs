//! The migrations inside the binary, as both durable kinds run them.
//!
//! They are listed by hand rather than found by refinery's macro, which does not notice a new file
//! until something else makes the crate compile again; a test compares the lists with the folders.

use refinery::{Migration, Runner};

use super::{MigrationStatus, StoreError};

/// Name (`V1__accounts`) and SQL of each migration, in order.
pub(super) type Embedded = &'static [(&'static str, &'static str)];

/// Those for Postgres.
pub(super) const POSTGRES: Embedded = &[
    ("V1__accounts", include_str!("../../migrations/postgres/V1__accounts.sql")),
    ("V2__sessions", include_str!("../../migrations/postgres/V2__sessions.sql")),
    ("V3__revocations", include_str!("../../migrations/postgres/V3__revocations.sql")),
    ("V4__signing_keys", include_str!("../../migrations/postgres/V4__signing_keys.sql")),
    ("V5__revoked_keys", include_str!("../../migrations/postgres/V5__revoked_keys.sql")),
    ("V6__refresh_tokens", include_str!("../../migrations/postgres/V6__refresh_tokens.sql")),
    ("V7__credential_epoch", include_str!("../../migrations/postgres/V7__credential_epoch.sql")),
    ("V8__replicas", include_str!("../../migrations/postgres/V8__replicas.sql")),
    ("V9__key_rotation", include_str!("../../migrations/postgres/V9__key_rotation.sql")),
];

/// Those for SQLite.
pub(super) const SQLITE: Embedded = &[
    ("V1__accounts", include_str!("../../migrations/sqlite/V1__accounts.sql")),
    ("V2__sessions", include_str!("../../migrations/sqlite/V2__sessions.sql")),
    ("V3__revocations", include_str!("../../migrations/sqlite/V3__revocations.sql")),
    ("V4__signing_keys", include_str!("../../migrations/sqlite/V4__signing_keys.sql")),
    ("V5__revoked_keys", include_str!("../../migrations/sqlite/V5__revoked_keys.sql")),
    ("V6__refresh_tokens", include_str!("../../migrations/sqlite/V6__refresh_tokens.sql")),
    ("V7__credential_epoch", include_str!("../../migrations/sqlite/V7__credential_epoch.sql")),
    ("V8__replicas", include_str!("../../migrations/sqlite/V8__replicas.sql")),
    ("V9__key_rotation", include_str!("../../migrations/sqlite/V9__key_rotation.sql")),
];

/// Where refinery keeps what it applied.
pub(super) const HISTORY: &str = "refinery_schema_history";

/// A runner that refuses to touch a schema which an edited or an unknown (newer) migration made.
pub(super) fn runner(store: &'static str, embedded: Embedded) -> Result<Runner, StoreError> {
    let migrations = embedded
        .iter()
        .map(|(name, sql)| Migration::unapplied(name, sql))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| StoreError::Corrupt { store, reason: format!("embedded migrations: {error}") })?;
    Ok(Runner::new(&migrations).set_abort_divergent(true).set_abort_missing(true))
}

/// Sets the rows of [`HISTORY`] (version and name) against the migrations that this program carries.
pub(super) fn status(embedded: Embedded, history: &[(i32, String)]) -> MigrationStatus {
    let applied: Vec<String> = history.iter().map(|(version, name)| format!("V{version}__{name}")).collect();
    let pending =
        embedded.iter().map(|(name, _)| (*name).to_owned()).filter(|name| !applied.contains(name)).collect();
    MigrationStatus { applied, pending }
}

/// What a failed run means. `database` judges an error of the database driver.
pub(super) fn failed(
    store: &'static str,
    error: &refinery::Error,
    database: impl FnOnce(&(dyn std::error::Error + Send + Sync + 'static)) -> Option<StoreError>,
) -> StoreError {
    match error.kind() {
        refinery::error::Kind::Connection(_, cause) => database(cause.as_ref())
            .unwrap_or_else(|| StoreError::Corrupt { store, reason: format!("migrations: {cause}") }),
        other => StoreError::Corrupt { store, reason: format!("migrations: {other}") },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_migration_file_is_embedded() {
        for (folder, embedded) in [("postgres", POSTGRES), ("sqlite", SQLITE)] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
            let mut files: Vec<String> = std::fs::read_dir(path)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort_by_key(|file| runner_version(file));
            let listed: Vec<String> = embedded.iter().map(|(name, _)| format!("{name}.sql")).collect();
            assert_eq!(files, listed, "{folder}");
        }
    }

    fn runner_version(file: &str) -> u32 {
        file.trim_start_matches('V').split("__").next().unwrap().parse().unwrap()
    }

    #[test]
    fn every_migration_opens_with_why() {
        for (name, sql) in POSTGRES.iter().chain(SQLITE) {
            assert!(sql.starts_with("-- Why: "), "{name}");
        }
    }

    #[test]
    fn keys_of_an_older_version_are_superseded_by_the_migration_and_not_before() {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        let (rotation, older): (Vec<_>, Vec<_>) =
            SQLITE.iter().partition(|(name, _)| *name == "V9__key_rotation");
        for (_, sql) in older.iter().take(5) {
            database.execute_batch(sql).unwrap();
        }
        let keys = "INSERT INTO signing_keys VALUES ('a', 'EdDSA', x'00', 1000), ('b', 'ES256', x'00', 2000)";
        database.execute_batch(keys).unwrap();
        database.execute_batch(rotation[0].1).unwrap();
        let signs_from = |kid: &str| -> Option<i64> {
            let select = "SELECT active_from FROM signing_keys WHERE kid = ?1";
            database.query_row(select, [kid], |row| row.get(0)).unwrap()
        };
        assert_eq!(signs_from("a"), None, "from when it was made");
        assert!(signs_from("b").unwrap() > 1_700_000_000_000, "{:?}", signs_from("b"));
    }

    #[test]
    fn status_names_what_is_applied_and_what_is_not() {
        let embedded: Embedded = &[("V1__one", ""), ("V2__two", ""), ("V3__three", "")];
        let found = status(embedded, &[(1, "one".to_owned()), (99, "from_the_future".to_owned())]);
        assert_eq!(found.applied, ["V1__one", "V99__from_the_future"]);
        assert_eq!(found.pending, ["V2__two", "V3__three"]);
    }
}
