//! The tables `revocations` and `revocation_counter`, and pruning.

use deadpool_postgres::{Client, Transaction};
use tokio_postgres::Row;

use super::error::{Failure, column, corrupt};
use super::pool::{begin, commit};
use super::replicas;
use crate::domain::clock::Timestamp;
use crate::domain::feed::Position;
use crate::domain::revocation::{Revocation, Revoked};
use crate::domain::session::{EndReason, StatusIndex};
use crate::store::{RevocationPage, StoreError, columns};

/// Locks the one row until the commit: whoever wants the next number waits until this one is visible.
const TAKE_NUMBERS: &str = "UPDATE revocation_counter SET last = last + $1 RETURNING last";

const INSERT: &str = "INSERT INTO revocations \
    (number, session_id, status_index, kid, session_expires_at, revoked_at, reason) \
    SELECT number, session_id, status_index, kid, forget_at, $6::bigint, $7::text \
    FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::text[], $5::bigint[]) \
    AS ended (number, session_id, status_index, kid, forget_at)";

const RESERVE_INDEXES: &str = "UPDATE status_index_counter SET next = next + $1 RETURNING next - $1 AS first";

const TAKEN_INDEXES: &str = "SELECT next FROM status_index_counter";

const OF_KEY: &str = "SELECT number FROM revocations WHERE kid = $1";

/// A reader that is ahead of the counter has seen numbers that are lost: it starts again.
const AFTER: &str = "SELECT number, session_id, status_index, kid, session_expires_at, revoked_at, reason \
    FROM revocations \
    WHERE number > CASE WHEN $1 > (SELECT last FROM revocation_counter) THEN 0 ELSE $1 END \
    ORDER BY number LIMIT $2";

/// Where a follower goes on. Its position is none of ours when it is ahead of the counter, or when the number was
/// somebody else's end; then it starts again.
const READER: &str = "SELECT last, CASE WHEN $1 > last OR EXISTS (SELECT 1 FROM revocations \
    WHERE number = $1 AND session_id IS DISTINCT FROM $2) THEN 0 ELSE $1 END AS start FROM revocation_counter";

const NEWEST: &str = "SELECT number, session_id, status_index, kid, session_expires_at, revoked_at, reason \
    FROM revocations ORDER BY number DESC LIMIT 1";

/// Rows that another call holds are left for the next time, rather than waited for.
const PRUNE_SESSIONS: &str = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions \
    WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)";

const PRUNE_REVOCATIONS: &str = "DELETE FROM revocations WHERE number IN (SELECT number FROM revocations \
    WHERE session_expires_at < $1 ORDER BY session_expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)";

/// What was just ended.
pub(super) struct Ended {
    pub(super) revoked: Revoked,
    pub(super) forget_at: Timestamp,
}

/// Numbers what ended, and writes their revocations into the same transaction.
///
/// To be called last before the commit: from here on every other ending waits.
pub(super) async fn append(
    tx: &Transaction<'_>,
    ended: Vec<Ended>,
    reason: EndReason,
    now: Timestamp,
) -> Result<Vec<Revocation>, Failure> {
    if ended.is_empty() {
        return Ok(Vec::new());
    }
    let count = i64::try_from(ended.len()).map_err(|_| corrupt("too many sessions".to_owned()))?;
    let take = tx.prepare_cached(TAKE_NUMBERS).await?;
    let row = tx
        .query_opt(&take, &[&count])
        .await?
        .ok_or_else(|| corrupt("revocation_counter is empty".to_owned()))?;
    let last: i64 = column(&row, "last")?;

    let revocations: Vec<Revocation> = (last.saturating_sub(count).saturating_add(1)..=last)
        .zip(ended)
        .map(|(number, ended)| Revocation {
            number,
            revoked: ended.revoked,
            forget_at: ended.forget_at,
            revoked_at: now,
            reason,
        })
        .collect();
    let numbers: Vec<i64> = revocations.iter().map(|revocation| revocation.number).collect();
    let (mut sessions, mut indexes, mut kids) = (Vec::new(), Vec::new(), Vec::new());
    for revocation in &revocations {
        let (session, index, kid) = columns::revoked_columns(&revocation.revoked);
        sessions.push(session);
        indexes.push(index);
        kids.push(kid);
    }
    let ends: Vec<i64> = revocations.iter().map(|revocation| revocation.forget_at.unix_millis()).collect();
    let insert = tx.prepare_cached(INSERT).await?;
    tx.execute(&insert, &[&numbers, &sessions, &indexes, &kids, &ends, &now.unix_millis(), &reason.as_str()])
        .await?;
    Ok(revocations)
}

/// Takes `count` status indexes for good; returns the first.
pub(super) async fn reserve_status_indexes(client: &Client, count: u32) -> Result<StatusIndex, Failure> {
    let reserve = client.prepare_cached(RESERVE_INDEXES).await?;
    let row = client
        .query_opt(&reserve, &[&i64::from(count)])
        .await?
        .ok_or_else(|| corrupt("status_index_counter is empty".to_owned()))?;
    Ok(StatusIndex(column(&row, "first")?))
}

pub(super) async fn status_indexes_taken(client: &Client) -> Result<i64, Failure> {
    let select = client.prepare_cached(TAKEN_INDEXES).await?;
    let row = client.query_opt(&select, &[]).await?;
    Ok(column(&row.ok_or_else(|| corrupt("status_index_counter is empty".to_owned()))?, "next")?)
}

pub(super) async fn key_is_retired(client: &Client, kid: &str) -> Result<bool, Failure> {
    let select = client.prepare_cached(OF_KEY).await?;
    Ok(client.query_opt(&select, &[&kid]).await?.is_some())
}

pub(super) async fn after(client: &Client, number: i64, limit: u32) -> Result<Vec<Revocation>, Failure> {
    let select = client.prepare_cached(AFTER).await?;
    let rows = client.query(&select, &[&number, &i64::from(limit)]).await?;
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}

/// Two statements: what is committed between them is in the page, and the counter is at least what it was when
/// the call began.
pub(super) async fn follow(client: &Client, after: Position, limit: u32) -> Result<RevocationPage, Failure> {
    let reader = client.prepare_cached(READER).await?;
    let session = after.session.map(|session| *session.as_uuid());
    let row = client
        .query_opt(&reader, &[&after.number, &session])
        .await?
        .ok_or_else(|| corrupt("revocation_counter is empty".to_owned()))?;
    let (newest, start): (i64, i64) = (column(&row, "last")?, column(&row, "start")?);
    let revocations = self::after(client, start, limit).await?;
    Ok(RevocationPage::new(revocations, limit, start != after.number, newest))
}

pub(super) async fn newest(client: &Client) -> Result<Option<Revocation>, Failure> {
    let select = client.prepare_cached(NEWEST).await?;
    Ok(client.query_opt(&select, &[]).await?.as_ref().map(read).transpose()?)
}

pub(super) async fn prune(client: &mut Client, before: Timestamp, limit: u32) -> Result<u64, Failure> {
    let tx = begin(client).await?;
    let mut gone: u64 = 0;
    for statement in [PRUNE_SESSIONS, PRUNE_REVOCATIONS] {
        let delete = tx.prepare_cached(statement).await?;
        let rows = tx.execute(&delete, &[&before.unix_millis(), &i64::from(limit)]).await?;
        gone = gone.saturating_add(rows);
    }
    commit(tx).await?;
    replicas::prune(client).await?;
    Ok(gone)
}

fn read(row: &Row) -> Result<Revocation, StoreError> {
    let word: &str = column(row, "reason")?;
    Ok(Revocation {
        number: column(row, "number")?,
        revoked: columns::parse_revoked(
            column(row, "session_id")?,
            column(row, "status_index")?,
            column(row, "kid")?,
        )
        .ok_or_else(|| corrupt("a revocation of neither a session nor a key".to_owned()))?,
        forget_at: Timestamp::from_unix_millis(column(row, "session_expires_at")?),
        revoked_at: Timestamp::from_unix_millis(column(row, "revoked_at")?),
        reason: EndReason::parse(word),
    })
}
