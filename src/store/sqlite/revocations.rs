//! The tables `revocations` and `revocation_counter`, and pruning.

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use uuid::Uuid;

use super::error::{Failure, corrupt};
use crate::domain::clock::Timestamp;
use crate::domain::feed::Position;
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::session::{EndReason, StatusIndex};
use crate::store::{RevocationPage, columns};

const TAKE_NUMBERS: &str = "UPDATE revocation_counter SET last = last + ?1 RETURNING last";

const INSERT: &str = "INSERT INTO revocations \
    (number, session_id, status_index, kid, session_expires_at, revoked_at, reason) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const RESERVE_INDEXES: &str = "UPDATE status_index_counter SET next = next + ?1 RETURNING next - ?1 AS first";

const TAKEN_INDEXES: &str = "SELECT next FROM status_index_counter";

const OF_KEY: &str = "SELECT number FROM revocations WHERE kid = ?1";

/// A reader that is ahead of the counter has seen numbers that are lost: it starts again.
const AFTER: &str = "SELECT number, session_id, status_index, kid, session_expires_at, revoked_at, reason \
    FROM revocations \
    WHERE number > CASE WHEN ?1 > (SELECT last FROM revocation_counter) THEN 0 ELSE ?1 END \
    ORDER BY number LIMIT ?2";

/// Where a follower goes on. Its position is none of ours when it is ahead of the counter, or when the number was
/// somebody else's end; then it starts again.
const READER: &str = "SELECT last, CASE WHEN ?1 > last OR EXISTS (SELECT 1 FROM revocations \
    WHERE number = ?1 AND session_id IS NOT ?2) THEN 0 ELSE ?1 END AS start FROM revocation_counter";

const NEWEST: &str = "SELECT number, session_id, status_index, kid, session_expires_at, revoked_at, reason \
    FROM revocations ORDER BY number DESC LIMIT 1";

const PRUNE_SESSIONS: &str = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions \
    WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";

const PRUNE_REVOCATIONS: &str = "DELETE FROM revocations WHERE number IN (SELECT number FROM revocations \
    WHERE session_expires_at < ?1 ORDER BY session_expires_at LIMIT ?2)";

/// What was just ended.
pub(super) struct Ended {
    pub(super) revoked: Revoked,
    pub(super) forget_at: Timestamp,
}

/// Numbers what ended, and writes their revocations into the same transaction.
pub(super) fn append(
    tx: &Connection,
    ended: Vec<Ended>,
    reason: EndReason,
    now: Timestamp,
) -> Result<Vec<Revocation>, Failure> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let count = i64::try_from(ended.len()).map_err(|_| corrupt("too many sessions".to_owned()))?;
    let last: i64 = tx
        .prepare_cached(TAKE_NUMBERS)?
        .query_row([count], |row| row.get(0))
        .optional()?
        .ok_or_else(|| corrupt("revocation_counter is empty".to_owned()))?;

    let mut insert = tx.prepare_cached(INSERT)?;
    let mut revocations = Vec::with_capacity(ended.len());
    for (number, ended) in (last.saturating_sub(count).saturating_add(1)..=last).zip(ended) {
        let Ended { revoked, forget_at } = ended;
        let (session, index, kid) = columns::revoked_columns(&revoked);
        insert.execute(params![
            number,
            session.map(Uuid::into_bytes),
            index,
            kid,
            forget_at.unix_millis(),
            now.unix_millis(),
            reason.as_str(),
        ])?;
        revocations.push(Revocation { number, revoked, forget_at, revoked_at: now, reason });
    }
    Ok(revocations)
}

/// Takes `count` status indexes for good; returns the first.
pub(super) fn reserve_status_indexes(connection: &Connection, count: u32) -> Result<StatusIndex, Failure> {
    let first: Option<i64> =
        connection.prepare_cached(RESERVE_INDEXES)?.query_row([count], |row| row.get(0)).optional()?;
    Ok(StatusIndex(first.ok_or_else(|| corrupt("status_index_counter is empty".to_owned()))?))
}

pub(super) fn status_indexes_taken(connection: &Connection) -> Result<i64, Failure> {
    let taken = connection.prepare_cached(TAKEN_INDEXES)?.query_row([], |row| row.get(0)).optional()?;
    Ok(taken.ok_or_else(|| corrupt("status_index_counter is empty".to_owned()))?)
}

pub(super) fn key_is_retired(connection: &Connection, kid: &str) -> Result<bool, Failure> {
    Ok(connection.prepare_cached(OF_KEY)?.exists([kid])?)
}

pub(super) fn after(connection: &Connection, number: i64, limit: u32) -> Result<Vec<Revocation>, Failure> {
    let mut select = connection.prepare_cached(AFTER)?;
    let mut rows = select.query(params![number, limit])?;
    let mut revocations = Vec::new();
    while let Some(row) = rows.next()? {
        revocations.push(read(row)?);
    }
    Ok(revocations)
}

pub(super) fn follow(
    connection: &Connection,
    after: Position,
    limit: u32,
) -> Result<RevocationPage, Failure> {
    let session = after.session.map(|session| session.as_uuid().into_bytes());
    let (newest, start): (i64, i64) = connection
        .prepare_cached(READER)?
        .query_row(params![after.number, session], |row| Ok((row.get("last")?, row.get("start")?)))
        .optional()?
        .ok_or_else(|| corrupt("revocation_counter is empty".to_owned()))?;
    let revocations = self::after(connection, start, limit)?;
    Ok(RevocationPage::new(revocations, limit, start != after.number, newest))
}

pub(super) fn newest(connection: &Connection) -> Result<Option<Revocation>, Failure> {
    let mut select = connection.prepare_cached(NEWEST)?;
    let mut rows = select.query([])?;
    rows.next()?.map(read).transpose()
}

pub(super) fn prune(connection: &mut Connection, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut gone: u64 = 0;
    for statement in [PRUNE_SESSIONS, PRUNE_REVOCATIONS] {
        let rows = tx.prepare_cached(statement)?.execute(params![before.unix_millis(), limit])?;
        gone = gone.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
    }
    tx.commit()?;
    Ok(gone)
}

fn read(row: &Row<'_>) -> Result<Revocation, Failure> {
    let word: String = row.get("reason")?;
    Ok(Revocation {
        number: row.get("number")?,
        revoked: columns::parse_revoked(
            row.get::<_, Option<[u8; 16]>>("session_id")?.map(Uuid::from_bytes),
            row.get("status_index")?,
            row.get("kid")?,
        )
        .ok_or_else(|| corrupt("a revocation of neither a session nor a key".to_owned()))?,
        forget_at: Timestamp::from_unix_millis(row.get("session_expires_at")?),
        revoked_at: Timestamp::from_unix_millis(row.get("revoked_at")?),
        reason: EndReason::parse(&word),
    })
}
