//! The table `replicas`, for which this kind has no use of its own.

use std::time::Duration;

use rusqlite::{Connection, Row, TransactionBehavior, params};
use uuid::Uuid;

use super::error::Failure;
use crate::domain::feed::{Position, Registration, Renewal};
use crate::domain::id::ReplicaId;
use crate::store::columns;

/// A position that is none of this store's counts as none.
const RENEW: &str = "UPDATE replicas SET lease_ms = ?4, seen_at = CAST(unixepoch('subsec') * 1000 AS INTEGER), \
    followed = CASE WHEN ?2 <= (SELECT last FROM revocation_counter) AND NOT EXISTS \
    (SELECT 1 FROM revocations WHERE number = ?2 AND session_id IS NOT ?3) THEN ?2 ELSE 0 END WHERE id = ?1";

const REGISTER: &str = "INSERT INTO replicas (id, followed, lease_ms, seen_at) \
    VALUES (?1, 0, ?2, CAST(unixepoch('subsec') * 1000 AS INTEGER))";

const ALL: &str = "SELECT id, followed, lease_ms, \
    CAST(unixepoch('subsec') * 1000 AS INTEGER) - seen_at AS age_ms FROM replicas";

const REMOVE: &str = "DELETE FROM replicas WHERE id = ?1";

pub(super) fn register(
    connection: &mut Connection,
    replica: ReplicaId,
    followed: Position,
    lease: Duration,
) -> Result<Renewal, Failure> {
    let id = replica.as_uuid().into_bytes();
    let lease = columns::millis(lease);
    let session = followed.session.map(|session| session.as_uuid().into_bytes());
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let renewal = if tx.prepare_cached(RENEW)?.execute(params![id, followed.number, session, lease])? > 0 {
        Renewal::Renewed
    } else {
        tx.prepare_cached(REGISTER)?.execute(params![id, lease])?;
        Renewal::New
    };
    tx.commit()?;
    Ok(renewal)
}

pub(super) fn all(connection: &Connection) -> Result<Vec<Registration>, Failure> {
    let mut select = connection.prepare_cached(ALL)?;
    let replicas = select.query_map([], read)?.collect::<Result<_, _>>()?;
    Ok(replicas)
}

pub(super) fn remove(connection: &Connection, replica: ReplicaId) -> Result<(), Failure> {
    connection.prepare_cached(REMOVE)?.execute([replica.as_uuid().into_bytes()])?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Registration, rusqlite::Error> {
    Ok(Registration {
        replica: ReplicaId::from_uuid(Uuid::from_bytes(row.get("id")?)),
        followed: row.get("followed")?,
        age: columns::span(row.get("age_ms")?),
        lease: columns::span(row.get("lease_ms")?),
    })
}
