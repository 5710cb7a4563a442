//! The table `audit_events`.

use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::error::{Failure, corrupt};
use crate::domain::audit::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, AuditEventId, SessionId};

const INSERT: &str = "INSERT INTO audit_events (id, at, kind, account_id, session_id, address, user_agent) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const PAGE: &str = "SELECT id, at, kind, account_id, session_id, address, user_agent FROM audit_events \
    WHERE id > ?1 ORDER BY id LIMIT ?2";

const PRUNE: &str = "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events \
    WHERE at < ?1 ORDER BY at LIMIT ?2)";

/// Writes an event into the transaction of what it tells.
pub(super) fn insert(tx: &Connection, event: &AuditEvent) -> Result<(), Failure> {
    tx.prepare_cached(INSERT)?.execute(params![
        event.id.as_uuid().as_bytes(),
        event.at.unix_millis(),
        event.kind.as_str(),
        event.account_id.as_uuid().as_bytes(),
        event.session_id.map(|id| id.as_uuid().into_bytes()),
        event.address,
        event.user_agent,
    ])?;
    Ok(())
}

pub(super) fn page(
    connection: &Connection,
    after: Option<AuditEventId>,
    limit: u32,
) -> Result<Vec<AuditEvent>, Failure> {
    // The nil UUID sorts before every id there is.
    let after = after.map_or(Uuid::nil(), |id| *id.as_uuid());
    let mut select = connection.prepare_cached(PAGE)?;
    let mut rows = select.query(params![after.as_bytes(), limit])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(read(row)?);
    }
    Ok(events)
}

pub(super) fn prune(connection: &Connection, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let rows = connection.prepare_cached(PRUNE)?.execute(params![before.unix_millis(), limit])?;
    Ok(u64::try_from(rows).unwrap_or(u64::MAX))
}

fn read(row: &Row<'_>) -> Result<AuditEvent, Failure> {
    let word: String = row.get("kind")?;
    Ok(AuditEvent {
        id: AuditEventId::from_uuid(Uuid::from_bytes(row.get("id")?)),
        at: Timestamp::from_unix_millis(row.get("at")?),
        kind: AuditKind::parse(&word).ok_or_else(|| corrupt(format!("audit kind {word:?} means nothing")))?,
        account_id: AccountId::from_uuid(Uuid::from_bytes(row.get("account_id")?)),
        session_id: row
            .get::<_, Option<[u8; 16]>>("session_id")?
            .map(Uuid::from_bytes)
            .map(SessionId::from_uuid),
        address: row.get("address")?,
        user_agent: row.get("user_agent")?,
    })
}
