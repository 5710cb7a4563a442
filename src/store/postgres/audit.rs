//! The table `audit_events`.

use deadpool_postgres::{Client, Transaction};
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::{Failure, column, corrupt};
use crate::domain::audit::{AuditEvent, AuditKind};
use crate::domain::clock::Timestamp;
use crate::domain::id::{AccountId, AuditEventId, SessionId};
use crate::store::StoreError;

const INSERT: &str = "INSERT INTO audit_events (id, at, kind, account_id, session_id, address, user_agent) \
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

const PAGE: &str = "SELECT id, at, kind, account_id, session_id, address, user_agent FROM audit_events \
    WHERE id > $1 ORDER BY id LIMIT $2";

const PRUNE: &str = "DELETE FROM audit_events WHERE id IN (SELECT id FROM audit_events \
    WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// Writes an event into the transaction of what it tells.
pub(super) async fn insert(tx: &Transaction<'_>, event: &AuditEvent) -> Result<(), Failure> {
    let insert = tx.prepare_cached(INSERT).await?;
    tx.execute(
        &insert,
        &[
            event.id.as_uuid(),
            &event.at.unix_millis(),
            &event.kind.as_str(),
            event.account_id.as_uuid(),
            &event.session_id.map(|id| *id.as_uuid()),
            &event.address,
            &event.user_agent,
        ],
    )
    .await?;
    Ok(())
}

pub(super) async fn page(
    client: &Client,
    after: Option<AuditEventId>,
    limit: u32,
) -> Result<Vec<AuditEvent>, Failure> {
    // The nil UUID sorts before every id there is.
    let after = after.map_or(Uuid::nil(), |id| *id.as_uuid());
    let select = client.prepare_cached(PAGE).await?;
    let rows = client.query(&select, &[&after, &i64::from(limit)]).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

pub(super) async fn prune(client: &Client, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let delete = client.prepare_cached(PRUNE).await?;
    Ok(client.execute(&delete, &[&before.unix_millis(), &i64::from(limit)]).await?)
}

fn read(row: &Row) -> Result<AuditEvent, StoreError> {
    let word: &str = column(row, "kind")?;
    let session: Option<Uuid> = column(row, "session_id")?;
    Ok(AuditEvent {
        id: AuditEventId::from_uuid(column(row, "id")?),
        at: Timestamp::from_unix_millis(column(row, "at")?),
        kind: AuditKind::parse(word).ok_or_else(|| corrupt(format!("audit kind {word:?} means nothing")))?,
        account_id: AccountId::from_uuid(column(row, "account_id")?),
        session_id: session.map(SessionId::from_uuid),
        address: column(row, "address")?,
        user_agent: column(row, "user_agent")?,
    })
}
