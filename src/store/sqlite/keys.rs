//! The table `signing_keys`.

use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::error::Failure;
use crate::domain::clock::Timestamp;
use crate::store::SealedKey;

const ALL: &str = "SELECT kid, algorithm, sealed, created_at FROM signing_keys ORDER BY created_at, kid";

const ENSURE: &str = "INSERT INTO signing_keys (kid, algorithm, sealed, created_at) \
    VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";

pub(super) fn all(connection: &Connection) -> Result<Vec<SealedKey>, Failure> {
    let mut select = connection.prepare_cached(ALL)?;
    let keys = select.query_map([], read)?.collect::<Result<_, _>>()?;
    Ok(keys)
}

pub(super) fn ensure(connection: &mut Connection, key: &SealedKey) -> Result<Vec<SealedKey>, Failure> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    tx.prepare_cached(ENSURE)?.execute(params![
        key.kid,
        key.algorithm,
        key.sealed,
        key.created_at.unix_millis()
    ])?;
    let keys = all(&tx)?;
    tx.commit()?;
    Ok(keys)
}

fn read(row: &Row<'_>) -> Result<SealedKey, rusqlite::Error> {
    Ok(SealedKey {
        kid: row.get("kid")?,
        algorithm: row.get("algorithm")?,
        sealed: row.get("sealed")?,
        created_at: Timestamp::from_unix_millis(row.get("created_at")?),
    })
}
