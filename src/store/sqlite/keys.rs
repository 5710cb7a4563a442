//! The table `signing_keys`.

use rusqlite::{Connection, Row, TransactionBehavior, params};

use super::error::Failure;
use super::revocations::{self, Ended};
use crate::domain::clock::Timestamp;
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::session::EndReason;
use crate::store::{KeyRetirement, SealedKey};

const ALL: &str = "SELECT kid, algorithm, sealed, created_at, COALESCE(active_from, created_at) AS active_from, \
    retired_at FROM signing_keys ORDER BY created_at, kid";

const IN_USE: &str = "SELECT kid FROM signing_keys WHERE retired_at IS NULL";

const INSERT: &str = "INSERT INTO signing_keys (kid, algorithm, sealed, created_at, active_from, retired_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

const RETIRE: &str = "UPDATE signing_keys SET retired_at = ?2 WHERE kid = ?1 AND retired_at IS NULL";

const FORGET: &str = "DELETE FROM signing_keys WHERE kid = ?1";

pub(super) fn all(connection: &Connection) -> Result<Vec<SealedKey>, Failure> {
    let mut select = connection.prepare_cached(ALL)?;
    let keys = select.query_map([], read)?.collect::<Result<_, _>>()?;
    Ok(keys)
}

pub(super) fn add(
    connection: &mut Connection,
    key: &SealedKey,
    expected: &[String],
) -> Result<bool, Failure> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !are_in_use(&tx, expected)? {
        return Ok(false);
    }
    insert(&tx, key)?;
    tx.commit()?;
    Ok(true)
}

pub(super) fn retire(
    connection: &mut Connection,
    retirement: &KeyRetirement,
    expected: &[String],
) -> Result<Option<Vec<Revocation>>, Failure> {
    let KeyRetirement { kid, successor, forget_at, now } = retirement;
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if !are_in_use(&tx, expected)? {
        return Ok(None);
    }
    if tx.prepare_cached(RETIRE)?.execute(params![kid, now.unix_millis()])? == 0 {
        return Ok(None);
    }
    if let Some(successor) = successor {
        insert(&tx, successor)?;
    }
    let ended = Ended { revoked: Revoked::Key { kid: kid.clone() }, forget_at: *forget_at };
    let written = revocations::append(&tx, vec![ended], EndReason::KeyRetired, *now)?;
    tx.commit()?;
    Ok(Some(written))
}

pub(super) fn forget(connection: &mut Connection, kids: &[String]) -> Result<(), Failure> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for kid in kids {
        tx.prepare_cached(FORGET)?.execute([kid])?;
    }
    tx.commit()?;
    Ok(())
}

/// Whether the keys that are not retired are these.
fn are_in_use(tx: &Connection, expected: &[String]) -> Result<bool, Failure> {
    let mut select = tx.prepare_cached(IN_USE)?;
    let mut there: Vec<String> = select.query_map([], |row| row.get("kid"))?.collect::<Result<_, _>>()?;
    let mut expected = expected.to_vec();
    there.sort();
    expected.sort();
    Ok(there == expected)
}

fn insert(tx: &Connection, key: &SealedKey) -> Result<(), Failure> {
    tx.prepare_cached(INSERT)?.execute(params![
        key.kid,
        key.algorithm,
        key.sealed,
        key.created_at.unix_millis(),
        key.active_from.unix_millis(),
        key.retired_at.map(Timestamp::unix_millis),
    ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<SealedKey, rusqlite::Error> {
    let retired_at: Option<i64> = row.get("retired_at")?;
    Ok(SealedKey {
        kid: row.get("kid")?,
        algorithm: row.get("algorithm")?,
        sealed: row.get("sealed")?,
        created_at: Timestamp::from_unix_millis(row.get("created_at")?),
        active_from: Timestamp::from_unix_millis(row.get("active_from")?),
        retired_at: retired_at.map(Timestamp::from_unix_millis),
    })
}
